"""An opened package from the outside: texts in, answers out; and ``sw-run``, which must say the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.properties.tokenizers_made import SENTENCES
from tests.unit.test_package import decoder, encoder, write

from smallwright.errors import EngineError, PackageError
from smallwright.run import Package, _engine, load
from smallwright.run.options import Options

PROMPT = "turn on the"


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("run") / "text.gguf", decoder(context=64), "gpt2").path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("run") / "classes.gguf", encoder(), "bert_uncased", temperature=0.5).path


def test_the_engine_under_test_is_the_one_asked_for() -> None:
    """`make sanitize` names a build; a test of another one would prove nothing about it."""
    assert _engine.__file__ == os.environ.get("SMALLWRIGHT_TEST_ENGINE", _engine.__file__)


def _greedy(package: Package, count: int) -> list[int]:
    """Greedy generation by hand, a fresh full pass for every token."""
    tokens = package.tokenize(PROMPT)
    start = len(tokens)
    for _ in range(count):
        tokens.append(int(np.argmax(package.logits(tokens)[-1])))
    return tokens[start:]


def test_a_prediction_is_a_calibrated_softmax(classifier: Path) -> None:
    with load(classifier, threads=1) as package:
        one = package.classify(SENTENCES[0])
        many = package.classify(list(SENTENCES[:3]))
        assert package.classify([]) == []
        logits = package.classify_logits([SENTENCES[0]])[0]
    assert one.label == many[0].label == ("on", "off", "größer")[int(np.argmax(logits))]
    assert one.confidence == pytest.approx(max(one.probabilities.values()))
    assert sum(one.probabilities.values()) == pytest.approx(1)
    expected = np.exp(2 * (logits - logits.max()))
    np.testing.assert_allclose(list(one.probabilities.values()), expected / expected.sum(), rtol=1e-5)


def test_generation_is_greedy_by_default(speaker: Path) -> None:
    with load(speaker, threads=1) as package:
        expected = _greedy(package, 12)
        assert package.generate(PROMPT, max_tokens=12) == package.detokenize(expected)


def test_streaming_gives_the_same_text(speaker: Path) -> None:
    with load(speaker, threads=2) as package:
        for arguments in ({}, {"temperature": 1.5, "seed": 3}):
            whole = package.generate(PROMPT, max_tokens=40, **arguments)
            assert "".join(package.stream(PROMPT, max_tokens=40, **arguments)) == whole


def test_a_dropped_stream_stops_the_engine(speaker: Path) -> None:
    with load(speaker, threads=1) as package:
        stream = package.stream(PROMPT, max_tokens=50, temperature=1.0)
        next(stream)
        stream.close()
        tokens = package.counters()["tokens"]
        assert package.generate(PROMPT, max_tokens=1) is not None  # the session is free again
        assert tokens < 60


def test_sampling_follows_the_seed(speaker: Path) -> None:
    with load(speaker, threads=1) as package:
        texts = [package.generate(PROMPT, 20, temperature=2.0, seed=seed) for seed in (1, 2, 1)]
        assert texts[0] == texts[2] != texts[1]
        greedy = package.generate(PROMPT, 20)
        assert package.generate(PROMPT, 20, temperature=3.0, top_k=1, seed=9) == greedy
        assert package.generate(PROMPT, 20, temperature=3.0, top_p=1e-6, seed=9) == greedy


def test_samples_have_the_distribution_of_the_logits(speaker: Path) -> None:
    session_text: list[int] = []
    with load(speaker, threads=1) as package:
        logits = package.logits(package.tokenize(PROMPT))[-1].astype(np.float64) / 0.3
        for seed in range(1500):
            session_text += package.complete(PROMPT, 1, temperature=0.3, top_k=5, seed=seed).tokens
    best = np.argsort(-logits)[:5]
    expected = np.exp(logits[best] - logits[best[0]])
    expected /= expected.sum()
    counts = np.array([session_text.count(int(token)) for token in best])
    total = len(session_text)
    assert counts.sum() == total <= 1500  # the end token is never told
    np.testing.assert_allclose(counts / total, expected, atol=5 * np.sqrt(0.25 / total))


def test_generation_stops_when_the_context_is_full(speaker: Path) -> None:
    with load(speaker, threads=1) as package:
        package.generate(PROMPT, max_tokens=1000, temperature=1.0)
        assert package.counters()["tokens"] <= 64
        with pytest.raises(EngineError, match="at most 64 tokens") as caught:
            package.generate("light " * 200)
        assert caught.value.kind == "too_long"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"min_p": -0.1}, "min_p"),
        ({"min_p": 1.1}, "min_p"),
        ({"repetition_penalty": 0.0}, "repetition_penalty"),
        ({"stop": ["a", ""]}, "stop string"),
        ({"stop": [3]}, "stop"),
        ({"stop": 3}, "stop"),
        ({"speed": 9}, "speed"),
        ({"regex": 3}, "regex"),
        ({"grammar": b"start"}, "grammar"),
        ({"lookup": "no"}, "lookup"),
        ({"choices": "yes"}, "choices"),
        ({"regex": "a", "choices": ["a"]}, "one constraint"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_sampling_arguments_are_checked(speaker: Path, arguments: dict[str, object], words: str) -> None:
    with load(speaker, threads=1) as package, pytest.raises(EngineError, match=words):
        package.generate(PROMPT, **arguments)  # type: ignore[arg-type]


def _generate(session: _engine.Session, model: _engine.Model, on_text: Callable[[str, int], bool | None]) -> None:
    generator = _engine.Generator(session, 1)
    sampling = Options(max_tokens=5).sampling
    generator.submit(model.encode_prompt(PROMPT), sampling, [], False, [], None, False, False, on_text)
    generator.run()


def test_a_request_of_another_kind_is_one_clear_error(speaker: Path) -> None:
    with load(speaker, threads=1) as package:
        for wrong in (5, None, {"a": 1}):
            with pytest.raises(EngineError, match="a request is a text"):
                package.generate(wrong)  # type: ignore[call-overload]
        for tokens in ([1.5], [-1], [10**6], [[1]]):
            with pytest.raises(EngineError, match="token"):
                list(package.stream(tokens, 3))  # type: ignore[arg-type]
        with pytest.raises(EngineError, match="remembered before"):
            package._generating().save_remembered()
        assert package.generate(PROMPT, 3)


def test_an_error_in_the_callback_comes_through(speaker: Path) -> None:
    model = _engine.open(str(speaker))
    session = _engine.Session(model, 2)

    def fail(text: str, token: int) -> None:
        raise ZeroDivisionError("mine")

    for _ in range(3):
        with pytest.raises(ZeroDivisionError, match="mine"):
            _generate(session, model, fail)
    pieces: list[str] = []
    _generate(session, model, lambda text, token: pieces.append(text))
    assert pieces


def test_one_session_refuses_a_second_call_meanwhile(speaker: Path) -> None:
    model = _engine.open(str(speaker))
    session = _engine.Session(model, 1)
    errors: list[str] = []

    def again(text: str, token: int) -> bool:
        try:
            session.truncate(0)
        except EngineError as error:
            errors.append(error.kind)  # type: ignore[attr-defined]
        return False

    _generate(session, model, again)
    assert errors == ["busy"]


def test_packages_work_side_by_side_in_threads(classifier: Path) -> None:
    with load(classifier, threads=1) as package:
        expected = package.classify_logits(SENTENCES)
    results: list[np.ndarray] = []

    def work() -> None:
        with load(classifier, threads=2) as mine:
            results.extend(mine.classify_logits(SENTENCES) for _ in range(20))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 60
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_odd_texts_are_answered(classifier: Path, speaker: Path) -> None:
    with load(classifier, threads=1) as package:
        for text in ("", " ", "\0", "\ud800 lone", "😀" * 100, "a" * 10_000):
            assert package.classify(text).label in package.labels
        with pytest.raises(EngineError, match="a text must be a str"):
            package.classify(["a", 3])  # type: ignore[list-item]
    with load(speaker, threads=1) as package:
        assert isinstance(package.generate("\ud800\0 größer", 3), str)


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"nothing\.gguf") as caught:
        load(tmp_path / "nothing.gguf")
    assert "\n" not in str(caught.value)


# ---- sw-run


def _sw_run() -> str:
    root = Path(__file__).resolve().parents[2]
    found = [os.environ.get("SMALLWRIGHT_SW_RUN"), str(root / "build" / "dev" / "sw-run")]
    found.append(shutil.which("sw-run", path=str(Path(sys.executable).parent)))
    path = next((path for path in found if path and Path(path).is_file()), None)
    if path is None:
        pytest.skip("sw-run is not built")
    return path


def _answer(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([_sw_run(), *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)


def test_sw_run_classifies_as_python_does(classifier: Path) -> None:
    with load(classifier, threads=1) as package:
        expected = package.classify(list(SENTENCES))
    lines = "".join(f"{text.splitlines()[0]}\n" for text in SENTENCES)
    answers = _answer(str(classifier), "--json", "--top", "3", stdin=lines).stdout.splitlines()
    for text, line, prediction in zip(SENTENCES, answers, expected, strict=True):
        if "\n" in text:
            continue
        found = json.loads(line)
        assert found["label"] == prediction.label
        assert found["truncated"] == prediction.truncated
        assert found["confidence"] == pytest.approx(prediction.confidence, abs=2e-6)
        assert found["probabilities"] == pytest.approx(prediction.probabilities, abs=2e-6)
    plain = _answer(str(classifier), SENTENCES[0], "--top=2").stdout.splitlines()
    assert plain[0] == f"{expected[0].label}\t{expected[0].confidence:.4f}"
    assert len(plain) == 2


def test_sw_run_answers_the_same_in_place(classifier: Path, speaker: Path) -> None:
    for path in (classifier, speaker):
        expected = _answer(str(path), PROMPT, "--json", "--max-tokens", "5").stdout
        assert expected and _answer(str(path), PROMPT, "--json", "--max-tokens", "5", "--in-place").stdout == expected


def test_sw_run_prepares_what_it_then_maps(speaker: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.gguf"
    shutil.copy(speaker, path)
    expected = _answer(str(path), PROMPT, "--json", "--max-tokens", "5").stdout
    assert _answer(str(path), "--prepare").returncode == 0
    assert path.with_name("text.gguf.tiles").is_file()
    assert _answer(str(path), PROMPT, "--json", "--max-tokens", "5").stdout == expected
    path.with_name("text.gguf.tiles").write_bytes(b"nothing")
    assert "(bad_tiles)" in _answer(str(path), PROMPT).stderr


def test_sw_run_generates_as_python_does(speaker: Path) -> None:
    with load(speaker, threads=1) as package:
        expected = package.generate(PROMPT, 15, temperature=0.9, top_k=20, top_p=0.9, seed=7)
    options = ["--max-tokens", "15", "--temperature", "0.9", "--top-k", "20", "--top-p", "0.9", "--seed", "7"]
    assert _answer(str(speaker), PROMPT, *options).stdout == expected + "\n"
    assert json.loads(_answer(str(speaker), PROMPT, *options, "--json").stdout)["text"] == expected


def test_sw_run_refuses_in_one_line(classifier: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(classifier.read_bytes()[:5000])
    for arguments, status in (
        ([str(tmp_path / "nothing.gguf"), "a"], 1),
        ([str(broken), "a"], 1),
        ([], 2),
        ([str(classifier), "a", "b"], 2),
        ([str(classifier), "a", "--speed", "9"], 2),
        ([str(classifier), "a", "--threads", "many"], 2),
        ([str(classifier), "a", "--top"], 2),
    ):
        answer = _answer(*arguments)
        assert answer.returncode == status, arguments
        assert answer.stdout == ""
        assert answer.stderr.startswith("sw-run: ") and answer.stderr.count("\n") == 1
    assert _answer("--help").stdout.startswith("usage: sw-run FILE")
