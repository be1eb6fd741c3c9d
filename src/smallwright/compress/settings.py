"""What a recipe may say about compression.

Enters: a step of the ``compress`` list of a recipe. Leaves: checked, frozen settings.
Not here: what the formats are (spec/formats.py) and the rounding itself (compress/quantize.py).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FormatName = Literal["q8_0", "q4_0", "f16", "f32"]


class QuantizeSettings(BaseModel):
    """How the weights of the shipped file are rounded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["quantize"] = Field(default="quantize", description="the step; rounding is the one there is")
    format: FormatName = Field(
        default="q8_0",
        description="Storage of every matrix: q8_0 (8.5 bits a weight), q4_0 (4.5), f16 or f32.",
    )
    embedding: FormatName | None = Field(
        default=None,
        description="Storage of the tables of tokens and token pairs; None: as `format`. A tied output shares it.",
    )
    scales: Literal["spans", "blocks"] = Field(
        default="spans",
        description="spans: the scales of every 128 inputs of a q8_0 or q4_0 row agree, so that the engine adds whole "
        "numbers; blocks: each 32 inputs have a scale of their own, as GGML rounds them.",
    )
    head: FormatName | None = Field(
        default=None,
        description="Storage of the output matrix; None: as `format`, but a classifier's is q8_0 where that is q4_0.",
    )
