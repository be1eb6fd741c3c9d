"""The comparison with peers: what it counts, what it refuses, and that nothing measured is lost."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from peers import cells as table  # noqa: E402 - below the benchmarks, which are no package
from peers.engines import ENGINES, LLAMA, OURS, check_ready, list_engines  # noqa: E402
from peers.exports import list_models  # noqa: E402
from peers.layout import VARIABLE, Layout, PeersError, find_layout  # noqa: E402
from peers.processes import Sample  # noqa: E402
from peers.protocol import Tokens  # noqa: E402
from peers.shapes import SHAPES  # noqa: E402
from smallwright.compress.quantize import plan_formats  # noqa: E402
from smallwright.spec.formats import FORMATS  # noqa: E402
from smallwright.spec.tensors import list_tensors  # noqa: E402

SAMPLE = Sample(
    model="8M",
    engine=OURS,
    threads=1,
    round=0,
    first_ms=10.0,
    first_peak_mb=10.0,
    peak_mb=12.0,
    first_kv_mb=1.0,
    decode=(90.0, 110.0),
    prefill=(1000.0,),
    probe={"int8_gops_1": 100.0, "footprint_1": 20.0, "dram_1": 10.0},
)


@pytest.mark.parametrize("name", SHAPES)
def test_the_bound_counts_the_bytes_that_the_package_stores(name: str) -> None:
    shape = SHAPES[name]
    formats = plan_formats(shape.spec, "q4_0")
    stored = sum(
        tensor.shape[0] * FORMATS[formats[tensor.name]].row_bytes(tensor.shape[1])
        for tensor in list_tensors(shape.spec)
        if tensor.matrix
    )
    assert shape.bytes_per_token(table.BITS, 0) == stored
    assert shape.bytes_per_token(table.BITS, 1) > stored


def test_a_starved_sample_is_marked_and_kept() -> None:
    starved = replace(SAMPLE, round=1, decode=(10.0, 20.0), probe={**SAMPLE.probe, "int8_gops_1": 79.0})
    samples = [SAMPLE, starved]
    assert table.find_starved(samples) == {1}
    cell = table.gather(samples, {("8M", OURS): 5_000_000})["8M", OURS, 1]
    assert cell.decode is not None
    assert (cell.decode.median, cell.decode.low, cell.decode.high, cell.decode.count) == (55.0, 10.0, 110.0, 4)
    assert (cell.processes, cell.starved) == (2, 1)


def test_the_best_peer_is_somebody_else() -> None:
    samples = [SAMPLE, replace(SAMPLE, engine=LLAMA, decode=(50.0,)), replace(SAMPLE, engine="openvino int4")]
    samples[2] = replace(samples[2], decode=(60.0,), prefill=())
    cells = table.gather(samples, {("8M", sample.engine): 1 for sample in samples})
    assert table.best_peer(cells, "8M", 1, "decode") == ("openvino int4", 60.0)
    assert table.best_peer(cells, "8M", 1, "prefill") == (LLAMA, 1000.0)
    assert table.best_peer(cells, "55M", 1, "decode") is None


def test_weights_come_from_memory_where_their_size_is_read_no_faster_than_512_mb() -> None:
    assert not table.find_limits([SAMPLE], "8M", 1).from_dram
    slow = replace(SAMPLE, probe={**SAMPLE.probe, "footprint_1": 12.0})
    assert table.find_limits([slow], "8M", 1).from_dram


def test_no_prompt_comes_twice() -> None:
    tokens = Tokens(8192)
    prompts = [tokens.next(512) for _ in range(12)]
    assert len({tuple(prompt[:16]) for prompt in prompts}) == 12
    assert all(3 <= token < 8192 for prompt in prompts for token in prompt)


def test_a_missing_peer_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(PeersError, match=r"Got no .* Run `make peers`"):
        check_ready(Layout(tmp_path), list(ENGINES), ["8M"])


def test_the_scratch_folder_is_outside_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(BENCHMARKS / "scratch"))
    with pytest.raises(PeersError, match="outside the repository"):
        find_layout()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert find_layout().root == tmp_path.resolve()


def test_unknown_models_and_engines_are_refused() -> None:
    with pytest.raises(SystemExit, match="models are among 8M"):
        list_models("9M")
    with pytest.raises(SystemExit, match="engines are among ours"):
        list_engines("ours,mine")
