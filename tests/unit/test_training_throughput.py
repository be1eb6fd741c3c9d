"""Parts of benchmarks/training_throughput.py: ratios, what is not measured, FLOPs by hand, and that ours reads all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from claims import Claims
from smallwright.spec.tensors import list_tensors
from training.gpu import flops_per_token, gpt2_spec
from training.workloads import decoder_spec
from training_throughput import OURS, PEER, summarise


def count(spec) -> int:
    total = 0
    for tensor in list_tensors(spec):
        size = 1
        for length in tensor.shape:
            size *= length
        total += size
    return total


def test_ratios_are_of_time_by_real_token_without_the_first_segment() -> None:
    def line(cpu: float, tokens: int) -> dict[str, float]:
        return {"cpu": cpu, "wall": 2 * cpu, "tokens": tokens, "padded": 2 * tokens, "peak_bytes": 7}

    lines = {OURS: [line(9, 1), line(1, 10), line(2, 10)], PEER: [line(1, 9), line(3, 10), line(3, 20)]}
    found = summarise(lines)
    assert found["cpu_ratio"] == pytest.approx({"median": (3 + 0.75) / 2, "least": 0.75, "most": 3})
    assert found["wall_ratio"]["most"] == pytest.approx(3)
    assert found[f"{OURS}_padding"] == 0.5


@pytest.mark.parametrize(("others", "status"), [(("held",), 0), ((), 1)])
def test_what_is_not_measured_is_neither_held_nor_failed(
    others: tuple[str, ...], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = Claims("any", "Any?")
    for claim in others:
        claims.check(claim, 1, "==", 1)
    claims.leave_out("speed of a GPU", "no GPU")
    with pytest.raises(SystemExit) as left:
        claims.finish()
    assert left.value.code == status
    lines = capsys.readouterr().out.strip().splitlines()
    assert any("speed of a GPU: not measured: no GPU" in line for line in lines)
    document = json.loads(lines[-1])
    assert document["not_measured"] == {"speed of a GPU": "no GPU"} and len(document["claims"]) == len(others)


def test_sizes_and_flops_are_those_of_gpt2() -> None:
    """GPT-2 small has 124,439,808 weights with 50,257 tokens; 47 more rows of 768 fill its table up to 50,304."""
    spec = gpt2_spec()
    assert count(spec) == 124_439_808 + 47 * 768
    assert flops_per_token(spec, count(spec)) == 6 * (count(spec) - 1024 * 768) + 12 * 12 * 768 * 1024
    assert 9_000_000 < count(decoder_spec()) < 11_000_000
