"""Generation from the outside: texts that grow together, guesses, stop strings, prefixes, confidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.unit.test_package import decoder, write

from smallwright.errors import EngineError
from smallwright.run import load
from smallwright.run.package import MOST_TEXTS

PROMPTS = ["turn on the", "it is dark", "lights", "the the the the the", "play some music in the kitchen now"]
WAYS: list[dict[str, Any]] = [
    {},
    {"temperature": 1.5, "seed": 3},
    {"temperature": 0.8, "top_k": 9, "min_p": 0.02, "seed": 5},
    {"repetition_penalty": 1.4},
]


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("run") / "text.gguf", decoder(context=64), "gpt2").path


@pytest.mark.parametrize("kv_bits", [8, 16, 32])
@pytest.mark.parametrize("way", WAYS)
def test_texts_that_grow_together_are_those_that_grow_alone(speaker: Path, kv_bits: int, way: dict[str, Any]) -> None:
    prompts = [f"{prompt} {number}" for number in range(MOST_TEXTS // 4) for prompt in PROMPTS]  # some have to wait
    with load(speaker, threads=1, kv_bits=kv_bits) as package:
        alone = [package.complete(prompt, 12, **way) for prompt in prompts]
    with load(speaker, threads=2, kv_bits=kv_bits) as package:
        together = package.complete(prompts, 12, **way)
        shared = package.counters()["passes"]
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    assert len({answer.text for answer in alone}) > 5  # else it would prove little
    assert shared < 0.2 * sum(len(answer.tokens) + 1 for answer in alone)


def test_a_long_prompt_does_not_keep_others_waiting(tmp_path: Path) -> None:
    path = write(tmp_path / "long.gguf", decoder(context=1024), "gpt2").path
    with load(path, threads=1) as package:
        long = "lights on " * 300
        expected = [package.generate(prompt, 30) for prompt in (*PROMPTS, long)]
        assert package.generate([*PROMPTS, long], 30) == expected
        assert package.generate([long, *PROMPTS, long], 30) == [expected[-1], *expected]


@pytest.mark.parametrize("way", WAYS)
def test_guesses_change_the_speed_alone(tmp_path: Path, way: dict[str, Any]) -> None:
    path = write(tmp_path / "text.gguf", decoder(context=256), "gpt2").path
    with load(path, threads=1) as package:
        plain = package.complete("the the the the", 200, lookup=False, **way)
        passes = package.counters()["passes"]
        guessed = package.complete("the the the the", 200, **way)
        assert guessed.tokens == plain.tokens
        assert guessed.text == plain.text
        assert plain.guessed == 0
        assert guessed.guessed >= guessed.guessed_right
        if not way:  # a random model repeats itself soon when greedy
            assert guessed.guessed_right > 20
            assert package.counters()["passes"] - passes < passes - guessed.guessed_right // 2


@pytest.mark.parametrize("kv_bits", [8, 32])
def test_a_kept_text_is_not_computed_again(tmp_path: Path, kv_bits: int) -> None:
    path = write(tmp_path / "text.gguf", decoder(context=512), "gpt2").path
    for way in ({}, {"temperature": 1.2, "seed": 4}):
        with load(path, threads=1, kv_bits=kv_bits) as package:
            prompts = ["the the the the the"]
            for _ in range(4):
                prompts.append(prompts[-1] + package.generate(prompts[-1], 25, **way) + " and then")
            expected = package.complete(prompts, 25, **way)
        with load(path, threads=1, kv_bits=kv_bits) as package:
            kept = [package.complete(prompt, 25, keep=True, **way) for prompt in prompts]
        assert [answer.tokens for answer in kept] == [answer.tokens for answer in expected]
        assert all(answer.prompt_cached > 5 for answer in kept[1:])


def test_a_reference_is_guessed_from(speaker: Path) -> None:
    with load(speaker, threads=1) as package:
        plain = package.complete(PROMPTS[0], 30, lookup=False)
        answers = [package.complete(PROMPTS[0], 30, reference=[plain.text]) for _ in range(3)]
    assert all(answer.tokens == plain.tokens for answer in answers)


def test_a_text_ends_before_a_stop_string(speaker: Path) -> None:
    with load(speaker, threads=1) as package:
        whole = package.generate(PROMPTS[0], 40)
        for begin, end in ((3, 5), (10, 11), (7, 20)):
            stop = whole[begin:end]
            answer = package.complete(PROMPTS[0], 40, stop=[stop, "never said"])
            assert answer.text == whole[: whole.index(stop)]
            assert answer.ending == "stop_string" and answer.whole
            assert "".join(package.stream(PROMPTS[0], 40, stop=stop)) == answer.text
        # the beginning of a stop string that never comes is not lost
        assert package.generate(PROMPTS[0], 40, stop=whole[-2:] + "never") == whole
        assert package.complete(PROMPTS[0], 40, stop="never").ending == "max_tokens"


def test_confidence_is_the_models_own(speaker: Path) -> None:
    with load(speaker, threads=1) as package:
        prompt = package.tokenize(PROMPTS[0])
        for way in WAYS:
            answer = package.complete(PROMPTS[0], 15, confidence=True, **way)
            logits = package.logits(prompt + answer.tokens)[len(prompt) - 1 : -1].astype(np.float64)
            log = logits - logits.max(-1, keepdims=True)
            log -= np.log(np.exp(log).sum(-1, keepdims=True))
            chosen = log[np.arange(len(answer.tokens)), answer.tokens]
            np.testing.assert_allclose(answer.log_probabilities, chosen, atol=2e-5)
            np.testing.assert_allclose(answer.entropies, -(np.exp(log) * log).sum(-1), atol=2e-5)
            assert answer.confidence == pytest.approx(np.exp(chosen.mean()), rel=1e-4)
            assert answer.least_confidence == pytest.approx(np.exp(chosen.min()), rel=1e-4)
        assert package.complete(PROMPTS[0], 5).confidence is None


@pytest.mark.parametrize("kv_bits", [8, 16, 32])
def test_a_remembered_beginning_is_not_computed_again(tmp_path: Path, kv_bits: int) -> None:
    path = write(tmp_path / "text.gguf", decoder(context=512), "gpt2").path
    system = "you are a helpful assistant in a house with many lights " * 7
    prompts = [system + prompt for prompt in PROMPTS] + [system, system[:50], "another"]
    with load(path, threads=1, kv_bits=kv_bits) as package:
        expected = package.complete(prompts, 20)
    with load(path, threads=2, kv_bits=kv_bits) as package:
        package.remember(system)
        before = package.counters()["tokens"]
        answers = package.complete(prompts, 20)
        computed = package.counters()["tokens"] - before
        length = len(package.tokenize(system))
    assert [answer.tokens for answer in answers] == [answer.tokens for answer in expected]
    assert answers[0].prompt_cached > length - 3  # the last tokens may join with what follows
    assert answers[5].prompt_cached == length - 1
    assert answers[-1].prompt_cached <= 1
    assert computed < 8 * 20 + 3 * length


@pytest.mark.parametrize("kv_bits", [8, 16, 32])
def test_a_beginning_is_kept_in_a_file(tmp_path: Path, kv_bits: int) -> None:
    path = write(tmp_path / "text.gguf", decoder(context=512), "gpt2").path
    other = write(tmp_path / "other.gguf", decoder(context=500), "gpt2").path
    system, cache = "you are a helpful assistant in a house " * 7, tmp_path / "system.cache"
    with load(path, threads=1, kv_bits=kv_bits) as package:
        expected = package.generate(system + "and now", 20)
        assert package.remember(system, cache) is False
    with load(path, threads=1, kv_bits=kv_bits) as package:
        assert package.remember(system, cache) is True
        before = package.counters()["tokens"]
        answer = package.complete(system + "and now", 20)
        assert answer.text == expected
        assert answer.prompt_cached > 50
        assert package.counters()["tokens"] - before < 40
    whole = cache.read_bytes()
    for damage in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b"", b"{}\n" + whole):
        cache.write_bytes(damage)
        with load(path, threads=1, kv_bits=kv_bits) as package:
            assert package.remember(system, cache) is False
            assert package.generate(system + "and now", 20) == expected
        assert cache.read_bytes() == whole
    for opened, text in ((load(other, threads=1, kv_bits=kv_bits), system), (load(path, threads=1), system + "else")):
        with opened as package:
            cache.write_bytes(whole)
            assert package.remember(text, cache) is False


def test_an_error_leaves_the_engine_usable(speaker: Path) -> None:
    with load(speaker, threads=1) as package:
        expected = package.generate(PROMPTS, 8)
        for prompts, way in (
            ([*PROMPTS, "light " * 200], {}),
            ([*PROMPTS, ""], {"temperature": -1.0}),
            ([*PROMPTS, 3], {}),
        ):
            with pytest.raises(EngineError):
                package.generate(prompts, 8, **way)
            assert package.generate(PROMPTS, 8) == expected
        with pytest.raises(EngineError, match="at most 64 tokens"):
            package.remember("light " * 200)
        assert package.generate(PROMPTS, 8) == expected


def test_logits_that_are_no_numbers_are_one_clear_error(tmp_path: Path) -> None:
    path = write(tmp_path / "nan.gguf", decoder(context=64), "gpt2").path
    norm = next(tensor for tensor in gguf.GGUFReader(path, "r+").tensors if tensor.name == "output_norm.weight")
    norm.data[:] = np.nan
    norm.data.flush()
    with load(path, threads=1) as package:
        for _ in range(2):
            with pytest.raises(EngineError, match="Got NaN") as caught:
                package.generate(PROMPTS, 8)
            assert caught.value.kind == "nan_logits"
        with pytest.raises(EngineError, match="Got NaN"):
            list(package.stream(PROMPTS[0], 8))
