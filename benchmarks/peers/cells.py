"""Samples gathered to cells of a table: medians with their spread, never a sample thrown away.

Enters: samples. Leaves: ``Cell`` by model, engine and threads; the machine's limits by model; the printed table.
Not here: measuring (processes.py) and claims (speed_claims.py).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from peers.engines import ENGINES, OURS, Engine
from peers.processes import Sample
from peers.protocol import GENERATE, PROMPT
from peers.shapes import SHAPES

BITS = 4.5  # a weight of q4_0, its share of the block's scale included
STARVED = 0.8  # of the best int8 peak of the run: below, both threads shared a core or somebody else had it
DRAM_LIKE = 1.25  # reading the model's footprint at most this much faster than 512 MB: the weights come from memory


@dataclass(frozen=True)
class Spread:
    """Median and range of some numbers."""

    median: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.median:8.1f} [{self.low:.1f}..{self.high:.1f}]"


@dataclass(frozen=True)
class Cell:
    """One engine on one model with so many threads. Rates are None for commands that answer once."""

    engine: Engine
    threads: int
    decode: Spread | None
    prefill: Spread | None
    first_ms: Spread
    first_peak_mb: float
    peak_mb: float
    first_kv_mb: float
    size_mb: float
    processes: int
    starved: int


@dataclass(frozen=True)
class Limits:
    """What reading the weights once a token allows, from the bandwidth measured in this very run."""

    footprint_gb_s: Spread
    dram_gb_s: Spread
    bound: float

    @property
    def from_dram(self) -> bool:
        """Whether the weights come from memory: their footprint is read no faster than one beyond any cache."""
        return self.footprint_gb_s.median <= DRAM_LIKE * self.dram_gb_s.median


def spread(values: Sequence[float]) -> Spread:
    """Median, lowest and highest."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def find_starved(samples: Sequence[Sample]) -> set[int]:
    """Positions of the samples before which the machine gave less than it can."""
    starved = set()
    for threads in {sample.threads for sample in samples}:
        key = f"int8_gops_{threads}"
        best = max(sample.probe[key] for sample in samples if sample.threads == threads)
        starved |= {
            place
            for place, sample in enumerate(samples)
            if sample.threads == threads and sample.probe[key] < STARVED * best
        }
    return starved


def gather(samples: Sequence[Sample], sizes: dict[tuple[str, str], int]) -> dict[tuple[str, str, int], Cell]:
    """Cells by (model, engine, threads), in the order of the engines' table."""
    starved = find_starved(samples)
    cells = {}
    for engine in ENGINES:
        for model, threads in sorted({(s.model, s.threads) for s in samples if s.engine == engine.name}):
            wanted = (model, engine.name, threads)
            places = [place for place, s in enumerate(samples) if (s.model, s.engine, s.threads) == wanted]
            rows = [samples[place] for place in places]
            decode = [value for row in rows for value in row.decode]
            prefill = [value for row in rows for value in row.prefill]
            cells[model, engine.name, threads] = Cell(
                engine=engine,
                threads=threads,
                decode=spread(decode) if decode else None,
                prefill=spread(prefill) if prefill else None,
                first_ms=spread([row.first_ms for row in rows]),
                first_peak_mb=statistics.median(row.first_peak_mb for row in rows),
                peak_mb=statistics.median(row.peak_mb for row in rows),
                first_kv_mb=statistics.median(row.first_kv_mb for row in rows),
                size_mb=sizes[model, engine.name] / 1e6,
                processes=len(rows),
                starved=len(starved & set(places)),
            )
    return cells


def find_limits(samples: Sequence[Sample], model: str, threads: int) -> Limits:
    """The bound of decode at 4.5 bits a weight: bandwidth at the footprint over the bytes of an average step."""
    probes = [sample.probe for sample in samples if sample.model == model]
    footprint = spread([probe[f"footprint_{threads}"] for probe in probes])
    dram = spread([probe[f"dram_{threads}"] for probe in probes])
    step_bytes = SHAPES[model].bytes_per_token(BITS, PROMPT + GENERATE / 2)
    return Limits(footprint, dram, footprint.median * 1e9 / step_bytes)


def best_peer(cells: dict[tuple[str, str, int], Cell], model: str, threads: int, what: str) -> tuple[str, float] | None:
    """Name and median of the fastest peer in ``decode`` or ``prefill``; None when there is none."""
    found: dict[str, float] = {}
    for (cell_model, name, count), cell in cells.items():
        rate: Spread | None = getattr(cell, what)
        if (cell_model, count) == (model, threads) and cell.engine.is_peer and rate is not None:
            found[name] = rate.median
    return max(found.items(), key=lambda item: item[1]) if found else None


def print_table(cells: dict[tuple[str, str, int], Cell], samples: Sequence[Sample], model: str) -> None:
    """One model, for people."""
    counts = sorted({threads for name, _, threads in cells if name == model})
    head = f"{'engine':27} {'decode tok/s [range]':30}{'prefill 512 tok/s [range]':30}{'first ms [range]':30}"
    for threads in counts:
        print(f"\n{model}, {threads} thread{'s' if threads > 1 else ''}\n{head}   RSS MB  file MB  starved")
        for (name, _, count), cell in cells.items():
            if (name, count) == (model, threads):
                print(
                    f"{cell.engine.name:27} {_show(cell.decode):30}{_show(cell.prefill):30}"
                    f"{_show(cell.first_ms):30} {cell.peak_mb:8.1f} {cell.size_mb:8.1f}  "
                    f"{cell.starved}/{cell.processes}"
                )
        limits = find_limits(samples, model, threads)
        ours = cells.get((model, OURS, threads))
        for what in ("decode", "prefill"):
            rate: Spread | None = getattr(ours, what) if ours else None
            best = best_peer(cells, model, threads, what)
            if rate and best:
                print(f"  {what}: best peer {best[0]} {best[1]:.1f}; ours is {rate.median / best[1]:.2f} times as fast")
        if ours and ours.decode:
            place = "memory" if limits.from_dram else "the cache"
            print(
                f"  bound of decode at {BITS} bits: {limits.bound:.0f} tok/s ({limits.footprint_gb_s.median:.1f} GB/s "
                f"at this footprint, from {place}); ours reaches {ours.decode.median / limits.bound:.0%}"
            )


def _show(rate: Spread | None) -> str:
    return str(rate) if rate else "-"
