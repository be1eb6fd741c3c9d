"""Timing and the fresh process: the protocol, what it refuses, and what it says when a process dies."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from smallwright.errors import DataError, EngineError, PackageError
from smallwright.evaluate import cost, linear, worker
from smallwright.evaluate.memory import resident
from smallwright.evaluate.process import Process, Subject, _same_error
from smallwright.evaluate.timing import summarise, time_calls

MAJORITY = "smallwright.evaluate.baselines:open_majority"


class FakePackage:
    """The run half's interface, with answers known in advance."""

    labels = ("long", "short")
    temperature = 1.5

    def __init__(self) -> None:
        self.rows = 0

    def classify(self, text: str) -> SimpleNamespace:
        return SimpleNamespace(label=self.labels[int(len(text) < 5)], confidence=0.9)

    def classify_logits(self, texts: list[str]) -> np.ndarray:
        return np.array([[len(text), 5] for text in texts], dtype=np.float32)

    def tokenize(self, text: str, add_special: bool = True) -> list[int]:
        assert not add_special
        return [ord(letter) % 7 for letter in text]

    def logits(self, tokens: list[int]) -> np.ndarray:
        return np.zeros((len(tokens), 7), dtype=np.float32)

    def generate(self, prompt: str, max_tokens: int, temperature: float, seed: int, lookup: bool = True) -> str:
        refused = 3 if lookup and max_tokens > 1 else 0  # guesses: they are rows, and no tokens
        self.rows += len(prompt) + max_tokens - 1 + refused
        return f"{prompt}+{max_tokens}@{temperature}#{seed}"

    def counters(self) -> dict[str, int]:
        return {"tokens": self.rows, "passes": 1}


def _opened(task: str = "classify") -> worker.Worker:
    opened = worker.Worker()
    opened.subject = FakePackage()
    opened.ask = opened._chooser({"task": task})
    return opened


def test_latency_is_numpys_percentiles() -> None:
    rounds = [[1_000_000, 3_000_000, 2_000_000], [4_000_000, 6_000_000, 5_000_000]]
    found = summarise(rounds)
    assert (found.p50_ms, found.p95_ms) == pytest.approx(tuple(np.percentile(np.arange(1, 7), [50, 95])))
    assert (found.min_ms, found.max_ms, found.mean_ms, found.texts, found.rounds) == (1, 6, 3.5, 3, 2)
    assert (found.round_p50_min_ms, found.round_p50_max_ms) == (2, 5)


def test_time_calls_warms_up_then_asks_in_order() -> None:
    asked: list[str] = []
    found = time_calls(asked.append, ["a", "b"], rounds=3)
    assert asked == ["a", "b"] * 4
    assert (found.texts, found.rounds) == (2, 3)
    with pytest.raises(DataError, match="at least one round over at least one text"):
        time_calls(asked.append, [], rounds=1)


def test_worker_predicts_scores_and_generates(tmp_path: Path) -> None:
    opened = _opened()
    assert opened.classify({"texts": ["hi", "hello there"]}) == {"labels": ["short", "long"]}
    assert len(opened.time({})["nanoseconds"]) == 2
    told = opened.predict({"texts": ["a", "bb", "ccc"], "batch": 2, "save": str(tmp_path / "l.npy")})
    assert told == {"labels": ["long", "short"], "temperature": 1.5}
    assert np.load(tmp_path / "l.npy").tolist() == [[1, 5], [2, 5], [3, 5]]
    request = {"text": "x" * 40, "window": 8, "stride": 4, "max_tokens": 30, "save": str(tmp_path / "s.npy")}
    assert opened.score(request) == {"text_tokens": 40, "scored_tokens": 30}
    np.testing.assert_allclose(np.load(tmp_path / "s.npy"), np.full(29, -np.log(7)))
    request = {"prompts": ["p", "q"], "max_tokens": 3, "temperature": 0.5, "seed": 9}
    assert opened.generate(request) == {"texts": ["p+3@0.5#9", "q+3@0.5#9"]}


def test_speed_counts_rows_by_the_engines_counters() -> None:
    told = _opened("generate").speed({"prompt": "abcd", "max_tokens": 11})
    assert (told["short_rows"], told["long_rows"]) == (4, 14)
    speed = cost.generation_speed([{"short_ns": 2_000, "short_rows": 4, "long_ns": 12_000, "long_rows": 14}] * 3)
    assert speed == cost.GenerationSpeed(4, 10, pytest.approx(2e6), pytest.approx(1e6))
    stopped = cost.generation_speed([{"short_ns": 2_000, "short_rows": 4, "long_ns": 2_100, "long_rows": 4}])
    assert stopped.decode_tokens_per_second is None
    with pytest.raises(EngineError, match="must count the tokens"):
        cost.generation_speed([{"short_ns": 1, "short_rows": 0, "long_ns": 2, "long_rows": 0}])


def test_requests_and_answers_are_lines_of_json() -> None:
    lines = [{"op": "classify", "texts": ["x"]}, {"op": "dance"}]
    answers = io.StringIO()
    worker.serve(io.StringIO("".join(json.dumps(line) + "\n" for line in lines)), answers)
    first, second = (json.loads(line)["error"] for line in answers.getvalue().splitlines())
    assert first["class"] == "EngineError" and "must open a subject" in first["message"]
    assert "op must be one of open, classify" in second["message"] and "'dance'" in second["message"]


def test_a_callable_is_measured_in_its_own_process() -> None:
    subjects = [
        Subject("yes", target=MAJORITY, arguments={"label": "yes"}, cold_starts=2),
        Subject("no", target=MAJORITY, arguments={"label": "nö"}, threads=0),
    ]
    texts = ["turn it on", "größer\nund \u2028 weiter"]
    found = cost.measure_classifiers(subjects, texts, rounds=3, expected={"no": ["nö", "nö"]})
    assert list(found) == ["yes", "no"]
    price = found["yes"]
    assert price.cold_start_ms > price.open_ms > 0
    assert price.latency is not None and (price.latency.texts, price.latency.rounds) == (2, 3)
    assert price.size_bytes is None and price.generation is None
    if resident().current_bytes is not None:
        assert price.peak_rss_bytes is not None and price.added_rss_bytes is not None
        assert price.peak_rss_bytes > price.added_rss_bytes >= 0


def test_the_fitted_baseline_is_measured_from_its_file(tmp_path: Path) -> None:
    fitted = linear.fit_linear(["yes yes", "no no", "yes", "no"], ["y", "n", "y", "n"])
    _, sha256 = fitted.save(tmp_path / "linear.pickle")
    arguments = {"path": str(tmp_path / "linear.pickle"), "sha256": sha256}
    subject = Subject("linear", target="smallwright.evaluate.linear:open_linear", arguments=arguments)
    found = cost.measure_classifiers([subject], ["yes", "no"], rounds=1, expected={"linear": ["y", "n"]})
    assert found["linear"].latency is not None


def test_a_wrong_answer_is_not_timed() -> None:
    subject = Subject("yes", target=MAJORITY, arguments={"label": "yes"})
    with pytest.raises(EngineError, match=r"yes said 'yes', not 'no', to 'b'"):
        cost.measure_classifiers([subject], ["a", "b"], rounds=1, expected={"yes": ["yes", "no"]})


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("os:system", {"command": "true"}, "below smallwright"),
        ("smallwrightish.x:y", {}, "below smallwright"),
        ("smallwright.evaluate.baselines:os.system", {}, "below smallwright"),
        ("smallwright.evaluate.baselines:missing", {}, "must exist"),
        ("smallwright.nowhere:f", {}, "must exist"),
    ],
)
def test_only_our_own_callables_are_opened(target: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        Process(Subject("stranger", target=target, arguments=arguments), "text")


def test_a_refusal_keeps_its_class_and_words(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no pickle")
    arguments = {"path": str(tmp_path / "x"), "sha256": "0" * 64}
    subject = Subject("linear", target="smallwright.evaluate.linear:open_linear", arguments=arguments)
    with pytest.raises(DataError, match="must be the one that was written"):
        Process(subject, "text")
    told = _same_error({"class": "PackageError", "message": "bad", "kind": "truncated"})
    assert isinstance(told, PackageError) and told.kind == "truncated"
    assert type(_same_error({"class": "Exception", "message": "odd", "kind": None})) is EngineError


def test_a_dead_process_is_told_with_its_last_words() -> None:
    subject = Subject("broken", target=MAJORITY, arguments={"no_such_argument": 1})
    with pytest.raises(EngineError, match=r"broken: it ended with status 1 during open.*unexpected keyword") as caught:
        Process(subject, "text")
    assert "\n" not in str(caught.value)


def test_a_process_that_takes_too_long_is_ended() -> None:
    subject = Subject("slow", target=MAJORITY, arguments={"label": "x"})
    with pytest.raises(EngineError, match=r"slow: open took longer than 0.001 s. Raise evaluate.timeout_seconds"):
        Process(subject, "text", timeout_seconds=0.001)


def test_the_worker_imports_no_heavy_library() -> None:
    with Process(Subject("light", target=MAJORITY, arguments={"label": "x"}), "text") as process:
        modules = Path(f"/proc/{process._child.pid}/maps")
        if not modules.exists():
            pytest.skip("needs /proc")
        loaded = modules.read_text("utf-8")
    assert "torch" not in loaded and "sklearn" not in loaded and "pydantic" not in loaded


@pytest.mark.parametrize(
    "call",
    [
        lambda: cost.measure_classifiers([], ["a"]),
        lambda: cost.measure_classifiers([Subject("a", path="x"), Subject("a", path="y")], ["t"]),
        lambda: cost.measure_classifiers([Subject("a", path="x")], []),
        lambda: cost.predict("x", []),
        lambda: Subject("neither"),
        lambda: Subject("both", path="x", target="y"),
    ],
)
def test_a_measurement_without_meaning_is_refused(call: Any) -> None:
    with pytest.raises(EngineError):
        call()


def test_no_prompts_no_process() -> None:
    assert cost.generate_samples("nowhere.gguf", [], max_tokens=1, temperature=0, seed=0) == []


def test_environment_describes_this_machine() -> None:
    from smallwright.evaluate.environment import describe_machine

    found = describe_machine()
    assert found.cores >= found.usable_cores >= 1
    assert found.versions["numpy"] == np.__version__
    assert found.cpu and found.python.startswith("3.")
    if hasattr(os, "sysconf"):
        assert found.ram_bytes is not None and found.ram_bytes > 2**28
