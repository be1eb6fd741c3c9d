"""Everything a report says about answers, gathered from plain arrays.

Enters: expected labels, logits and texts of one system, and what it is compared with. Leaves: one frozen value for the
report. Not here: running any system (cost.predict, or the caller), time and memory (cost.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallwright.errors import DataError
from smallwright.evaluate import calibration as calibrate
from smallwright.evaluate import comparison, metrics
from smallwright.evaluate.calibration import Calibration, OutOfScope
from smallwright.evaluate.comparison import Comparison, Retention
from smallwright.evaluate.metrics import Accuracy, ClassScore, LanguageScore

MAJORITY = "majority class"


@dataclass(frozen=True)
class Confusion:
    """A frequent mistake with up to three of its texts."""

    expected: str
    predicted: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class WrongAnswer:
    """One test row answered wrongly, and how sure the system was (0..1); None where it cannot say."""

    text: str
    expected: str
    predicted: str
    confidence: float | None


@dataclass(frozen=True)
class ClassifierQuality:
    """What a classifier's answers on the test rows are worth.

    ``retention`` and ``comparisons`` are None and empty where there was no teacher and nothing to compare with;
    ``out_of_scope`` is None without such rows. ``teacher_over``: the teacher minus each simple system (the majority
    first), on the same rows; empty without a teacher.
    """

    accuracy: Accuracy
    macro_f1: float
    classes: tuple[ClassScore, ...]
    confusions: tuple[Confusion, ...]
    wrong_answers: tuple[WrongAnswer, ...]
    calibration: Calibration
    out_of_scope: OutOfScope | None
    retention: Retention | None
    comparisons: tuple[Comparison, ...]
    teacher_over: tuple[Comparison, ...] = ()

    @property
    def unbeaten(self) -> tuple[str, ...]:
        """Simple systems that the teacher does not beat beyond the 95% interval.

        While there is one, what a student keeps of the teacher is no claim: there was nothing to learn from it.
        """
        return tuple(found.against for found in self.teacher_over if found.low <= 0)


@dataclass(frozen=True)
class Sample:
    """A prompt and how the package went on."""

    prompt: str
    text: str


@dataclass(frozen=True)
class LanguageQuality:
    """How well a language model foretells the test text.

    ``score`` is the package's, ``reference`` that of the model before it was packaged (None if not scored), ``ngram_*``
    those of the interpolated byte n-gram model that learnt from the same text (None if not fitted).
    """

    score: LanguageScore
    reference: LanguageScore | None
    ngram_order: int | None
    ngram_bits_per_byte: float | None
    samples: tuple[Sample, ...]


def classifier_quality(
    texts: Sequence[str],
    expected: Sequence[str],
    logits: NDArray[np.floating],
    labels: Sequence[str],
    *,
    temperature: float = 1.0,
    majority_label: str,
    teacher_predicted: Sequence[str] | None = None,
    others_predicted: Mapping[str, Sequence[str]] | None = None,
    simple_predicted: Mapping[str, Sequence[str]] | None = None,
    strange_logits: NDArray[np.floating] | None = None,
    confusion_pairs: int = 12,
    wrong_examples: int = 30,
    bins: int = calibrate.BINS,
    resamples: int = comparison.RESAMPLES,
    seed: int = 0,
) -> ClassifierQuality:
    """Judge a classifier on its test rows.

    Args:
        texts, expected: (N,) the rows; a label that the classifier does not know counts as a wrong answer.
        logits: (N, C), not yet divided by the temperature.
        labels: (C,) the classifier's classes.
        temperature: > 0, of its calibration.
        majority_label: most frequent label of the training rows.
        teacher_predicted: (N,) the teacher's labels on the same rows; None without a teacher.
        others_predicted: by name, (N,) labels of other systems, each compared with this one row by row.
        simple_predicted: by name, (N,) labels of the systems that a teacher must beat, besides the majority.
        strange_logits: (M, C) logits of rows that belong to no class.
        confusion_pairs, wrong_examples: how many are shown.
        bins, resamples, seed: of the calibration and of the bootstrap.
    Raises:
        DataError: sizes do not fit.
    """
    if logits.shape != (len(texts), len(labels)) or len(expected) != len(texts):
        raise DataError(
            f"logits must be (texts, labels). Got {logits.shape} for {len(texts)} texts, {len(expected)} expected "
            f"labels and {len(labels)} classes."
        )
    predicted = [labels[index] for index in logits.argmax(axis=1)]
    confidence = calibrate.confidences(logits, temperature)
    right = metrics.correctness(expected, predicted)
    options = {"resamples": resamples, "seed": seed}
    retention, teacher_over = None, []
    if teacher_predicted is not None:
        majority = metrics.correctness(expected, [majority_label] * len(expected))
        teacher = metrics.correctness(expected, teacher_predicted)
        retention = comparison.retention(right, teacher, majority, **options)
        simple = {name: metrics.correctness(expected, said) for name, said in (simple_predicted or {}).items()}
        for name, outcome in {MAJORITY: majority, **simple}.items():
            teacher_over.append(comparison.compare(teacher, outcome, name=name, **options))
    others = dict(others_predicted or {})
    return ClassifierQuality(
        accuracy=metrics.accuracy(expected, predicted),
        macro_f1=metrics.macro_f1(expected, predicted),
        classes=metrics.class_scores(expected, predicted),
        confusions=_confusions(texts, expected, predicted, confusion_pairs),
        wrong_answers=_wrong(texts, expected, predicted, confidence, wrong_examples),
        calibration=calibrate.calibration(confidence, right, bins),
        out_of_scope=None
        if strange_logits is None or len(strange_logits) == 0
        else calibrate.out_of_scope(confidence, calibrate.confidences(strange_logits, temperature)),
        retention=retention,
        comparisons=tuple(
            comparison.compare(right, metrics.correctness(expected, answers), name=name, **options)
            for name, answers in others.items()
        ),
        teacher_over=tuple(teacher_over),
    )


def _confusions(
    texts: Sequence[str], expected: Sequence[str], predicted: Sequence[str], top: int
) -> tuple[Confusion, ...]:
    rows = list(zip(texts, expected, predicted, strict=True))
    found = []
    for pair in metrics.confusion_pairs(expected, predicted, top):
        examples = [text for text, want, got in rows if (want, got) == (pair.expected, pair.predicted)]
        found.append(Confusion(pair.expected, pair.predicted, pair.count, tuple(examples[:3])))
    return tuple(found)


def _wrong(
    texts: Sequence[str],
    expected: Sequence[str],
    predicted: Sequence[str],
    confidence: NDArray[np.float64],
    count: int,
) -> tuple[WrongAnswer, ...]:
    """The surest mistakes first: those are the ones that hurt."""
    rows = zip(texts, expected, predicted, confidence.tolist(), strict=True)
    wrong = [WrongAnswer(text, want, got, sure) for text, want, got, sure in rows if want != got]
    return surest_first(wrong, count)


def surest_first(wrong: Sequence[WrongAnswer], count: int) -> tuple[WrongAnswer, ...]:
    """At most ``count`` wrong answers, those that the system was surest of first."""
    return tuple(sorted(wrong, key=lambda row: (-(row.confidence or 0.0), row.text))[:count])
