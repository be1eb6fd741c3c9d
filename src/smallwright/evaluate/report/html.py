"""``report.html``: one self-contained page, without scripts, that needs nothing from outside.

Enters: a ``Report``. Leaves: the page as text; the same report gives the same bytes.
Not here: its parts (sections.py, making.py), its pictures (plots.py).
"""

from __future__ import annotations

from importlib import resources

from smallwright.evaluate.report import making, plots, sections
from smallwright.evaluate.report.document import Report
from smallwright.evaluate.report.markup import Markup, element, join

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # whatever a label says, nothing runs


def to_html(report: Report) -> str:
    """The whole page."""
    return make_page(f"{report.name}: report card", element("main", *_parts(report), _footer(report)))


def make_page(title: str, *body: Markup) -> str:
    """A whole page in the report's style, under the policy that nothing runs."""
    style = resources.files("smallwright.evaluate.report").joinpath("style.css").read_text("utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(style)),
    )
    return f'<!doctype html>\n<html lang="en">{head}{element("body", *body)}</html>\n'


def _parts(report: Report) -> list[Markup | None]:
    quality = report.quality
    judged_by = quality or report.answers
    calibration = None if judged_by is None else judged_by.calibration
    writes = report.answers is not None and report.answers.free_text is not None
    pictures = [
        sections.section(
            "ROUGE-L against size" if writes else "Accuracy against size",
            "Up and to the left is better.",
            plots.tradeoff(report.neighbours),
        ),
        sections.section("Time for one answer", "To the left is better.", plots.latency(report.costs)),
    ]
    if calibration is not None:
        wrong_by = f"Expected calibration error {calibration.expected_calibration_error * 100:.1f} points"
        pictures.append(
            sections.section("Does it know how sure it is?", f"{wrong_by}.", plots.reliability(calibration))
        )
    pictures.append(sections.section("Training", "", plots.training(report.training)))
    judged: list[Markup | None] = [sections.language(report.language)] if report.language is not None else []
    if quality is not None:
        judged += [
            making.ensemble(report.ensemble),
            sections.out_of_scope(quality),
            _grid([sections.classes(quality), sections.confusions(quality)]),
            sections.wrong_answers(quality.wrong_answers, quality.accuracy),
        ]
    if report.answers is not None:
        judged += [
            sections.answers(report.answers),
            sections.wrong_answers(report.answers.wrong_answers, report.answers.enforced.exact),
        ]
    return [
        _header(report),
        sections.banner(report.verdict),
        sections.tiles(report),
        making.notes(report),
        sections.neighbours(report),
        sections.budget(report.verdict),
        _grid(pictures),
        *judged,
        making.costs(report),
        _grid([making.compression(report), making.build(report)]),
        making.data(report),
        making.origin(report),
        making.machine(report),
    ]


def _grid(parts: list[Markup | None]) -> Markup | None:
    shown = [part for part in parts if part is not None]
    return element("div", *shown, class_="grid") if shown else None


def _header(report: Report) -> Markup:
    from smallwright.evaluate.report import numbers

    task = {"classify": "Text classifier", "generate": "Language model"}.get(report.task, report.task)
    if report.answers is not None:
        task = "Answers to prompts"
    file = report.package
    lead = (
        f"{task} · {numbers.parameters(file.parameters)} parameters · {file.format} · {numbers.size(file.size_bytes)}"
    )
    return join(
        [
            element("div", "Smallwright report card", class_="kicker"),
            element("h1", report.name),
            element("p", lead, class_="lead"),
        ]
    )


def _footer(report: Report) -> Markup:
    when = f" on {report.created_at}" if report.created_at else ""
    return element(
        "footer", f"Measured{when} on the file itself, in fresh processes. The same numbers for programs: report.json."
    )
