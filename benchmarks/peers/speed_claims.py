"""What is claimed of the engine beside its peers, held against the cells.

Enters: cells and samples of one interleaved run. Leaves: rows in ``Claims``. Not here: measuring, and the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from claims import Claims
from peers.cells import Cell, Limits, best_peer, find_limits
from peers.engines import ENGINES, LLAMA, OURS, PREPARED_RUN, PYTHON_RUN, SW_RUN
from peers.processes import Sample
from peers.shapes import SHAPES

Cells = dict[tuple[str, str, int], Cell]

DECODE_RATIOS = {
    ("8M", 1): 2.5, ("55M", 1): 1.8, ("135M", 1): 1.6, ("360M", 1): 1.5,
    ("8M", 2): 3.0, ("55M", 2): 2.5, ("135M", 2): 1.8, ("360M", 2): 1.4,
}  # fmt: skip
PREFILL_RATIO, PREFILL_GOAL = 1.15, 1.3
BANDWIDTH_SHARE = 0.75
START_MODELS = ("135M", "360M")  # where the weights outweigh what any process costs
PEAK_RATIO = 1.15
PYTHON_MORE_MS, PYTHON_MORE_MB = 100.0, 45.0
ERROR_RATIO = 1.05


def check_errors(claims: Claims, model: str, errors: dict[str, float]) -> None:
    """The answers: as near to float32 as llama.cpp's with the same weights."""
    ours, theirs = errors.get(OURS), errors.get(LLAMA)
    ratio = ours / theirs if ours is not None and theirs else None
    claims.check(f"{model}: error of the logits against float32, ours / llama.cpp q4_0", ratio, "<=", ERROR_RATIO)


def check_speed(claims: Claims, cells: Cells, samples: Sequence[Sample], model: str, threads: int) -> None:
    """Decode, prefill, and how much of the bandwidth is used."""
    where = f"{model}, {threads} thread{'s' if threads > 1 else ''}"
    limit = DECODE_RATIOS.get((model, threads))
    if limit is not None:
        claims.check(f"{where}: decode / best peer", _ratio(cells, model, threads, "decode"), ">=", limit)
    claims.check(f"{where}: prefill / best peer", _ratio(cells, model, threads, "prefill"), ">=", PREFILL_RATIO)
    limits = find_limits(samples, model, threads)
    if limits.from_dram:
        share = _share(cells, limits, model, threads)
        claims.check(f"{where}: share of the bandwidth from memory", share, ">=", BANDWIDTH_SHARE)


def check_start(claims: Claims, cells: Cells, model: str, threads: int) -> None:
    """The first token and the memory of a person's commands, beside llama.cpp's worker that loads and answers."""
    where = f"{model}, {threads} thread{'s' if threads > 1 else ''}"
    prepared = cells.get((model, PREPARED_RUN, threads))
    run, python = cells.get((model, SW_RUN, threads)), cells.get((model, PYTHON_RUN, threads))
    ours, llama = cells.get((model, OURS, threads)), cells.get((model, LLAMA, threads))
    # its fastest start with the same file: without repacking it opens sooner and then runs slower
    starts = [
        cell.first_ms.median
        for (name, engine, count), cell in cells.items()
        if (name, count) == (model, threads) and engine.startswith(LLAMA)
    ]
    start = min(starts, default=None)
    if model in START_MODELS:
        ratio = prepared.first_ms.median / start if prepared and start else None
        claims.check(f"{where}: first token, sw-run with packed weights beside / llama.cpp's soonest", ratio, "<=", 0.5)
    more = python.first_ms.median - start if python and start else None
    claims.check(f"{where}: first token, smallwright run - llama.cpp's soonest, ms", more, "<=", PYTHON_MORE_MS)
    if model in START_MODELS:
        room = PEAK_RATIO * run.size_mb + ours.first_kv_mb if run and ours else None
        peak = run.peak_mb if run else None
        claims.check(f"{where}: peak MB of sw-run, against 1.15 x file + keys and values", peak, "<=", room)
    if model == "135M":
        ratio = run.peak_mb / llama.first_peak_mb if run and llama else None
        claims.check(f"{where}: peak memory after the first token, sw-run / llama.cpp", ratio, "<=", 0.6)
    more = python.peak_mb - run.peak_mb if python and run else None
    claims.check(f"{where}: MB that Python adds to sw-run", more, "<=", PYTHON_MORE_MB)


def check_whole(claims: Claims, models: Sequence[str], engines: int, threads: Sequence[int]) -> None:
    """A part of the run says something about that part alone; it does not hold the whole claim."""
    claims.check("models measured", len(models), "==", len(SHAPES))
    claims.check("engines measured", engines, "==", len(ENGINES))
    claims.check("thread counts measured", sorted(threads), "==", [1, 2])


def record(claims: Claims, cells: Cells, samples: Sequence[Sample], starved: set[int]) -> None:
    """Keep every number: cells, limits, goals and all samples, the starved ones marked."""
    numbers = claims.numbers
    numbers["goal_prefill_ratio"] = PREFILL_GOAL
    numbers["cells"] = [{"model": model, **asdict(cell), "engine": name} for (model, name, _), cell in cells.items()]
    numbers["limits"] = {
        f"{model} {threads}": {**asdict(limits), "from_dram": limits.from_dram}
        for model, threads in sorted({(sample.model, sample.threads) for sample in samples})
        for limits in [find_limits(samples, model, threads)]
    }
    numbers["ratios"] = {
        f"{model} {threads} {what}": {"best_peer": best_peer(cells, model, threads, what), "ratio": ratio}
        for model, threads in sorted({(sample.model, sample.threads) for sample in samples})
        for what in ("decode", "prefill")
        for ratio in [_ratio(cells, model, threads, what)]
    }
    numbers["samples"] = [{**asdict(sample), "starved": place in starved} for place, sample in enumerate(samples)]


def _ratio(cells: Cells, model: str, threads: int, what: str) -> float | None:
    ours, best = cells.get((model, OURS, threads)), best_peer(cells, model, threads, what)
    rate = getattr(ours, what) if ours else None
    return rate.median / best[1] if rate and best else None


def _share(cells: Cells, limits: Limits, model: str, threads: int) -> float | None:
    ours = cells.get((model, OURS, threads))
    return ours.decode.median / limits.bound if ours and ours.decode else None
