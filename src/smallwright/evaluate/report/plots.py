"""Pictures for the page: small SVGs whose colours follow the reader's light or dark page.

Enters: parts of a report. Leaves: inline SVG, the same bytes for the same numbers.
Not here: tables and text (sections.py). matplotlib is imported when the first picture is drawn.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from smallwright.evaluate.calibration import Calibration
from smallwright.evaluate.cost import Cost
from smallwright.evaluate.report import numbers
from smallwright.evaluate.report.document import Neighbour, TrainingCurve
from smallwright.evaluate.report.markup import Markup, element

# matplotlib only knows fixed colours; each stands for a variable of the page's style and is replaced by it
INK, MUTED, GRID, ACCENT, SECOND, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "line", ACCENT: "accent", SECOND: "second", PAPER: "card"}
SIZE_TICKS = [m * 10**e for e in range(1, 13) for m in (1, 3)]
_TIME_TICKS = [m * 10.0**e for e in range(-4, 6) for m in (1, 3)]


def tradeoff(neighbours: Sequence[Neighbour]) -> Markup | None:
    """Accuracy against file size, with 95% intervals; None with fewer than two systems that have both. Of free text,
    ROUGE-L stands for accuracy."""
    worth = "ROUGE-L" if any(n.rouge_l is not None for n in neighbours) else "accuracy"
    if worth == "ROUGE-L":
        neighbours = [
            replace(n, accuracy=n.rouge_l, accuracy_low=n.rouge_l_low, accuracy_high=n.rouge_l_high) for n in neighbours
        ]
    known = [n for n in neighbours if n.accuracy is not None and n.size_bytes]
    if len(known) < 2:
        return None
    figure, axes = make_figure(4.8, 3.1)
    for neighbour in known:
        own = neighbour.kind == "package"
        x, y = neighbour.size_bytes, (neighbour.accuracy or 0) * 100
        if neighbour.accuracy_low is not None and neighbour.accuracy_high is not None:
            ends = [[y - neighbour.accuracy_low * 100], [neighbour.accuracy_high * 100 - y]]
            axes.errorbar([x], [y], yerr=ends, color=ACCENT if own else MUTED, linewidth=1.4, zorder=2)
        axes.plot([x], [y], "o", color=ACCENT if own else SECOND, markersize=10 if own else 7, zorder=3)
    axes.set_xscale("log")
    sizes = [n.size_bytes for n in known if n.size_bytes]
    log_ticks(axes, SIZE_TICKS, min(sizes) / 2, max(sizes) * 2, numbers.size)
    axes.margins(y=0.24)
    _name_points(axes, known)
    low, high = axes.get_ylim()
    axes.set_ylim(low, min(high, 100.5))
    axes.set_ylabel(f"{worth}, %")
    axes.set_xlabel("file size")
    return to_svg(figure, "tradeoff", f"{worth[0].upper()}{worth[1:]} against file size of every system")


def _name_points(axes: Any, known: Sequence[Neighbour]) -> None:
    """Write each name above its interval, or below it where another name already stands."""
    low, high = axes.get_ylim()
    left, right = (math.log(end) for end in axes.get_xlim())
    taken: list[tuple[float, float, float]] = []  # start, end (shares of the width), height (share of the height)
    for neighbour in known:
        own, accuracy = neighbour.kind == "package", neighbour.accuracy or 0.0
        ends = (neighbour.accuracy_high or accuracy, neighbour.accuracy_low or accuracy)
        x = (math.log(neighbour.size_bytes or 1) - left) / (right - left)
        width = min(1.0, 0.02 * len(neighbour.name))
        start = min(max(0.0, x - width / 2), 1 - width)
        heights = [(end * 100 - low) / (high - low) + step for end, step in zip(ends, (0.06, -0.06), strict=True)]
        clear = [
            h for h in heights if not any(a < start + width and start < b and abs(h - y) < 0.1 for a, b, y in taken)
        ]
        height = (clear or heights)[0]
        taken.append((start, start + width, height))
        axes.annotate(
            neighbour.name,
            (start + width / 2, height),
            xycoords="axes fraction",
            ha="center",
            va="center",
            color=INK if own else MUTED,
            fontweight="bold" if own else "normal",
            zorder=4,
        )


def latency(costs: Sequence[Cost]) -> Markup | None:
    """p50, p95 and p99 of one answer, a line a system; None when nothing was timed."""
    timed = [cost for cost in costs if cost.latency is not None]
    if not timed:
        return None
    figure, axes = make_figure(4.8, 0.9 + 0.5 * len(timed))
    for row, cost in enumerate(reversed(timed)):
        found = cost.latency
        assert found is not None
        colour = ACCENT if cost is timed[0] else SECOND
        axes.plot([found.p95_ms, found.p99_ms], [row, row], color=colour, linewidth=1.2)
        axes.plot([found.p50_ms, found.p95_ms], [row, row], color=colour, linewidth=4, solid_capstyle="round")
        axes.plot([found.p50_ms], [row], "o", color=colour, markersize=8)
        axes.plot([found.p99_ms], [row], "|", color=colour, markersize=8)
        above = {"xytext": (0, 10), "textcoords": "offset points", "color": INK, "annotation_clip": False}
        axes.annotate(cost.name, (0, row), xycoords=("axes fraction", "data"), ha="left", **above)
        p50 = numbers.duration_ms(found.p50_ms)
        axes.annotate(p50, (1, row), xycoords=("axes fraction", "data"), ha="right", **above)
    axes.set_xscale("log")
    low = min(cost.latency.p50_ms for cost in timed if cost.latency)
    high = max(cost.latency.p99_ms for cost in timed if cost.latency)
    log_ticks(axes, _TIME_TICKS, low / 1.6, max(high, low * 10) * 1.3, numbers.duration_ms)
    axes.set_ylim(-0.5, len(timed) - 0.25)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("dot p50 (written on the right), bar to p95, line to p99")
    return to_svg(figure, "latency", "Latency of one answer of every system")


def reliability(calibration: Calibration) -> Markup:
    """Accuracy of each confidence bin against the diagonal; width of the dot: rows in the bin."""
    figure, axes = make_figure(4.8, 3.1)
    filled = [entry for entry in calibration.bins if entry.confidence is not None and entry.accuracy is not None]
    most = max(entry.rows for entry in filled)
    axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    x = [(entry.confidence or 0) * 100 for entry in filled]
    y = [(entry.accuracy or 0) * 100 for entry in filled]
    axes.plot(x, y, color=ACCENT, linewidth=1.6)
    axes.scatter(x, y, s=[18 + 170 * entry.rows / most for entry in filled], color=ACCENT, zorder=3, linewidths=0)
    axes.set_xlim(0, 103)
    axes.set_ylim(0, 103)
    axes.set_xlabel("confidence, %")
    axes.set_ylabel("accuracy, %")
    return to_svg(figure, "reliability", "Accuracy against confidence; the diagonal is perfect calibration")


def training(curves: Sequence[TrainingCurve]) -> Markup | None:
    """Loss above, validation below, over steps; None without points."""
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return None
    measures = {curve.measure for curve in curves if any(p.validation is not None for p in curve.points)}
    figure, (above, below) = make_figure(4.8, 3.6, rows=2)
    for index, curve in enumerate(curves):
        colour = ACCENT if index == len(curves) - 1 else SECOND  # the last one trained became the file
        losses = [(p.step, p.loss) for p in curve.points if p.loss is not None]
        scores = [(p.step, p.validation) for p in curve.points if p.validation is not None]
        if losses:
            above.plot(*zip(*losses, strict=True), color=colour, linewidth=1.6, label=curve.name)
        if scores:
            below.plot(*zip(*scores, strict=True), color=colour, linewidth=1.6, label=curve.name)
            below.plot(*scores[-1], "o", color=colour, markersize=5)
    above.set_ylabel("loss")
    below.set_ylabel(" / ".join(sorted(measures)) or "validation")
    below.set_xlabel("step")
    drawn = above if above.lines else below
    drawn.legend(frameon=False, labelcolor=INK, loc="upper right")
    return to_svg(figure, "training", "Training loss and validation score over steps")


def front(
    points: Sequence[tuple[str, float, float]],
    on_front: Sequence[bool],
    *,
    name: str,
    x_label: str,
    y_label: str,
    write: Callable[[float], str],
    own: Sequence[bool],
) -> Markup | None:
    """Points of a cost (to the left is better) and a worth, those on the Pareto front joined.

    Args:
        points: (short label, x above 0, y) of each.
        on_front: of each, whether nothing beats it.
        name: of the picture.
        x_label, y_label: of the axes.
        write: an x for people.
        own: of each, whether it is the user's present one, drawn as a ring.
    Returns:
        None with fewer than two points.
    """
    if len(points) < 2:
        return None
    figure, axes = make_figure(7.4, 4.4)
    best = sorted((x, y) for (_, x, y), on in zip(points, on_front, strict=True) if on)
    if best:
        axes.step([x for x, _ in best], [y for _, y in best], where="post", color=ACCENT, linewidth=1.2, zorder=1)
    for (label, x, y), on, mine in zip(points, on_front, own, strict=True):
        axes.plot([x], [y], "o", color=ACCENT if on else SECOND, markersize=8 if on else 6, zorder=3)
        if mine:
            axes.plot([x], [y], "o", color="none", markeredgecolor=INK, markersize=13, zorder=2)
        style = {"color": INK, "fontweight": "bold"} if on else {"color": MUTED}
        axes.annotate(label, (x, y), xytext=(4, 5), textcoords="offset points", fontsize=9, zorder=4, **style)
    axes.set_xscale("log")
    low, high = min(x for _, x, _ in points), max(x for _, x, _ in points)
    log_ticks(axes, SIZE_TICKS if low >= 1000 else _TIME_TICKS, low / 1.4, high * 1.6, write)
    axes.margins(y=0.12)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return to_svg(figure, name, f"{y_label} against {x_label}; the Pareto front is joined")


def _style() -> Any:
    return {
        "svg.fonttype": "none",  # text stays text: it can be read aloud, and takes the page's font
        "text.parse_math": False,  # a label may hold a dollar sign
        "font.size": 10,
        "axes.edgecolor": GRID,
        "axes.labelcolor": MUTED,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "text.color": INK,
        "xtick.color": GRID,
        "ytick.color": GRID,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.minor.visible": False,
        "figure.facecolor": "none",
    }


def make_figure(width: float, height: float, rows: int = 1) -> tuple[Any, Any]:
    """A matplotlib figure in the page's style and its axes, below each other; sizes in inches."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_style()):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, 1, sharex=True)


def log_ticks(axes: Any, candidates: Sequence[float], low: float, high: float, write: Callable[[float], str]) -> None:
    """Few round ticks on a logarithmic axis from ``low`` to ``high``, written for people."""
    from matplotlib.ticker import NullLocator

    ticks = [tick for tick in candidates if low <= tick <= high]
    if len(ticks) > 5:  # only whole decades, and of many only some
        ticks = [tick for tick in ticks if f"{tick:e}".startswith("1.")]
    ticks = ticks[:: max(1, -(-len(ticks) // 5))]
    axes.set_xlim(low, high)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [re.sub(r"\.0+(?=\s)", "", write(tick)) for tick in ticks])


def to_svg(figure: Any, name: str, description: str) -> Markup:
    """Inline SVG; ``name`` keeps its ids apart from those of other pictures on the page."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    written = io.StringIO()
    with matplotlib.rc_context({**_style(), "svg.hashsalt": name}):
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(written, metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', rf'<svg viewBox="\1" role="img" aria-label="{description}">', text
    )
    text = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{name}-", text).replace("xlink:href", "href")
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)  # the page's font; older matplotlib writes the short form
    text = re.sub(r"font: ([^;\"]*?\d+px) [^;\"]*", r"font: \1 var(--sans)", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return element("div", Markup(text), class_="plot")
