"""The student before it learns: from scratch by preset, or from the teacher by keeping chosen layers and channels.

Enters: settings, and the teacher where it is needed. Leaves: an untrained ``Transformer`` over the domain's tokens.
Not here: training (train/), choosing tokens (tokenizer/).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from smallwright.errors import RecipeError
from smallwright.spec import MOST_BIGRAMS, HeadSpec, ModelSpec

if TYPE_CHECKING:
    from smallwright.model import Transformer


class StudentSettings(BaseModel):
    """Where the student comes from, and its size."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: Literal["scratch", "teacher"] = Field(
        default="scratch",
        alias="from",
        description="scratch: a preset; teacher: the teacher's own weights, fewer and narrower layers",
    )
    preset: str = Field(default="nano", description="from scratch: a row of model/presets.py")
    bigrams: int | None = Field(
        default=None,
        ge=1,
        le=MOST_BIGRAMS,
        description="from scratch: rows of a table of token pairs, added to the tokens' own; None: no such table",
    )
    layers: int | tuple[int, ...] | None = Field(
        default=None, description="from teacher: how many layers, or which ones; None: every second one"
    )
    width: int | None = Field(
        default=None, ge=1, description="from teacher: channels to keep, those of the largest values; None: all"
    )
    feedforward: int | None = Field(
        default=None, ge=1, description="from teacher: neurons to keep in each layer's feed-forward; None: all"
    )
    correct_bias: bool = Field(
        default=False,
        description="from teacher: what the channels and neurons that go have added to each linear layer on average, "
        "on training texts, its bias adds from now on (teachers with biases)",
    )
    positions: int | None = Field(
        default=None,
        ge=8,
        description="from teacher, classify: the most tokens of one text; a table of learned positions keeps so many "
        "rows; None: as the teacher",
    )
    progressive: Annotated[int, Field(ge=1)] | Annotated[tuple[tuple[int, ...], ...], Field(min_length=1)] = Field(
        default=1,
        description="from teacher: in how many cuts layers and widths go, in even steps; the model behind each cut "
        "learns for an equal share of the steps before the next is cut from it; or the teacher's layers that each "
        "model between teacher and student keeps",
    )
    context: int = Field(default=128, ge=8, le=32768, description="from scratch: the most tokens of one text")

    @property
    def cuts(self) -> int:
        """In how many cuts the student is taken from its teacher."""
        return self.progressive if isinstance(self.progressive, int) else len(self.progressive) + 1

    @property
    def described(self) -> dict[str, Any]:
        """What names a stage: a key that came later counts where it is given, so that older students are found."""
        later = {
            "positions": self.positions is not None,
            "progressive": self.cuts > 1,
            "correct_bias": self.correct_bias,
        }
        return self.model_dump(mode="json", exclude={name for name, given in later.items() if not given})


def make_student(
    settings: StudentSettings,
    *,
    teacher: Transformer | None,
    kept: np.ndarray | None,
    vocabulary: int,
    heads: dict[str, HeadSpec],
    causal: bool,
    seed: int,
    sample: Sequence[np.ndarray] = (),
) -> Transformer:
    """Build the student that the training loop will teach.

    Args:
        settings: the recipe's ``student``.
        teacher: the fine-tuned teacher; needed when the student is made from it.
        kept: (vocabulary,) int64, the teacher's tokens that the trimmed tokenizer keeps, in order; None: all of them.
        vocabulary: tokens of the (trimmed or trained) tokenizer.
        heads: what the student is to answer.
        causal: whether a token sees only what stands before it (from scratch; a teacher decides for itself).
        seed: of the initial weights.
        sample: texts as the student's tokens, by which channels are chosen where it is narrower than its teacher.

    Returns:
        A model with ``vocabulary`` tokens and the given heads.

    Raises:
        RecipeError: the preset is unknown, or the layers are not the teacher's.
    """
    from smallwright.compress.depth import keep_layers
    from smallwright.compress.positions import keep_positions
    from smallwright.compress.vocabulary import trim_embedding
    from smallwright.compress.width import narrow
    from smallwright.model import Transformer, preset, seeded

    if settings.source == "scratch":
        spec = preset(
            settings.preset,
            vocabulary=vocabulary,
            causal=causal,
            heads=heads,
            context=settings.context,
            bigrams=settings.bigrams,
        )
        with seeded(seed):
            return Transformer(spec)
    if teacher is None:
        raise RecipeError(
            "student.from: teacher needs a teacher. Got none in the recipe. Add one, or use from: scratch."
        )
    student = keep_layers(teacher, layer_indices(settings.layers, len(teacher.spec.layers)))
    student = student if kept is None else trim_embedding(student, kept)
    narrower = narrow(student, sample, settings.width, settings.feedforward, correct_bias=settings.correct_bias)
    return keep_positions(narrower, settings.positions)


def shrink_spec(settings: StudentSettings, teacher: ModelSpec) -> ModelSpec:
    """What a student made from this teacher is, before its vocabulary is trimmed."""
    from smallwright.compress.positions import shorten_spec
    from smallwright.compress.width import check_biases, narrow_spec

    if settings.correct_bias:
        check_biases(teacher)
    kept = teacher.with_layers(layer_indices(settings.layers, len(teacher.layers)))
    return shorten_spec(narrow_spec(kept, settings.width, settings.feedforward), settings.positions)


def layer_indices(layers: int | Sequence[int] | None, total: int) -> tuple[int, ...]:
    """Which of a teacher's ``total`` layers ``student.layers`` asks for: rising indices from 0.

    Raises:
        RecipeError: none, more than there are, one that is not there, or not rising.
    """
    from smallwright.compress.depth import choose_layers

    if layers is None:
        return choose_layers(total, max(1, total // 2))
    if isinstance(layers, int):
        if not 1 <= layers <= total:
            raise RecipeError(f"student.layers must be from 1 to the teacher's {total}. Got {layers}. Use fewer.")
        return choose_layers(total, layers)
    if not layers or list(layers) != sorted(set(layers)) or not set(layers) <= set(range(total)):
        raise RecipeError(
            f"student.layers must be indices from 0 to {total - 1}, rising. Got {list(layers)}. Use such ones."
        )
    return tuple(layers)
