"""The parts of the page, each from one part of the report; a part without content is left out.

Enters: a ``Report``. Leaves: ``Markup``. Not here: the page around them (html.py), pictures (plots.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from smallwright.evaluate.answers import AnswerQuality, FieldScore
from smallwright.evaluate.budget import Verdict
from smallwright.evaluate.comparison import Comparison, Retention
from smallwright.evaluate.metrics import Accuracy
from smallwright.evaluate.quality import ClassifierQuality, LanguageQuality, WrongAnswer
from smallwright.evaluate.report import numbers, texts
from smallwright.evaluate.report.document import Neighbour, Report
from smallwright.evaluate.report.markup import Markup, bar, element, join, table

LAW_NAMES = {
    "size": "File size",
    "memory": "Memory added by the model",
    "latency_p50": "Latency p50, 1 thread",
    "latency_p95": "Latency p95, 1 thread",
    "keep_accuracy": "Accuracy kept of the teacher",
    "min_accuracy": "Accuracy",
}


def section(title: str, hint: str, *content: object) -> Markup | None:
    """A titled card; None when it has no content."""
    inside = [part for part in content if part]
    if not inside:
        return None
    hinted = element("p", hint, class_="hint") if hint else None
    return element("section", element("h2", title), hinted, *inside)


def banner(verdict: Verdict) -> Markup:
    """The verdict, in words before colour."""
    kind, mark, words = ("ship", "✓", "Ship") if verdict.ship else ("stop", "✕", "Do not ship")
    note = verdict.note[:1].upper() + verdict.note[1:] + "."
    for law, name in LAW_NAMES.items():
        note = note.replace(law, name.lower())
    inside = element("div", element("b", words), element("span", note))
    return element("div", element("div", mark, class_="mark", aria_hidden="true"), inside, class_=f"verdict {kind}")


def package_of(report: Report) -> Neighbour | None:
    """The line of the table that is the file itself."""
    return next((neighbour for neighbour in report.neighbours if neighbour.kind == "package"), None)


def teacher_of(report: Report) -> Neighbour | None:
    """The teacher's line."""
    return next((neighbour for neighbour in report.neighbours if neighbour.kind == "teacher"), None)


def headline(report: Report) -> list[tuple[str, str, str]]:
    """The few numbers that matter first: name, value, note."""
    own, teacher, found = package_of(report), teacher_of(report), []
    if report.quality is not None:
        score = report.quality.accuracy
        interval = f"{numbers.percent(score.low)} to {numbers.percent(score.high)}"
        found.append(("Accuracy", numbers.percent(score.accuracy), f"95%: {interval}"))
        kept, unbeaten = report.quality.retention, report.quality.unbeaten
        if kept is not None and unbeaten:
            found.append(("Kept of the teacher", "no claim", f"it does not beat: {', '.join(unbeaten)}"))
        elif kept is not None and kept.kept is not None:
            span = f"95%: {numbers.percent(kept.low)} to {numbers.percent(kept.high)}" if kept.low is not None else ""
            found.append(("Kept of the teacher", numbers.percent(kept.kept), span))
    if report.answers is not None:
        exact, fields = report.answers.enforced.exact, report.answers.enforced.field_f1
        interval = f"95%: {numbers.percent(exact.low)} to {numbers.percent(exact.high)}"
        found.append(("Exactly right", numbers.percent(exact.accuracy), interval))
        if fields is not None:
            found.append(("Field F1", numbers.percent(fields), "all fields of all answers"))
        if report.answers.free_text is not None:
            rouge = report.answers.free_text.rouge_l
            span = f"95%: {numbers.percent(rouge.low)} to {numbers.percent(rouge.high)}"
            found.insert(0, ("ROUGE-L", numbers.percent(rouge.mean), span))
    if report.language is not None:
        score_ = report.language.score
        found.append(("Bits per byte", f"{score_.bits_per_byte:.3f}", "lower is better"))
        found.append(("Perplexity", f"{score_.perplexity:.1f}", "per token"))
    found.append(("File size", numbers.size(report.package.size_bytes), _share(own, teacher, "size_bytes")))
    if own is not None and own.latency_p50_ms is not None:
        faster = _share(own, teacher, "latency_p50_ms")
        found.append(("Latency p50", numbers.duration_ms(own.latency_p50_ms), faster or "one thread"))
    if own is not None and own.decode_tokens_per_second is not None:
        found.append(("Decoding", f"{own.decode_tokens_per_second:.0f}{numbers.GAP}tok/s", "one thread"))
    if own is not None and own.added_rss_bytes is not None:
        memory = _share(own, teacher, "added_rss_bytes")
        found.append(("Memory", numbers.size(own.added_rss_bytes), memory or "added to the process"))
    return found


def _share(own: Neighbour | None, teacher: Neighbour | None, field: str) -> str:
    ours, theirs = getattr(own, field, None), getattr(teacher, field, None)
    return f"{numbers.percent(ours / theirs)} of the teacher's" if ours and theirs else ""


def tiles(report: Report) -> Markup:
    """The headline numbers as tiles."""
    made = []
    for name, value, note in headline(report):
        number, _, unit = value.partition(numbers.GAP)
        shown = element("div", number, element("small", f"{numbers.GAP}{unit}") if unit else None, class_="value")
        made.append(
            element(
                "div", element("div", name, class_="name"), shown, element("div", note, class_="note"), class_="tile"
            )
        )
    return element("div", *made, class_="tiles")


def neighbours(report: Report) -> Markup | None:
    """The file against its neighbours."""
    lines = report.neighbours
    columns = [
        (name, write)
        for name, field, write in (
            ("ROUGE-L", "rouge_l", lambda n: _share_cell(n, n.rouge_l, n.rouge_l_low, n.rouge_l_high)),
            (
                "Accuracy" if report.answers is None else "Exactly right",
                "accuracy",
                lambda n: _share_cell(n, n.accuracy, n.accuracy_low, n.accuracy_high),
            ),
            ("Macro-F1", "macro_f1", lambda n: numbers.percent(n.macro_f1)),
            ("Field F1", "field_f1", lambda n: _or_dash(n.field_f1, numbers.percent(n.field_f1))),
            ("Bits per byte", "bits_per_byte", lambda n: _or_dash(n.bits_per_byte, f"{n.bits_per_byte or 0:.3f}")),
            ("File", "size_bytes", lambda n: _or_dash(n.size_bytes, numbers.size(n.size_bytes))),
            ("p50", "latency_p50_ms", lambda n: _or_dash(n.latency_p50_ms, numbers.duration_ms(n.latency_p50_ms))),
            ("p95", "latency_p95_ms", lambda n: _or_dash(n.latency_p95_ms, numbers.duration_ms(n.latency_p95_ms))),
            (
                "Decoding",
                "decode_tokens_per_second",
                lambda n: _or_dash(n.decode_tokens_per_second, numbers.rate(n.decode_tokens_per_second)),
            ),
            ("Memory", "added_rss_bytes", lambda n: _or_dash(n.added_rss_bytes, numbers.size(n.added_rss_bytes))),
        )
        if any(getattr(line, field) is not None for line in lines)
    ]
    rows = [[_named(line), *(write(line) for _, write in columns)] for line in lines]
    marks = ["own" if line.kind == "package" else None for line in lines]
    return section(
        "The file and its neighbours",
        "All on the same test rows and this machine; latency of one answer on one thread; memory is what opening and "
        "answering added to the process. Intervals are 95%.",
        table(["System", *(name for name, _ in columns)], rows, class_="stack", marks=marks) if rows else None,
        _comparisons(report),
    )


def _named(line: Neighbour) -> Markup:
    return join([line.name, element("small", line.note) if line.note else None])


def _or_dash(value: float | None, text: str) -> str:
    return "–" if value is None else text


def _share_cell(line: Neighbour, share: float | None, low: float | None, high: float | None) -> object:
    if share is None:
        return "–"
    span = None
    if low is not None and high is not None:
        span = element("small", f"{low * 100:.1f}–{high * 100:.1f}")
    shown = element("span", numbers.percent(share), " ", span)
    return join([shown, bar(share, "" if line.kind == "package" else "second")])


def _comparisons(report: Report) -> Markup | None:
    kept: Retention | None = None
    others: tuple[Comparison, ...] = ()
    teacher: tuple[Comparison, ...] = ()
    if report.quality is not None:
        kept = report.quality.retention if not report.quality.unbeaten else None
        others, teacher = report.quality.comparisons, report.quality.teacher_over
    elif report.answers is not None:
        others = report.answers.comparisons
    if not (others or kept or teacher):
        return None
    said = []
    if kept is not None and kept.corrected is not None:
        span = ""
        if kept.corrected_low is not None:
            span = f" (95% interval {numbers.percent(kept.corrected_low)} to {numbers.percent(kept.corrected_high)})"
        said.append(f"Corrected for chance it keeps {numbers.percent(kept.corrected)} of the teacher{span}.")
    said += [_say_comparison("Against", other, "here") for other in others]
    said += [_say_comparison("The teacher against", other, "with the teacher") for other in teacher]
    return element(
        "div",
        element("h3", "Paired, row by row"),
        element("ul", *(element("li", text) for text in said)),
        style="margin-top:18px",
    )


def _say_comparison(who: str, found: Comparison, here: str) -> str:
    return (
        f"{who} {found.against}: {numbers.points(found.difference)} points (95% interval "
        f"{numbers.points(found.low)} to {numbers.points(found.high)}). "
        f"{numbers.count(found.only_system)} rows are right only {here}, "
        f"{numbers.count(found.only_against)} only there (McNemar "
        f"{numbers.probability(found.mcnemar_p)})."
    )


def budget(verdict: Verdict) -> Markup | None:
    """The budget, line by line."""
    rows = []
    for line in verdict.lines:
        mark = element("span", "kept" if line.ok else "broken", class_="ok" if line.ok else "broken")
        limit = f"{line.bound} {numbers.quantity(line.limit, line.unit)}"
        measured = join(
            [numbers.quantity(line.measured, line.unit), element("small", line.note) if line.note else None]
        )
        rows.append([LAW_NAMES[line.law], limit, measured, mark])
    shown = table(["Law", "Limit", "Measured", "Verdict"], rows, class_="stack") if rows else None
    return section(
        "The budget, line by line", "" if rows else "No budget was given, so nothing was judged.", shown or " "
    )


def classes(quality: ClassifierQuality) -> Markup | None:
    """Every class, the weakest first."""
    ranked = sorted(quality.classes, key=lambda score: (score.f1, score.label))
    rows = [
        [
            score.label,
            join([numbers.percent(score.f1), bar(score.f1)]),
            numbers.percent(score.precision),
            numbers.percent(score.recall),
            numbers.count(score.support),
        ]
        for score in ranked
    ]
    hint = f"{len(rows)} classes, the weakest first. Macro-F1 is {numbers.percent(quality.macro_f1)}."
    return section(
        "Class by class",
        hint,
        element("div", table(["Class", "F1", "Precision", "Recall", "Rows"], rows), class_="tall"),
    )


def confusions(quality: ClassifierQuality) -> Markup | None:
    """The most frequent confusions, with sentences."""
    shown = [
        element(
            "div",
            element(
                "div",
                pair.expected,
                element("span", " taken for "),
                pair.predicted,
                element("span", f" ×{pair.count}"),
                class_="pair",
            ),
            *(element("q", text) for text in pair.examples),
            class_="confusion",
        )
        for pair in quality.confusions
    ]
    return section("Worst confusions", "What is meant, what it was taken for, how often.", *shown)


def wrong_answers(answers: Sequence[WrongAnswer], score: Accuracy) -> Markup | None:
    """Wrong answers, the surest first."""
    rows = [[element("span", f"“{row.text}”"), row.expected, row.predicted, _sureness(row)] for row in answers]
    wrong = score.rows - score.correct
    order = "; those it was surest of first" if any(row.confidence is not None for row in answers) else ""
    hint = f"{numbers.count(wrong)} of {numbers.count(score.rows)} test rows{order}."
    shown = table(["Said", "Meant", "Answered", "Confidence"], rows, class_="text stack") if rows else None
    return section("What it gets wrong", hint, element("div", shown, class_="tall") if shown else None)


def _sureness(row: WrongAnswer) -> str:
    return "–" if row.confidence is None else numbers.percent(row.confidence, 0)


def out_of_scope(quality: ClassifierQuality) -> Markup | None:
    """Whether the confidence tells strange questions from known ones."""
    found = quality.out_of_scope
    if found is None:
        return None
    words = (
        f"On {numbers.count(found.known_rows)} questions it should know and {numbers.count(found.strange_rows)} that "
        f"are none of its classes, the confidence tells them apart with AUROC {found.auroc:.3f} (0.5 is a coin toss, "
        "1 is perfect). "
        f"A threshold of {numbers.percent(found.threshold_at_95)} accepts 95% of the known and still "
        f"{numbers.percent(found.accepted_at_95)} of the strange."
    )
    return section("Questions from outside", "", element("p", words))


def answers(quality: AnswerQuality) -> Markup | None:
    """With the schema and without, and field by field; or what free text is worth."""
    systems = [("as it ships", quality.enforced), *([("schema not enforced", quality.free)] if quality.free else [])]
    rows = [
        [
            name,
            numbers.percent(score.exact.accuracy),
            _or_dash(score.field_f1, numbers.percent(score.field_f1)),
            _or_dash(score.valid, numbers.percent(score.valid)),
            numbers.percent(score.whole),
        ]
        for name, score in systems
    ]
    shown = table(["Answers", "Exactly right", "Field F1", "Allowed by the schema", "Ended by themselves"], rows)
    written = [] if quality.free_text is None else texts.free_text(quality.free_text)
    return section("The answers", "On the test prompts, greedy.", shown, _fields(quality.enforced.fields), *written)


def _fields(scores: Sequence[FieldScore]) -> Markup | None:
    if not scores:
        return None
    rows = [
        [
            score.field,
            join([numbers.percent(score.f1), bar(score.f1)]),
            _or_dash(score.precision, numbers.percent(score.precision)),
            _or_dash(score.recall, numbers.percent(score.recall)),
            numbers.count(score.support),
        ]
        for score in scores
    ]
    return table(["Field", "F1", "Precision", "Recall", "Expected"], rows)


def language(quality: LanguageQuality) -> Markup | None:
    """Perplexity, bits per byte and samples."""
    score = quality.score
    facts = [
        ("Text scored", f"{numbers.count(score.tokens)} tokens, {numbers.count(score.text_bytes)} bytes"),
        ("Perplexity per token", f"{score.perplexity:.2f}"),
        ("Bits per byte", f"{score.bits_per_byte:.3f}"),
    ]
    if quality.reference is not None:
        facts.append(("Before packaging", f"{quality.reference.bits_per_byte:.3f} bits per byte"))
    if quality.ngram_bits_per_byte is not None:
        facts.append((f"Byte {quality.ngram_order}-gram", f"{quality.ngram_bits_per_byte:.3f} bits per byte"))
    samples = [element("div", element("b", sample.prompt), sample.text, class_="sample") for sample in quality.samples]
    heading = element("h3", "Samples (prompt first)", style="margin-top:18px") if samples else None
    return section("The language model", "", definitions(facts), heading, *samples)


def definitions(facts: list[tuple[str, object]] | list[tuple[str, str]]) -> Markup | None:
    """Names and values side by side; None without any."""
    if not facts:
        return None
    return element("dl", *(join([element("dt", name), element("dd", value)]) for name, value in facts))
