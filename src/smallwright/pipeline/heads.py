"""What a fresh model is to answer: the head of a task."""

from __future__ import annotations

from collections.abc import Sequence

from smallwright.model import CLASSIFIER, LANGUAGE_MODEL, preset_classifier
from smallwright.spec import HeadSpec


def make_heads(kind: str, labels: Sequence[str]) -> dict[str, HeadSpec]:
    """The one head of a model from scratch.

    Args:
        kind: ``classify`` (the presets' classifier) or ``generate`` (tied to the token table).
        labels: the classes, in order; ignored for generation.
    """
    if kind == "generate":
        return {LANGUAGE_MODEL: HeadSpec(kind="language_model", tied=True)}
    return {CLASSIFIER: preset_classifier(labels)}
