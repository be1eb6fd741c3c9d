"""The verb that measures speed: ``bench``, and its table. It needs the base install only."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from smallwright.cli.arguments import whole

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Sequence

    from smallwright.cli.arguments import CommandLine
    from smallwright.run.bench import Bench, Phase
    from smallwright.spec.device import DeviceLimits, Rate

_REPEATS, _QUICK_REPEATS = 7, 3


def register(command_line: CommandLine) -> None:
    """Add the verb."""
    add = command_line.add_verb(bench).add_argument
    add("file", metavar="MODEL", help="A package (.gguf).")
    add(
        "--threads",
        metavar="N",
        type=whole(0, 256),
        default=0,
        help="Measured beside one thread; 0 is every usable core [default: %(default)s].",
    )
    add(
        "--repeats",
        metavar="N",
        type=whole(1, 1000),
        help=f"Of every measurement [default: {_REPEATS}; quick: {_QUICK_REPEATS}].",
    )
    add("--in-place", action="store_true", help="Leave the weights in the file: less memory, slower.")
    add("--quick", action="store_true", help="Less work and fewer repeats: seconds, and rougher.")
    add("--profile", metavar="PATH", help="Where the device's profile goes [default: the user's cache folder].")
    add("--json", dest="as_json", action="store_true", help="Everything, as one JSON document.")


def bench(asked: Namespace) -> None:
    """Measure this device's limits, a package's speed, and how much of the limits it reaches."""
    from smallwright.run.bench import Settings
    from smallwright.run.bench import bench as measure

    repeats = asked.repeats or (_QUICK_REPEATS if asked.quick else _REPEATS)
    settings = Settings(asked.threads, repeats, asked.quick, asked.in_place)
    found = measure(asked.file, settings, profile=asked.profile, tell=_tell)
    if asked.as_json:
        print(json.dumps(found.to_document(), indent=1, ensure_ascii=False))
        print(f"device profile: {found.profile_path}", file=sys.stderr)
        return
    print("\n".join(render(found)))


def render(found: Bench) -> Iterator[str]:
    """The lines of the table."""
    device, model = found.device, found.model
    weights = (
        "weights in the file" if found.settings.in_place else f"{model['packed_bytes'] / 1e6:.2f} MB of packed weights"
    )
    memory = f", {device.memory_bytes / 2**30:.1f} GiB" if device.memory_bytes else ""
    yield f"device      {device.cpu}, {device.architecture}, {device.usable_cores} of {device.cores} cores{memory}"
    yield f"engine      {device.engine_version}, kernels {device.kernels}, limits by {device.limits.loops} loops"
    yield from _limit_lines(device.limits)
    yield ""
    yield (
        f"model       {model['file']}: {model['architecture']}, {model['task']}, {model['parameters']:,} parameters, "
        f"{weights}"
    )
    for start in found.cold_starts:
        peak = f", peak memory {start.peak_rss_bytes / 1e6:.1f} MB" if start.peak_rss_bytes else ""
        yield f"cold start  {start.command:<7} {_span(start.seconds, 1e3, 'ms')} to the first answer{peak}"
    yield ""
    yield from _columns(
        [
            (
                "phase",
                "threads",
                "speed, median (low to high)",
                "a call",
                "p95",
                "limit",
                "reached",
                "memory",
                "arithmetic",
            ),
            *(_phase_cells(phase) for phase in found.phases),
        ]
    )
    yield ""
    yield f"profile     {found.profile_path}"


def _limit_lines(limits: DeviceLimits) -> Iterator[str]:
    threads = sorted({row.threads for row in limits.read_bandwidth})
    sizes = sorted({row.size_bytes for row in limits.read_bandwidth})
    told = {(row.threads, row.size_bytes): row.bytes_per_second.median for row in limits.read_bandwidth}
    yield from _columns(
        [
            ("read, GB/s", *(f"{size / 2**20:g} MiB" for size in sizes)),
            *((_threads(count), *(f"{told[count, size] / 1e9:.1f}" for size in sizes)) for count in threads),
        ]
    )
    for name, rows in (("int8 dot products", limits.int8_dot), ("f32 multiply-add", limits.f32_multiply_add)):
        peaks = ", ".join(f"{row.operations_per_second.median / 1e9:.1f} ({_threads(row.threads)})" for row in rows)
        yield f"{name}, GOP/s: {peaks}"
    if limits.barrier_seconds is not None:
        yield f"barrier of two threads: {_span(limits.barrier_seconds, 1e9, 'ns')}"


def _phase_cells(phase: Phase) -> tuple[str, ...]:
    return (
        f"{phase.name} ({phase.detail})",
        str(phase.threads),
        _span(phase.per_second, 1.0, f"{phase.units}/s"),
        f"{phase.seconds.median * 1e3:.3f} ms",
        "" if phase.p95_seconds is None else f"{phase.p95_seconds * 1e3:.3f} ms",
        phase.limit.bound,
        f"{phase.limit.fraction:.1%}",
        f"{phase.limit.memory_fraction:.1%}",
        f"{phase.limit.arithmetic_fraction:.1%}",
    )


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells: Iterable[str] = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([row[0].ljust(widths[0]), *cells]).rstrip()


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _span(rate: Rate, scale: float, unit: str) -> str:
    return f"{rate.median * scale:,.1f} ({rate.low * scale:,.1f} to {rate.high * scale:,.1f}) {unit}"


def _tell(step: str) -> None:
    if sys.stderr.isatty():
        print(f"measuring {step} ...", file=sys.stderr)
