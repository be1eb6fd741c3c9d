"""One way of storing a model, and the file that it gives.

Enters: a float32 model, calibration texts, a way. Leaves: a package. Not here: judging it.
"""

from __future__ import annotations

import copy
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from smallwright.compress.quantize import count_bytes, plan_formats
from smallwright.compress.quantizing.matrix import QuantizeOptions
from smallwright.compress.quantizing.mixed import Sensitivity, choose_formats, measure_sensitivity
from smallwright.compress.quantizing.model import quantize_model
from smallwright.model import Transformer
from smallwright.package.write import write_package
from smallwright.pipeline.compress import summarise
from smallwright.spec.formats import SCALE_SPAN
from smallwright.spec.package import ALIGNMENT

Texts = Sequence[np.ndarray]


@dataclass(frozen=True)
class Way:
    """A row of the table. ``span``: 0 gives every 32 inputs a scale of their own."""

    name: str
    format: str
    using: str = "round"
    span: int = SCALE_SPAN
    order: str = "natural"
    correct_bias: bool = False

    @property
    def options(self) -> QuantizeOptions:
        """The same as the library wants it."""
        return QuantizeOptions(self.using, self.span, self.order, correct_bias=self.correct_bias)


@dataclass(frozen=True)
class Written:
    """A file and what making it took: processor seconds, and how much the process's peak memory grew meanwhile."""

    path: Path
    size_bytes: int
    cpu_seconds: float
    peak_growth_bytes: int
    formats: Mapping[str, int]
    error: float | None
    rounding_error: float | None
    singular: int


@dataclass(frozen=True)
class Subject:
    """What is stored: a float32 model with its tokenizer and task."""

    model: Transformer
    tokenizer: Tokenizer
    task: Mapping[str, Any]
    texts: Texts

    def write(self, way: Way, path: Path, formats: Mapping[str, str] | None = None) -> Written:
        """Store the model in this way; ``formats`` in place of the way's own."""
        model = copy.deepcopy(self.model)
        planned = dict(formats or plan_formats(model.spec, way.format))
        began, peak = _cpu_seconds(), _peak_bytes()
        found = quantize_model(model, planned, self.texts, way.options)
        spent, grown = _cpu_seconds() - began, _peak_bytes() - peak
        info = write_package(
            path,
            spec=found.spec,
            tensors=found.tensors,
            formats=found.formats,
            rows=found.rows,
            tokenizer=self.tokenizer,
            task=self.task,
            name=way.name,
            scale_span=way.span,
        )
        told = summarise(found)
        return Written(
            path=path,
            size_bytes=info.size_bytes,
            cpu_seconds=spent,
            peak_growth_bytes=grown,
            formats=told["formats"],
            error=told["error"],
            rounding_error=told.get("rounding_error"),
            singular=told.get("singular", 0),
        )

    def mix(self, way: Way, most_bytes: int, plain: Written, plain_format: str) -> tuple[dict[str, str], list[Any]]:
        """Formats for a file of at most ``most_bytes``, by measured sensitivity.

        Args:
            plain: a file of the same model, by which what is in it beside weights is known, and its format.
        """
        spec = self.model.spec
        beside = plain.size_bytes - count_bytes(spec, plan_formats(spec, plain_format))
        measured: list[Sensitivity] = measure_sensitivity(self.model, self.texts, way.options)
        room = most_bytes - beside - ALIGNMENT * len(self.model.state_dict())
        formats = choose_formats(spec, measured, room)
        table = [[one.name, dict(one.nats), formats[one.name]] for one in measured]
        return formats, table


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
