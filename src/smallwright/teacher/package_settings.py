"""What a recipe may say about a teacher that is a package: one file, opened by our engine.

Enters: the ``teacher`` part of a recipe with ``from: package``. Leaves: checked, frozen settings.
Not here: asking it (text.py, pipeline/teach_package.py).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from smallwright.teacher.offer import Offer


class PackageSettings(BaseModel):
    """A package whose text or whose class probabilities are learned, as they come from the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    offer: ClassVar[Offer] = Offer(text=True, class_probabilities=True)
    # What only a network in a folder has.
    path: ClassVar[None] = None
    load: ClassVar[str] = "float32"
    bigrams: ClassVar[None] = None
    finetune: ClassVar[None] = None
    ensemble: ClassVar[None] = None

    source: Literal["package"] = Field(alias="from", description="package: a file that our engine opens")
    file: str = Field(
        min_length=1,
        description="the package, relative to the recipe's folder; its task is the recipe's, and so are its labels",
    )
