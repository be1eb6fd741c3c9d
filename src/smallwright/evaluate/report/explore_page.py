"""``explore.html`` and ``explore.json``: the Pareto front of ways to store a student, with the numbers behind it.

Enters: an ``Exploration``. Leaves: one self-contained page without scripts, and the same numbers as JSON, beside the
page and inside it.
Not here: measuring (pipeline/judge_ways.py), drawing (plots.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smallwright.evaluate.exploration import Exploration, Point
from smallwright.evaluate.report import numbers, plots, sections
from smallwright.evaluate.report.html import make_page
from smallwright.evaluate.report.markup import Markup, element, join, table

PAGE, DOCUMENT = "explore.html", "explore.json"
_JSON_ID = "exploration"


def write_exploration(found: Exploration, folder: Path) -> tuple[Path, Path]:
    """Write page and JSON into a folder, each aside and then renamed; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in ((PAGE, to_page(found)), (DOCUMENT, _to_json(found.to_document()) + "\n")):
        path = folder / name
        aside = path.with_name(name + ".partial")
        aside.write_text(text, encoding="utf-8")
        written.append(aside.replace(path))
    return written[0], written[1]


def to_page(found: Exploration) -> str:
    """The whole page; the same exploration gives the same bytes."""
    # Data, which no browser runs. Whatever a name says, the element ends only here.
    data = Markup(_to_json(found.to_document()).replace("<", "\\u003c"))
    inside = element("script", data, type="application/json", id=_JSON_ID)
    return make_page(f"{found.name}: ways to store it", element("main", *_parts(found)), inside)


def list_front(found: Exploration) -> list[str]:
    """The points on the front of size, smallest first, as lines for a terminal."""
    front = found.front("size_bytes")
    best = [point for point, on in zip(found.points, front, strict=True) if on]
    lines = [f"on the front of {found.measure.name} against size ({numbers.count(found.rows)} validation rows):"]
    for point in sorted(best, key=lambda point: point.size_bytes):
        name, score, _, size, *_ = _cells(found, point)
        lines.append(f"  {name}: {size}, {score}")
    return lines


def _to_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)


def _parts(found: Exploration) -> list[Markup | None]:
    by_size, by_time = found.front("size_bytes"), found.front("ms")
    better = "Up and to the left is better" if found.measure.more_is_better else "Down and to the left is better"
    hint = (
        f"{better}. Joined: nothing is both smaller and better. Numbers: those of the table. A ring: as the recipe "
        "stores it now."
    )
    lead = (
        f"{len(found.points)} ways to store one student, each written as a package and asked "
        f"{numbers.count(found.rows)} validation rows"
    )
    if found.values != found.rows:
        lead += f" ({numbers.count(found.values)} {found.measure.unit}s)"
    return [
        join(
            [
                element("div", "Smallwright exploration", class_="kicker"),
                element("h1", found.name),
                element("p", f"{lead}. Test rows were not read.", class_="lead"),
            ]
        ),
        sections.section(f"{_title(found)} against size", hint, _picture(found, "size_bytes", by_size)),
        sections.section(
            f"{_title(found)} against time", hint.replace("smaller", "faster"), _picture(found, "ms", by_time)
        ),
        sections.section("All ways", _explain(found), _table(found, by_size, by_time)),
        _left_out(found),
        element("footer", _footer(found)),
    ]


def _title(found: Exploration) -> str:
    return found.measure.name[0].upper() + found.measure.name[1:]


def _worth(found: Exploration, point: Point) -> float:
    return 100 * point.score if found.measure.more_is_better else point.score


def _picture(found: Exploration, cost: str, front: list[bool]) -> Markup | None:
    number = {index: place for place, index in enumerate(_by_size(found), start=1)}
    known = [index for index, point in enumerate(found.points) if getattr(point, cost) is not None]
    drawn = [found.points[index] for index in known]
    percent = ", %" if found.measure.more_is_better else ""
    return plots.front(
        [
            (str(number[index]), float(getattr(point, cost)), _worth(found, point))
            for index, point in zip(known, drawn, strict=True)
        ],
        [front[index] for index in known],
        name=f"front-{cost.replace('_', '-')}",
        x_label="file size" if cost == "size_bytes" else f"milliseconds: {found.timed}, one thread",
        y_label=f"{found.measure.name}{percent}",
        write=numbers.size if cost == "size_bytes" else numbers.duration_ms,
        own=[point.own for point in drawn],
    )


def _explain(found: Exploration) -> str:
    what = "points" if found.measure.more_is_better else "nats a token"
    return (
        f"“Lost” is in {what} against {found.reference}, on the same {found.measure.unit}s, with half of its 95% "
        f"interval: differences below that are within chance. Time: {found.timed}, one thread, median, all packages in "
        "turn (in brackets: medians of the rounds). Memory: added to a process by opening and answering."
        + _explain_training(found)
    )


def _explain_training(found: Exploration) -> str:
    """For how long the ways that train did so; nothing where none does."""
    parts = [part for point in found.points for step in point.steps for part in (step.get("train"), step.get("heal"))]
    steps = sorted({int(part["steps"]) for part in parts if part})
    return f" Ways that train took {' or '.join(map(numbers.count, steps))} steps." if steps else ""


def _by_size(found: Exploration) -> list[int]:
    """Indices of the points, the smallest file first: the order of the table, and the pictures' numbers."""
    return sorted(range(len(found.points)), key=lambda index: found.points[index].size_bytes)


def _table(found: Exploration, by_size: list[bool], by_time: list[bool]) -> Markup:
    order = _by_size(found)
    head = ("way", found.measure.name, "lost", "file", "time", "memory", "processor time to make", "on the front of")
    rows = []
    for place, index in enumerate(order, start=1):
        point = found.points[index]
        fronts = [name for name, on in (("size", by_size[index]), ("time", by_time[index])) if on]
        name, *cells = _cells(found, point)
        rows.append((f"{place} · {name}", *cells, ", ".join(fronts) or "–"))
    marks = ["own" if found.points[index].own else None for index in order]
    return table(head, rows, class_="stack", marks=marks)


def _cells(found: Exploration, point: Point) -> tuple[object, ...]:
    if found.measure.more_is_better:
        score = f"{numbers.percent(point.score)} ({numbers.percent(point.low)} to {numbers.percent(point.high)})"
        lost = f"{numbers.points(point.lost, 2)} ± {point.lost_error * 100:.2f}"
    else:
        score = f"{point.score:.2f} ({point.low:.2f} to {point.high:.2f})"
        lost = f"{point.lost:+.4f} ± {point.lost_error:.4f}".replace("-", "−")
    time = numbers.duration_ms(point.ms)
    if point.ms_low is not None and point.ms_high is not None:
        time += f" ({numbers.duration_ms(point.ms_low)} to {numbers.duration_ms(point.ms_high)})"
    memory, seconds = numbers.size(point.added_rss_bytes), numbers.duration_s(point.seconds)
    name = f"{point.name} (the recipe's)" if point.own else point.name
    return name, score, lost, numbers.size(point.size_bytes), time, memory, seconds


def _left_out(found: Exploration) -> Markup | None:
    if not found.left_out:
        return None
    lines = [element("li", f"{name}: {reason}") for name, reason in found.left_out.items()]
    return sections.section("Left out", "Ways that were not made, and why.", element("ul", *lines))


def _footer(found: Exploration) -> str:
    machine = f"{found.machine.get('cpu')}, {found.machine.get('usable_cores')} cores"
    return (
        f"Measured on {machine}, each package opened in a fresh process. What is chosen here was chosen on validation "
        f"rows: judge it on the test rows by building it. The same numbers for programs: {DOCUMENT}."
    )
