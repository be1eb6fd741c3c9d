"""Reports: the JSON holds everything and comes back; the page shows everything, runs nothing, asks for nothing."""

from __future__ import annotations

import dataclasses
import html
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import f1_score
from tests.unit.evaluate.sample_reports import classifier_report, language_report

from smallwright.errors import DataError
from smallwright.evaluate.quality import classifier_quality
from smallwright.evaluate.report import numbers, read_report, write_report
from smallwright.evaluate.report.document import Report
from smallwright.evaluate.report.files import from_json, to_json
from smallwright.evaluate.report.html import to_html
from smallwright.evaluate.report.markup import Markup, element, escape
from smallwright.evaluate.report.terminal import print_report

HOSTILE = "<script>alert(1)</script>\"'&$x^2$"


class _Page(HTMLParser):
    """Tags, ids and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


@pytest.fixture(scope="module")
def report() -> Report:
    return classifier_report()


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return to_html(report)


def test_json_comes_back_as_the_same_report(report: Report) -> None:
    for whole in (report, classifier_report(HOSTILE, ship=False), language_report()):
        assert from_json(to_json(whole)) == whole


def test_json_keys_stand_in_the_order_of_the_schema(report: Report) -> None:
    keys = list(json.loads(to_json(report)))
    names = [member.name for member in dataclasses.fields(Report)]
    assert keys == ["schema_version", *names[:-1]]
    assert to_json(report) == to_json(classifier_report())


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_json_refuses_numbers_that_json_has_not(report: Report, odd: float) -> None:
    broken = dataclasses.replace(report, build=(dataclasses.replace(report.build[0], wall_seconds=odd),))
    with pytest.raises(DataError, match=r"finite numbers.*in report\.build\.0\.wall_seconds"):
        to_json(broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(schema_version=99), "schema_version 1. Got 99"),
        (lambda content: content.update(surprise=1), "unknown key 'surprise'"),
        (lambda content: content.pop("verdict"), "verdict"),
        (lambda content: content["package"].update(size_bytes="big"), "expected int, found 'big'"),
        (lambda content: content.update(notes=None), "must be the JSON of a Report"),
    ],
)
def test_json_that_is_no_report_is_refused(report: Report, change, message: str) -> None:
    content = json.loads(to_json(report))
    change(content)
    with pytest.raises(DataError, match=message):
        from_json(json.dumps(content))


def test_files_are_written_whole_and_read_back(report: Report, tmp_path: Path) -> None:
    data, page_path = write_report(report, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]
    assert read_report(data) == report
    assert page_path.read_text("utf-8").startswith("<!doctype html>")
    with pytest.raises(DataError, match="readable UTF-8 file"):
        read_report(tmp_path / "missing.json")
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(DataError, match="readable UTF-8 file"):
        read_report(tmp_path / "bad.json")


def test_the_page_shows_everything(report: Report, page: str) -> None:
    words = " ".join(_Page(page).words)
    quality = report.quality
    assert quality is not None and quality.retention is not None and quality.out_of_scope is not None
    wanted = [
        report.name,
        "Ship",
        report.package.sha256,
        report.machine.cpu,
        numbers.percent(quality.accuracy.accuracy),
        numbers.percent(quality.accuracy.low),
        numbers.percent(quality.macro_f1),
        numbers.percent(quality.retention.kept),
        numbers.percent(quality.retention.corrected),
        f"AUROC {quality.out_of_scope.auroc:.3f}",
        "Expected calibration error",
        "14 of train also in test (14 dropped)",
        "3 empty text",
        "reused from an earlier run",
        "reported" if not report.created_at else report.created_at,
        *(neighbour.name for neighbour in report.neighbours),
        *(score.label for score in quality.classes),
        *(example for pair in quality.confusions for example in pair.examples),
        *(row.text for row in quality.wrong_answers),
        *(step.name for step in report.compression),
        *(stage.name.replace("_", " ") for stage in report.build),
        *(numbers.duration_ms(cost.latency.p99_ms) for cost in report.costs if cost.latency),
        *(numbers.size(cost.peak_rss_bytes) for cost in report.costs),
    ]
    assert [text for text in wanted if text not in words] == []
    assert page.count("<svg") == 4


def test_the_page_of_a_language_model_shows_its_samples() -> None:
    page = to_html(language_report())
    words = " ".join(_Page(page).words)
    for text in ("2.040", "46.30", "Byte 4-gram", "ROMEO:", "breaks upon the hour", "1240", "No budget was given"):
        assert text in words
    assert "Class by class" not in words


def test_the_page_is_well_formed_and_asks_for_nothing(page: str) -> None:
    parsed = _Page(page)
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert not {"script", "link", "iframe", "img", "object", "embed"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name == "src"]
    linked = [value or "" for name, value in parsed.attributes if name == "href"]
    assert all(value.startswith("#") and value[1:] in parsed.ids for value in linked)
    assert all(name in parsed.ids for name in re.findall(r"url\(#([^)]*)\)", page))
    assert "@import" not in page and not re.search(r"url\((?!#)", page)


def test_pictures_follow_the_readers_colours(page: str) -> None:
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "var(--accent)" in drawn and "DejaVu" not in drawn
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) == set()
    assert "prefers-color-scheme: dark" in page


def test_the_same_report_gives_the_same_bytes(report: Report, page: str) -> None:
    assert to_html(classifier_report()) == page
    assert to_html(dataclasses.replace(report, name="other")) != page


def test_no_label_text_or_name_can_run() -> None:
    page = to_html(classifier_report(HOSTILE))
    parsed = _Page(page)
    assert "script" not in parsed.tags
    assert "<script" not in page
    assert html.escape(HOSTILE) in page
    assert any(HOSTILE in text for text in parsed.words)


def test_markup_escapes_all_but_markup() -> None:
    made = element("td", "<b>", Markup("<i>x</i>"), None, class_='"', data_label="a&b")
    assert made == '<td class="&quot;" data-label="a&amp;b">&lt;b&gt;<i>x</i></td>'
    assert escape("\ud800") == "?"


def test_parts_that_were_not_measured_are_left_out_or_said(report: Report) -> None:
    quality = report.quality
    assert quality is not None
    bare = dataclasses.replace(
        report,
        quality=dataclasses.replace(quality, out_of_scope=None, retention=None, comparisons=(), teacher_over=()),
        neighbours=(report.neighbours[0],),
        costs=(dataclasses.replace(report.costs[0], peak_rss_bytes=None, added_rss_bytes=None),),
        training=(),
        compression=(),
        build=(),
        created_at=None,
    )
    words = " ".join(_Page(to_html(bare)).words)
    assert "not measured" in words
    for absent in ("Questions from outside", "Paired", "Training", "From teacher to file", "What the build cost"):
        assert absent not in words
    assert from_json(to_json(bare)) == bare


@pytest.mark.parametrize("ship", [True, False])
def test_the_terminal_card_says_the_same(ship: bool) -> None:
    written = io.StringIO()
    report = classifier_report("[red]x[/red]", ship=ship)
    print_report(report, Console(file=written, width=120, color_system=None))
    text = written.getvalue()
    assert report.quality is not None
    wanted = ["SHIP" if ship else "DO NOT SHIP", numbers.percent(report.quality.accuracy.accuracy), "[red]x[/red]"]
    wanted += [report.package.sha256, "TF-IDF + linear SVM", "Memory added by the model"]
    assert [word for word in wanted if word not in text] == []
    assert ("broken" in text) == (not ship)


def test_the_terminal_card_of_a_language_model() -> None:
    written = io.StringIO()
    print_report(language_report(), Console(file=written, width=100, color_system=None))
    assert "2.040" in written.getvalue() and "nothing was judged" in written.getvalue()


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (numbers.size(999), "999 B"),
        (numbers.size(999_600), "1.00 MB"),
        (numbers.size(1_912_320), "1.91 MB"),
        (numbers.size(None), "not measured"),
        (numbers.duration_ms(0.0312), "31.2 µs"),
        (numbers.duration_ms(0.84), "0.84 ms"),
        (numbers.duration_ms(12.44), "12.4 ms"),
        (numbers.duration_ms(1500), "1.50 s"),
        (numbers.duration_s(245), "4 min 05 s"),
        (numbers.duration_s(4320), "1 h 12 min"),
        (numbers.duration_s(0), "0.00 s"),
        (numbers.percent(0.9543), "95.4%"),
        (numbers.percent(0.0), "0.0%"),
        (numbers.points(-0.012), "−1.2"),
        (numbers.count(15000), "15 000"),
        (numbers.parameters(2_310_000), "2.31 M"),
        (numbers.rate(1240.4), "1240 tokens/s"),
        (numbers.quantity(0.5, "share"), "50.0%"),
        (numbers.probability(0.0004), "p < 0.001"),
        (numbers.probability(0.0321), "p = 0.032"),
    ],
)
def test_numbers_are_written_for_people(written: str, wanted: str) -> None:
    assert re.sub(r"[\u00a0\u202f]", " ", written) == wanted


def test_a_teacher_that_beats_nothing_simple_is_not_kept_to(report: Report, page: str) -> None:
    """Retention is a claim only where the teacher beats the majority and the linear baseline, beyond chance."""
    quality = report.quality
    assert quality is not None and quality.retention is not None
    assert [found.against for found in quality.teacher_over] == ["majority class", "TF-IDF + linear SVM"]
    assert quality.unbeaten == () and "The teacher against majority class" in page
    even = dataclasses.replace(quality.teacher_over[1], difference=0.01, low=0.0, high=0.02)
    weaker = dataclasses.replace(quality, teacher_over=(quality.teacher_over[0], even))
    weak = dataclasses.replace(report, quality=weaker)
    assert weak.quality is not None and weak.quality.unbeaten == ("TF-IDF + linear SVM",)
    shown = to_html(weak)
    assert "it does not beat: TF-IDF + linear SVM" in shown and "Corrected for chance" not in shown
    assert "Corrected for chance" in page and "it does not beat" not in page


def test_the_teacher_is_compared_with_each_simple_system() -> None:
    expected, teacher, linear = ["a", "a", "b", "b"] * 50, ["a", "a", "b", "a"] * 50, ["a", "b", "b", "a"] * 50
    logits = np.eye(2, dtype=np.float32)[[0, 0, 1, 0] * 50]
    options = {"majority_label": "a", "simple_predicted": {"linear": linear}}
    found = classifier_quality(["x"] * 200, expected, logits, ["a", "b"], teacher_predicted=teacher, **options)
    said = {one.against: (one.difference, one.only_system, one.only_against) for one in found.teacher_over}
    assert said == {"majority class": (0.25, 50, 0), "linear": (0.25, 50, 0)} and found.unbeaten == ()
    no_better = classifier_quality(["x"] * 200, expected, logits, ["a", "b"], teacher_predicted=linear, **options)
    assert no_better.unbeaten == ("majority class", "linear")
    alone = classifier_quality(["x"] * 200, expected, logits, ["a", "b"], **options)
    assert alone.teacher_over == () and alone.unbeaten == ()


def test_classifier_quality_gathers_what_its_parts_say() -> None:
    generator = np.random.default_rng(0)
    labels = ["a", "b", "c"]
    expected = [labels[index] for index in generator.integers(0, 3, 60)] + ["unseen"]
    logits = generator.normal(0, 2, (61, 3)).astype(np.float32)
    predicted = [labels[index] for index in logits.argmax(axis=1)]
    found = classifier_quality(
        [f"text {row}" for row in range(61)],
        expected,
        logits,
        labels,
        majority_label="a",
        teacher_predicted=expected,
        others_predicted={"perfect": expected},
        wrong_examples=5,
    )
    right = sum(a == b for a, b in zip(expected, predicted, strict=True))
    assert (found.accuracy.correct, found.accuracy.rows) == (right, 61)
    assert found.macro_f1 == pytest.approx(f1_score(expected, predicted, average="macro", zero_division=0))
    assert found.retention is not None and found.retention.kept == pytest.approx(right / 61)
    assert found.comparisons[0].difference == pytest.approx(right / 61 - 1)
    sure = [row.confidence for row in found.wrong_answers]
    assert sure == sorted(sure, reverse=True) and len(sure) == 5
    assert found.out_of_scope is None
    with pytest.raises(DataError, match=r"logits must be \(texts, labels\). Got \(61, 3\) for 60 texts"):
        classifier_quality(["x"] * 60, expected[:60], logits, labels, majority_label="a")
