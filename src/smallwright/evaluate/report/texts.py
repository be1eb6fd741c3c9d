"""The parts of the page about free text.

Enters: a ``FreeTextQuality``. Leaves: ``Markup``. Not here: the other parts (sections.py), the page (html.py).
"""

from __future__ import annotations

from smallwright.evaluate.free_text import FreeTextQuality
from smallwright.evaluate.metrics import LanguageScore
from smallwright.evaluate.report import numbers
from smallwright.evaluate.report.markup import Markup, element, join


def free_text(quality: FreeTextQuality) -> list[object]:
    """The facts about free text, the comparisons, and answers from the best to the worst."""
    facts = [("Words of an answer, median", f"{quality.given_words:g}; of a reference, {quality.expected_words:g}")]
    for name, score in (("This file", quality.language), ("Its teacher", quality.teacher_language)):
        if score is not None:
            facts.append((f"{name} foretells the references", _foretold(score)))
    if quality.language is not None:
        seen = f"{numbers.count(quality.language_rows)} test rows, {numbers.count(quality.language.text_bytes)} bytes"
        facts.append(("Foretold were", seen))
    said = [
        f"Against {found.against}: {numbers.points(found.difference)} points of ROUGE-L (95% interval "
        f"{numbers.points(found.low)} to {numbers.points(found.high)})."
        for found in quality.comparisons
    ]
    shown = [element("dl", *(join([element("dt", name), element("dd", value)]) for name, value in facts))]
    if said:
        shown.append(element("ul", *(element("li", text) for text in said)))
    return [*shown, *_samples(quality)]


def _foretold(score: LanguageScore) -> str:
    return f"perplexity {score.perplexity:.1f} per token, {score.bits_per_byte:.3f} bits per byte"


def _samples(quality: FreeTextQuality) -> list[Markup]:
    if not quality.samples:
        return []
    cards = [
        element(
            "div",
            element("b", sample.prompt),
            element("div", element("small", f"Written, ROUGE-L {numbers.percent(sample.rouge_l)}: "), sample.given),
            element("div", element("small", "Reference: "), sample.expected),
            class_="sample",
        )
        for sample in quality.samples
    ]
    heading = element("h3", "Answers from the best to the worst (prompt first)", style="margin-top:18px")
    return [heading, *cards]
