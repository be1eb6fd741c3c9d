"""The parts of the page about how the file came to be: costs, data, compression, build, provenance.

Enters: a ``Report``. Leaves: ``Markup``. Not here: what its answers are worth (sections.py).
"""

from __future__ import annotations

from smallwright.evaluate.ensemble import EnsembleQuality
from smallwright.evaluate.report import numbers
from smallwright.evaluate.report.document import Report
from smallwright.evaluate.report.markup import Markup, bar, element, join, table
from smallwright.evaluate.report.sections import definitions, section


def costs(report: Report) -> Markup | None:
    """Every subject that was measured in its own process."""
    timed = any(cost.latency is not None for cost in report.costs)
    head = ["System", "Threads", "Cold start", "Opening", "Peak memory", "Added memory"]
    head += ["p50", "p95", "p99"] if timed else ["Prefill", "Decoding"]
    rows = []
    for cost in report.costs:
        row: list[object] = [
            cost.name,
            numbers.threads(cost.threads),
            numbers.duration_ms(cost.cold_start_ms),
            numbers.duration_ms(cost.open_ms),
            numbers.size(cost.peak_rss_bytes),
            numbers.size(cost.added_rss_bytes),
        ]
        if timed:
            found = cost.latency
            row += [numbers.duration_ms(getattr(found, name, None)) for name in ("p50_ms", "p95_ms", "p99_ms")]
        else:
            speed = cost.generation
            row += [
                numbers.rate(None if speed is None else speed.prefill_tokens_per_second),
                numbers.rate(None if speed is None else speed.decode_tokens_per_second),
            ]
        rows.append(row)
    hint = (
        "Each system in its own fresh process, timed in turns. Cold start runs from starting the process to the first "
        "answer, Python included; added memory is what the model put on top of its imported runtime."
    )
    return section("What it costs to run", hint, table(head, rows, class_="stack") if rows else None)


def ensemble(found: EnsembleQuality | None) -> Markup | None:
    """What several teachers are worth, alone and together."""
    if found is None:
        return None
    rows = [
        [
            voice.name,
            join([numbers.percent(voice.accuracy.accuracy), bar(voice.accuracy.accuracy)]),
            numbers.percent(voice.weight),
        ]
        for voice in found.voices
    ]
    best, said = found.over_best, []
    said.append(
        f"Together they are {numbers.points(best.difference)} points from {best.against}, the best of them on these "
        f"rows (95% interval {numbers.points(best.low)} to {numbers.points(best.high)})."
    )
    said.append(
        f"All agree on {numbers.count(found.agreed)} of {numbers.count(found.rows)} rows, where "
        f"{_share(found.right_agreed)} are right; of the others {_share(found.right_apart)}."
    )
    known = "" if found.auroc is None else f" It is higher where they are wrong with AUROC {found.auroc:.3f}."
    said.append(f"Mean disagreement (Jensen-Shannon divergence): {found.disagreement:.3f} nats.{known}")
    return section(
        "The teachers, alone and together",
        f"On the test rows; weights: {found.weights}.",
        table(["Member", "Accuracy", "Weight"], rows, class_="stack"),
        element("ul", *(element("li", text) for text in said)),
    )


def _share(share: float | None) -> str:
    return "none" if share is None else numbers.percent(share)


def data(report: Report) -> Markup | None:
    """Rows, rejects, leakage."""
    found = report.data
    facts = [
        (f"{split.replace('_', ' ')} rows".capitalize(), numbers.count(rows)) for split, rows in found.rows.items()
    ]
    if found.labels:
        facts.append(("Labels", numbers.count(found.labels)))
    rejected = ", ".join(f"{numbers.count(rows)} {reason}" for reason, rows in found.rejects.items())
    facts.append(("Rejected rows", rejected or "none"))
    leaks = "; ".join(
        f"{numbers.count(leak.rows)} of {leak.first} also in {leak.second}"
        + (f" ({numbers.count(leak.dropped)} dropped)" if leak.dropped else "")
        for leak in found.leakage
        if leak.rows
    )
    facts.append(("Leakage", leaks or "none found between splits"))
    facts += [("Warning", warning) for warning in found.warnings]
    return section("The data", "", definitions(facts))


def compression(report: Report) -> Markup | None:
    """Bytes before and after each step."""
    steps = report.compression
    if not steps:
        return None
    largest = max(step.bytes_before for step in steps)
    rows = [
        [
            join([step.name, element("small", step.detail) if step.detail else None]),
            numbers.size(step.bytes_before),
            join([numbers.size(step.bytes_after), bar(step.bytes_after / largest if largest else 0)]),
            f"{step.bytes_before / step.bytes_after:.1f}×" if step.bytes_after else "–",
        ]
        for step in steps
    ]
    return section("From teacher to file", "", table(["Step", "Before", "After", "Smaller"], rows, class_="stack"))


def build(report: Report) -> Markup | None:
    """What the build itself cost."""
    stages = report.build
    if not stages:
        return None
    longest, total = max(stage.wall_seconds for stage in stages), sum(stage.wall_seconds for stage in stages)
    rows = [
        [
            join(
                [stage.name.replace("_", " "), element("small", "reused from an earlier run") if stage.reused else None]
            ),
            join([numbers.duration_s(stage.wall_seconds), bar(stage.wall_seconds / longest if longest else 0)]),
            numbers.duration_s(stage.cpu_seconds),
            numbers.size(stage.peak_rss_bytes),
        ]
        for stage in stages
    ]
    peak = max((stage.peak_rss_bytes or 0 for stage in stages), default=0)
    cpu = sum(stage.cpu_seconds for stage in stages)
    hint = f"{numbers.duration_s(total)} in all, {numbers.duration_s(cpu)} of CPU time" + (
        f", at most {numbers.size(peak)} of memory." if peak else "."
    )
    return section(
        "What the build cost", hint, table(["Stage", "Time", "CPU time", "Peak memory"], rows, class_="stack")
    )


def origin(report: Report) -> Markup | None:
    """The file, named by its content, and where it comes from."""
    file = report.package
    facts: list[tuple[str, object]] = [
        ("File", element("span", file.file, class_="mono")),
        ("SHA-256", element("span", file.sha256, class_="mono")),
        (
            "Model",
            f"{file.architecture}, {file.layers} layers, width {file.width}, context {numbers.count(file.context)}",
        ),
        ("Parameters", f"{numbers.parameters(file.parameters)}, stored as {file.format}"),
        ("Vocabulary", f"{numbers.count(file.vocabulary)} tokens"),
    ]
    if file.temperature is not None:
        facts.append(("Temperature", f"{file.temperature:.3f} (calibrated on validation rows)"))
    facts += [(name.replace("_", " ").capitalize(), value) for name, value in report.provenance.items()]
    return section("The file and where it comes from", "", definitions(facts))


def machine(report: Report) -> Markup | None:
    """The machine that all of this was measured on."""
    found = report.machine
    cores = (
        f"{found.usable_cores} of {found.cores} cores" if found.usable_cores != found.cores else f"{found.cores} cores"
    )
    facts: list[tuple[str, object]] = [
        ("CPU", f"{found.cpu} ({found.architecture}), {cores}"),
        ("Instruction sets", ", ".join(found.isa) or "unknown"),
        ("Memory", numbers.size(found.ram_bytes)),
        ("System", f"{found.system}, Python {found.python}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in found.versions.items())),
    ]
    if found.load_average is not None:
        facts.append(("Load before measuring", f"{found.load_average:.2f}"))
    return section("The machine", "", definitions(facts))


def notes(report: Report) -> Markup | None:
    """What the reader should know before trusting the rest."""
    listed = element("ul", *(element("li", note) for note in report.notes)) if report.notes else None
    return section("To know before you trust this", "", listed)
