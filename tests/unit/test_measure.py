"""The engine's measuring functions: rates are positive, arguments are checked, work is counted from the shapes.

No test looks at how fast anything is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.test_package import decoder, encoder, write

from smallwright.errors import EngineError
from smallwright.run import _engine

MIB = 1 << 20
SECONDS = 1e-4


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> _engine.Model:
    path = write(tmp_path_factory.mktemp("measure") / "text.gguf", decoder(context=64), "gpt2", format="q8_0").path
    return _engine.open(str(path))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> _engine.Model:
    path: Path = write(tmp_path_factory.mktemp("measure") / "classes.gguf", encoder(), "bert_uncased").path
    return _engine.open(str(path))


@pytest.mark.parametrize("kernels", _engine._kernels.available())
def test_every_set_of_loops_measures(kernels: str) -> None:
    limits = _engine.Limits(kernels, MIB)
    assert limits.loops == {"amx": "avx512"}.get(kernels, kernels) and limits.most_bytes == MIB
    for threads in (1, 2, 3):
        rates = [limits.read_bandwidth(MIB, threads, SECONDS, ahead) for ahead in (False, True)]
        rates += [limits.int8_dot(threads, SECONDS), limits.multiply_add(threads, SECONDS)]
        rates += [limits.barrier(threads, SECONDS)]
        for rate, checksum in rates:
            assert np.isfinite(rate) and rate > 0
            assert isinstance(checksum, int)


def test_amx_is_measured_by_the_loops_of_avx512() -> None:
    if "avx512" not in _engine._kernels.available():
        pytest.skip("this CPU has no AVX-512 with VNNI")
    assert _engine.Limits("amx", MIB).loops == "avx512"


def test_a_set_without_loops_is_refused() -> None:
    with pytest.raises(EngineError, match="mmx") as caught:
        _engine.Limits("mmx", MIB)
    assert caught.value.kind == "unsupported_isa"  # type: ignore[attr-defined]


def test_limits_check_their_arguments() -> None:
    for most_bytes in (0, 100, 1 << 60):
        with pytest.raises(EngineError, match="most_bytes"):
            _engine.Limits("ref", most_bytes)
    limits = _engine.Limits("ref", MIB)
    for size in (0, 100, MIB + 1):
        with pytest.raises(EngineError, match="working set"):
            limits.read_bandwidth(size, 1, SECONDS)
    with pytest.raises(EngineError, match="working set"):
        limits.read_bandwidth(1024, 3, SECONDS)  # parts would be empty
    for threads in (0, -1, 257):
        with pytest.raises(EngineError, match="threads"):
            limits.int8_dot(threads, SECONDS)
    for seconds in (0.0, -1.0, float("nan"), float("inf"), 61.0):
        with pytest.raises(EngineError, match="seconds"):
            limits.multiply_add(1, seconds)
        with pytest.raises(EngineError, match="seconds"):
            limits.barrier(2, seconds)


def test_the_work_of_a_generator_is_counted(speaker: _engine.Model) -> None:
    # width 64, 2 layers of 2 heads and 1 key/value head of 32, a gated feed-forward of 96, a tied head of 440 rows
    keys_values, rest = 2 * 64 * 32, 2 * 64 * 64 + 3 * 64 * 96
    assert _engine.count_work(speaker) == {
        "token_int8": 2 * keys_values + rest,  # of the last layer only keys and values are needed of every token
        "token_f32": 0,
        "answer_int8": rest + 440 * 64,
        "answer_f32": 0,
        "token_pair": 2 * 2 * 32,
        "answer_pair": 2 * 2 * 32,
        "kept_values": 2 * 2 * 32,
    }


def test_the_work_of_a_classifier_is_counted(classifier: _engine.Model) -> None:
    keys_values, rest = 2 * 64 * 64, 2 * 64 * 64 + 2 * 64 * 96
    assert _engine.count_work(classifier) == {
        "token_int8": 0,
        "token_f32": 2 * keys_values + rest,
        "answer_int8": 0,
        "answer_f32": rest + 64 * 64 + 3 * 64,
        "token_pair": 2 * 64,
        "answer_pair": 2 * 64,
        "kept_values": 2 * 2 * 64,
    }


def test_timed_calls_do_the_work_that_they_name(speaker: _engine.Model, classifier: _engine.Model) -> None:
    session = _engine.Session(speaker, 2)
    prompt = np.arange(10, dtype=np.int32)
    assert _engine.time_prefill(session, prompt) > 0
    assert session.length == 10 and session.counters()["tokens"] == 10
    assert _engine.time_decode(session, prompt, 54) > 0  # to the end of the context
    assert session.length == 64 and session.counters()["tokens"] == 10 + 64
    classes = _engine.Session(classifier, 2)
    taken = _engine.time_classify(classes, ["turn on the light", "off"], 3)
    assert len(taken) == 3 and all(seconds > 0 for seconds in taken)
    assert classes.counters()["passes"] == 3


def test_timed_calls_refuse_what_the_session_refuses(speaker: _engine.Model, classifier: _engine.Model) -> None:
    session, prompt = _engine.Session(speaker, 1), np.arange(10, dtype=np.int32)
    for call, kind in (
        (lambda: _engine.time_decode(session, prompt, 55), "context_full"),
        (lambda: _engine.time_decode(session, prompt, 0), "bad_argument"),
        (lambda: _engine.time_prefill(session, prompt[:0]), "empty_input"),
        (lambda: _engine.time_prefill(session, prompt + 10_000), "bad_token"),
        (lambda: _engine.time_classify(session, ["a"], 1), "wrong_task"),
        (lambda: _engine.time_classify(_engine.Session(classifier, 1), [], 1), "bad_argument"),
    ):
        with pytest.raises(EngineError) as caught:
            call()
        assert caught.value.kind == kind  # type: ignore[attr-defined]
