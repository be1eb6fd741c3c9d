"""What a recipe may say about the tokenizer.

Enters: the ``tokenizer`` part of a recipe. Leaves: checked, frozen settings.
Not here: training, loading and trimming, which take plain arguments.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TokenizerSettings(BaseModel):
    """Where the tokenizer comes from, and how much of its vocabulary the domain keeps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["train", "teacher"] = Field(
        default="train",
        description="train: learned from the training text; teacher: the teacher's own tokenizer.",
    )
    model: Literal["bpe", "wordpiece"] = Field(
        default="bpe",
        description="train: bpe: byte-level, case kept, decodes to the very text; wordpiece: uncased, for classifying.",
    )
    vocabulary: int = Field(
        default=4096,
        ge=257,
        le=262144,
        description="train: the most tokens to learn, bytes and special tokens included.",
    )
    trim: bool = Field(
        default=True,
        description="teacher: keep only the tokens of the training text and what keeps every input encodable.",
    )
    keep_first: int = Field(
        default=0,
        ge=0,
        description="teacher, trimmed: also keep this many first tokens (in BERT vocabularies the frequent ones).",
    )
    min_count: int = Field(
        default=1, ge=1, description="teacher, trimmed: a token must occur this often in the training text to be kept."
    )
