"""What a recipe may say about compression.

Enters: a step of the ``compress`` list of a recipe. Leaves: checked, frozen settings.
Not here: what the formats are (spec/formats.py) and the coding itself (compress/quantize.py, compress/quantizing/).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from smallwright.evaluate.settings import SizeBytes

FormatName = Literal["q8_0", "q5_0", "q4_0", "q3_span", "q2_span", "f16", "f32"]
LayerFormatName = Literal["q8_0", "q5_0", "q4_0", "q3_span", "q2_span", "f16", "f32", "q4_sparse", "mixed", "chosen"]
_SIZED = ("mixed", "chosen")  # what a size decides
_WHOLE = ("f16", "f32")  # formats without codes


class CalibrationSettings(BaseModel):
    """The texts that say what each layer sees. They are drawn from the training rows, never from others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    texts: int = Field(
        default=128, ge=1, le=100_000, description="Training rows (of a language model: blocks of its context)."
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="Of the draw.")


class TrainCodesSettings(BaseModel):
    """Training that knows the codes. Batches, precision and the rest are those of ``distill``; nothing decays."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    steps: int = Field(ge=1, le=10_000_000, description="optimizer steps")
    learning_rate: float = Field(default=2e-4, gt=0, le=1, description="highest learning rate")
    parameters: Literal["all", "biases", "biases_and_norms"] = Field(
        default="all",
        description="all: weights learn through their codes (quantisation-aware training), and with them the rest; "
        "biases: codes stay as they are chosen, only biases learn; biases_and_norms: the norms' gains too",
    )
    step: Literal["learned", "fixed"] = Field(
        default="learned", description="parameters: all: whether the scales learn too, or stay as they were chosen"
    )
    source: Literal["unquantized", "teacher"] = Field(
        default="unquantized",
        alias="from",
        description="whose answers it learns: those of the student before it was coded, or the kept answers of the "
        "recipe's teacher",
    )


class QuantizeSettings(BaseModel):
    """How the weights of the shipped file are stored. ``{to: 4MB}``: as answers the most alike in that size."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["quantize"] = Field(default="quantize", description="the step")
    format: LayerFormatName = Field(
        default="q8_0",
        description="Storage of every matrix: q8_0 (8.5 bits a weight), q5_0 (5.5; 8.5 in memory), q4_0 (4.5), "
        "q3_span (3.125), q2_span (2.125), f16 or f32; q4_sparse, after a sparsify step: 1.1 bits a weight and 4 for "
        "each that is kept; mixed: one of the first five for each, by what it costs the answers to calibration "
        "texts, in `size`; or chosen, which `to: 4MB` stands for: formats and method by the same measure, in `size`.",
    )
    size: SizeBytes = Field(default=None, description="mixed, chosen: the largest package, for example 4MB.")
    minutes: float | None = Field(
        default=None, gt=0, description="chosen: after which no other choice is begun; None: all are tried."
    )
    using: Literal["round", "gptq", "awq"] = Field(
        default="round",
        description="round: each weight to its nearest code; gptq: codes that keep the layers' outputs on calibration "
        "texts; awq: rounding after large inputs were made smaller (models whose norms stand before the layers).",
    )
    calibration: CalibrationSettings = CalibrationSettings()
    order: Literal["natural", "activation"] = Field(
        default="natural", description="gptq: inputs in their order, or those of the largest second moment first."
    )
    damping: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="gptq: share of the Hessian's mean diagonal that is added to its diagonal.",
    )
    correct_bias: bool = Field(
        default=False,
        description="Keep each layer's mean output by its bias; biases are added where the model has none.",
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
        description="Storage of the output matrix; None: as `format`, but a classifier's is q8_0 where that has "
        "4 bits or fewer.",
    )
    train: TrainCodesSettings | None = Field(default=None, description="Training that knows the codes; None: none.")

    @property
    def calibrated(self) -> bool:
        """Whether calibration texts are needed."""
        return self.using != "round" or self.correct_bias or self.format in _SIZED

    @property
    def chosen_beforehand(self) -> bool:
        """Whether rows are coded before the package is written: the writer rounds, and only dense formats."""
        return self.calibrated or self.train is not None or self.format == "q4_sparse"

    @property
    def uniform(self) -> FormatName | Literal["q4_sparse"]:
        """The format of a matrix of which nothing else is said; the finest where a size decides."""
        return "q8_0" if self.format == "mixed" or self.format == "chosen" else self.format

    def alone(self) -> QuantizeSettings:
        """Rounding without texts, for other models than the one that ships: mixed formats become q8_0, sparse ones
        q4_0."""
        format = "q4_0" if self.uniform == "q4_sparse" else self.uniform
        plain = QuantizeSettings(format=format, embedding=self.embedding, head=self.head, scales=self.scales)
        return plain if self.chosen_beforehand else self

    @model_validator(mode="before")
    @classmethod
    def _read_to(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "to" not in given:
            return given
        rest = {key: value for key, value in given.items() if key != "to"}
        if {"format", "size", "using"} & set(rest):
            raise ValueError(
                "compress.to chooses formats and method itself. Leave out format, size and using, or leave out to"
            )
        return {**rest, "format": "chosen", "size": given["to"]}

    @model_validator(mode="after")
    def _parts_agree(self) -> QuantizeSettings:
        if (self.format in _SIZED) != (self.size is not None):
            raise ValueError(
                "compress.size and format: mixed need each other. Give both, or use budget.size for a limit"
            )
        if self.format == "chosen" and self.using != "round":
            raise ValueError("format: chosen chooses the method itself. Leave out using, or use format: mixed")
        if self.minutes is not None and self.format != "chosen":
            raise ValueError("compress.minutes limits a choice. Use it with to, or leave it out")
        if self.train is not None and self.format in _WHOLE:
            raise ValueError(f"compress.train is for weights with codes, which {self.format} has none of. Leave it out")
        if self.using != "round" and self.format in _WHOLE:
            raise ValueError(f"using: {self.using} chooses codes, which {self.format} has none of. Use using: round")
        for key in ("order", "damping") if self.using != "gptq" else ():
            if (wish := getattr(self, key)) != type(self).model_fields[key].default:
                raise ValueError(
                    f"compress.{key} is of using: gptq. Got {key}: {wish} with using: {self.using}. Leave it out, "
                    "or use gptq"
                )
        return self
