"""Judging a classifier: the shipped file, opened in fresh processes, beside its honest neighbours.

Enters: the finished stages of a classifier. Leaves: the report stage, with the verdict against the budget.
Not here: metrics and measuring themselves (evaluate/).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np

from smallwright.errors import DataError
from smallwright.evaluate import metrics
from smallwright.evaluate.baselines import majority_label
from smallwright.evaluate.cost import Cost, Predictions, measure_classifiers, predict
from smallwright.evaluate.linear import LINEAR_NAME
from smallwright.evaluate.process import Subject
from smallwright.evaluate.quality import MAJORITY, ClassifierQuality, classifier_quality
from smallwright.evaluate.report import Neighbour, Report
from smallwright.pipeline.classify import Classifier
from smallwright.pipeline.enlarge import describe_added
from smallwright.pipeline.facts import package_facts
from smallwright.pipeline.judge_ensemble import TEACHER, judge_ensemble, members_of, teacher_size, teacher_subject
from smallwright.pipeline.report import (
    ASKED,
    PACKAGED,
    QUANTIZED,
    Judged,
    describe_build,
    judge_package,
    make_neighbour,
    run_report,
    warn_of_simple,
)
from smallwright.pipeline.rows import read_labels, read_split, read_texts
from smallwright.pipeline.shared import PACKAGE_FILE
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.teach import LINEAR_ANSWERS, LINEAR_FILE
from smallwright.pipeline.tutoring import describe_balance
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.package_settings import PackageSettings

UNREAD = ""  # what a teacher said whose answer names no class


@dataclass(frozen=True)
class _Answers:
    """Everyone's labels on the test rows; None or absent where there is no such system."""

    package: Predictions
    strange: Predictions | None
    teacher: list[str] | None
    quantized: list[str] | None
    linear: list[str] | None
    majority: str


def judge_classifier(recipe: Recipe, shop: Workshop, made: Classifier) -> Judged:
    """Run the report stage."""
    baseline = made.linear if recipe.evaluate.baseline else None
    inputs = {
        "package": made.package,
        "data": made.data,
        "answers": made.answers,
        "teacher-package": made.teacher_package,
        "linear": baseline,
    }
    return run_report(recipe, shop, inputs, lambda: _report(recipe, shop, made, baseline))


def _report(recipe: Recipe, shop: Workshop, made: Classifier, baseline: Outcome | None) -> Report:
    rows = read_split(made.data, "test")
    if not rows:
        raise DataError("a package is judged on test rows. Got none. Give data.test, or a larger data.test_fraction.")
    texts, expected = [row.text for row in rows], [str(row.label) for row in rows]
    answers = _ask_everyone(recipe, made, baseline, texts)
    costs = _measure(recipe, made, baseline, texts, answers)
    quality = _quality(recipe, made, answers, texts, expected)
    package = package_facts(recipe, made.package)
    own = costs["package"]
    retention = quality.retention
    kept = retention.kept if retention else None
    verdict = judge_package(recipe, package, own, accuracy=quality.accuracy.accuracy, kept=kept)
    return Report(
        **describe_build(recipe, shop, made, measure="accuracy"),
        verdict=verdict,
        package=package,
        neighbours=_neighbours(recipe, made, baseline, answers, costs, expected),
        costs=tuple(costs.values()),
        quality=quality,
        ensemble=judge_ensemble(recipe, made, expected, answers.teacher),
        notes=(
            *_warn(quality),
            *describe_added(shop),
            *describe_balance(made.student),
            *_note_endpoint(recipe, made),
        ),
    )


def _ask_everyone(recipe: Recipe, made: Classifier, baseline: Outcome | None, texts: Sequence[str]) -> _Answers:
    path, limit = made.package.folder / PACKAGE_FILE, recipe.evaluate.timeout_seconds
    strange = read_texts(made.data, "out_of_scope")
    labels = read_labels(made.data)
    teacher = quantized = linear = None
    if made.answers is not None:
        scores = np.load(made.answers.folder / "test.npy")
        unread = np.isnan(scores).any(axis=1)
        teacher = [UNREAD if no else labels[best] for no, best in zip(unread, scores.argmax(axis=1), strict=True)]
    if made.teacher_package is not None and not isinstance(recipe.teacher, PackageSettings):
        quantized = predict(made.teacher_package.folder / PACKAGE_FILE, texts, timeout_seconds=limit).predicted
    if baseline is not None:
        linear = json.loads((baseline.folder / LINEAR_ANSWERS).read_text(encoding="utf-8"))
    return _Answers(
        package=predict(path, texts, timeout_seconds=limit),
        strange=predict(path, strange, timeout_seconds=limit) if strange else None,
        teacher=teacher,
        quantized=quantized,
        linear=linear,
        majority=majority_label([str(row.label) for row in read_split(made.data, "train")]),
    )


def _measure(
    recipe: Recipe, made: Classifier, baseline: Outcome | None, texts: Sequence[str], answers: _Answers
) -> dict[str, Cost]:
    """Cost by system; ``package`` is the file on one thread, ``package, all cores`` the same on every core."""
    path = str(made.package.folder / PACKAGE_FILE)
    starts, some = recipe.evaluate.cold_starts, list(texts[: recipe.evaluate.max_latency_texts])
    subjects = [
        Subject("package", path=path, threads=1, cold_starts=starts),
        Subject("package, all cores", path=path, threads=0),
    ]
    expected: dict[str, Sequence[str]] = {subject.name: answers.package.predicted for subject in subjects}
    if isinstance(recipe.teacher, PackageSettings) and made.teacher_package is not None:
        subjects.append(Subject(PACKAGED, path=str(made.teacher_package.folder / PACKAGE_FILE), threads=1))
        expected[PACKAGED] = answers.teacher or ()
    elif made.teacher is not None and made.teacher_package is not None:
        subjects.append(teacher_subject(made, made.teacher))
        expected[TEACHER] = answers.teacher or ()
        subjects.append(Subject(QUANTIZED, path=str(made.teacher_package.folder / PACKAGE_FILE), threads=1))
        expected[QUANTIZED] = answers.quantized or ()
    if baseline is not None:
        arguments = {"path": str(baseline.folder / LINEAR_FILE), "sha256": baseline.facts["sha256"]}
        subjects.append(Subject(LINEAR_NAME, target="smallwright.evaluate.linear:open_linear", arguments=arguments))
        expected[LINEAR_NAME] = answers.linear or ()
    return measure_classifiers(
        subjects,
        some,
        rounds=recipe.evaluate.latency_rounds,
        expected={name: list(labels[: len(some)]) for name, labels in expected.items()},
        timeout_seconds=recipe.evaluate.timeout_seconds,
    )


def _quality(
    recipe: Recipe, made: Classifier, answers: _Answers, texts: Sequence[str], expected: Sequence[str]
) -> ClassifierQuality:
    others: dict[str, Sequence[str]] = {}
    teacher = {EndpointSettings: ASKED, PackageSettings: PACKAGED}.get(type(recipe.teacher), TEACHER)
    for name, predicted in ((teacher, answers.teacher), (QUANTIZED, answers.quantized), (LINEAR_NAME, answers.linear)):
        if predicted is not None:
            others[name] = predicted
    settings = recipe.evaluate
    return classifier_quality(
        texts,
        expected,
        answers.package.logits,
        answers.package.labels,
        temperature=answers.package.temperature,
        majority_label=answers.majority,
        teacher_predicted=answers.teacher,
        others_predicted=others,
        simple_predicted={} if answers.linear is None else {LINEAR_NAME: answers.linear},
        strange_logits=None if answers.strange is None else answers.strange.logits,
        confusion_pairs=settings.confusion_pairs,
        wrong_examples=settings.wrong_examples,
        bins=settings.calibration_bins,
        resamples=settings.bootstrap_resamples,
        seed=settings.seed,
    )


def _neighbours(
    recipe: Recipe,
    made: Classifier,
    baseline: Outcome | None,
    answers: _Answers,
    costs: Mapping[str, Cost],
    expected: Sequence[str],
) -> tuple[Neighbour, ...]:
    def line(
        name: str, kind: str, predicted: Sequence[str], cost: Cost | None, size_bytes: int | None, note: str = ""
    ) -> Neighbour:
        found = metrics.accuracy(expected, predicted)
        # An answer that cannot be read is a miss, not one more class.
        scores = [one.f1 for one in metrics.class_scores(expected, predicted) if one.label != UNREAD]
        return make_neighbour(name, kind, found, cost, size_bytes, macro_f1=fsum(scores) / len(scores), note=note)

    lines = [
        line(recipe.name, "package", answers.package.predicted, costs["package"], made.package.facts["size_bytes"])
    ]
    if made.answers is not None and answers.teacher and isinstance(recipe.teacher, EndpointSettings):
        # Its size is nobody's to know here, and calls over a network, several at once, are no latency on one thread.
        note = f"{recipe.teacher.model}, asked; median call {made.answers.facts['call_ms_p50']:.0f} ms"
        lines.append(line(ASKED, "teacher", answers.teacher, None, None, note))
    if made.teacher_package is not None and answers.teacher and isinstance(recipe.teacher, PackageSettings):
        size, note = made.teacher_package.facts["size_bytes"], "in our engine, 1 thread"
        lines.append(line(PACKAGED, "teacher", answers.teacher, costs[PACKAGED], size, note))
    if made.teacher is not None and made.teacher_package is not None and answers.teacher and answers.quantized:
        size, note = teacher_size(made, made.teacher)
        lines.append(line(TEACHER, "teacher", answers.teacher, costs[TEACHER], size, note))
        size = made.teacher_package.facts["size_bytes"]
        alone = "its network alone" if members_of(made) else ""
        lines.append(line(QUANTIZED, "teacher_quantized", answers.quantized, costs[QUANTIZED], size, alone))
    if baseline is not None and answers.linear is not None:
        size = baseline.facts["size_bytes"]
        lines.append(line(LINEAR_NAME, "linear", answers.linear, costs[LINEAR_NAME], size, "scikit-learn"))
    lines.append(line(MAJORITY, "majority", [answers.majority] * len(expected), None, None, answers.majority))
    return tuple(lines)


def _note_endpoint(recipe: Recipe, made: Classifier) -> list[str]:
    """What is particular about answers that were asked for over HTTP. None for other teachers."""
    if made.answers is None or not isinstance(recipe.teacher, EndpointSettings):
        return []
    facts, notes = made.answers.facts, []
    unread = facts["unread"]
    if any(unread.values()):
        notes.append(
            f"Texts to which the teacher's answer named no class: {unread['train']} of training (the rows' own labels "
            f"stand in), {unread['transfer']} without a label (left out), {unread['test']} of test (wrong answers of "
            "the teacher)."
        )
    named = sum(facts["answered"].values()) - facts["from_tokens"]
    if named:
        notes.append(
            f"{named} of the teacher's answers came without probabilities: the class that they name was given "
            f"{recipe.teacher.trust:g} (teacher.trust), the others the rest."
        )
    return notes


def _warn(quality: ClassifierQuality) -> tuple[str, ...]:
    """What takes the shine off the numbers, said where they stand."""
    notes = warn_of_simple(quality.comparisons, LINEAR_NAME)
    for found in quality.teacher_over:
        if found.against in quality.unbeaten:
            notes.append(
                f"What is kept of the teacher is not claimed: the teacher does not beat {found.against} beyond the 95% "
                f"interval of their difference ({100 * found.difference:+.1f} points, {100 * found.low:+.1f} to "
                f"{100 * found.high:+.1f})."
            )
    return tuple(notes)
