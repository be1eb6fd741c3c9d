"""The same report card, short, for the terminal.

Enters: a ``Report``. Leaves: text on a console. rich is imported when it is printed.
Not here: the page (html.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smallwright.evaluate.report import numbers
from smallwright.evaluate.report.document import Neighbour, Report
from smallwright.evaluate.report.sections import LAW_NAMES, headline

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_report(report: Report, console: Console | None = None) -> None:
    """Print the verdict, the headline numbers, the neighbours and the budget.

    Args:
        report: what was measured.
        console: where to; None: standard output.
    """
    from rich.console import Console as NewConsole
    from rich.panel import Panel
    from rich.text import Text

    out = console or NewConsole(highlight=False)
    verdict = report.verdict
    colour, words = ("green", "SHIP") if verdict.ship else ("red", "DO NOT SHIP")
    line = Text.assemble((f" {words} ", f"bold white on {colour}"), f"  {verdict.note}")
    out.print(Panel(line, title=Text(f"{report.name} · report card"), title_align="left", border_style=colour))
    out.print(_headline(report))
    out.print(_neighbours(report))
    if verdict.lines:
        out.print(_budget(report))
    for note in report.notes:
        out.print(Text(f"note: {note}", style="yellow"))
    out.print(Text(f"sha256  {report.package.sha256}", style="dim"))


def _grid() -> Table:
    from rich import box
    from rich.table import Table as NewTable

    return NewTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")


def _headline(report: Report) -> Table:
    from rich.table import Table as NewTable
    from rich.text import Text

    grid = NewTable.grid(padding=(0, 3))
    for name, value, note in headline(report):
        grid.add_row(Text(name, style="dim"), Text(value, style="bold"), Text(note, style="dim"))
    return grid


def _neighbours(report: Report) -> Table:
    from rich.text import Text

    generates = report.language is not None
    writes = report.answers is not None and report.answers.free_text is not None
    grid = _grid()
    grid.add_column("system")
    worth = "bits/byte" if generates else "accuracy" if report.answers is None else "exact"
    for name in (*(["ROUGE-L"] if writes else []), worth, "file", "tokens/s" if generates else "p50", "memory"):
        grid.add_column(name, justify="right", no_wrap=True)
    for line in report.neighbours:
        rouge = [_share(line.rouge_l)] if writes else []
        cells = [line.name, *rouge, _worth(line, generates), _size(line.size_bytes), _speed(line, generates)]
        style = "bold green" if line.kind == "package" else ""
        grid.add_row(*(Text(cell, style=style) for cell in [*cells, _size(line.added_rss_bytes)]))
    return grid


def _budget(report: Report) -> Table:
    from rich.text import Text

    grid = _grid()
    grid.add_column("budget")
    for name in ("limit", "measured", ""):
        grid.add_column(name, justify="right")
    for line in report.verdict.lines:
        mark = Text("kept", style="green") if line.ok else Text("broken", style="bold red")
        limit = f"{line.bound} {numbers.quantity(line.limit, line.unit)}"
        grid.add_row(LAW_NAMES[line.law], limit, numbers.quantity(line.measured, line.unit), mark)
    return grid


def _worth(line: Neighbour, generates: bool) -> str:
    if generates:
        return "–" if line.bits_per_byte is None else f"{line.bits_per_byte:.3f}"
    return _share(line.accuracy)


def _share(share: float | None) -> str:
    return "–" if share is None else numbers.percent(share)


def _size(size_bytes: int | None) -> str:
    return "–" if size_bytes is None else numbers.size(size_bytes)


def _speed(line: Neighbour, generates: bool) -> str:
    if generates:
        return "–" if line.decode_tokens_per_second is None else f"{line.decode_tokens_per_second:.0f}"
    return "–" if line.latency_p50_ms is None else numbers.duration_ms(line.latency_p50_ms)
