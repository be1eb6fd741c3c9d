"""One way of storing a model, and the file that it gives.

Enters: a float32 model, calibration texts, a way. Leaves: a package. Not here: judging it.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from compressing.learning import Lessons
from smallwright.compress.quantize import count_bytes, plan_formats
from smallwright.compress.quantizing.matrix import QuantizeOptions
from smallwright.compress.quantizing.mixed import Sensitivity, choose_formats
from smallwright.compress.quantizing.model import quantize_model
from smallwright.compress.settings import QuantizeSettings
from smallwright.compress.sparsifying.matrix import SparsifyOptions
from smallwright.compress.sparsifying.model import list_sparsified, sparsify_model
from smallwright.model import Transformer
from smallwright.package.write import write_package
from smallwright.pipeline.coded import summarise
from smallwright.spec.formats import SCALE_SPAN
from smallwright.spec.package import ALIGNMENT

Texts = Sequence[np.ndarray]

LEARNING_RATE = 2e-4  # of training through codes and of healing; not tuned


@dataclass(frozen=True)
class Way:
    """A row of the table.

    ``span``: 0 gives every 32 inputs a scale of their own. ``drop``: magnitude, wanda or sparsegpt, before coding;
    ``sparsity``: the share of the layers' weights that it drops; ``heal_steps``: of training what is kept then.
    ``trained``: through codes; ``all`` weights, or ``biases_and_norms`` alone; ``train_steps``: how long.
    """

    name: str
    format: str
    using: str = "round"
    span: int = SCALE_SPAN
    order: str = "natural"
    correct_bias: bool = False
    drop: str | None = None
    sparsity: float = 0.0
    heal_steps: int = 0
    trained: str = "all"
    train_steps: int = 0

    @property
    def settings(self) -> QuantizeSettings:
        """Of training through codes, as a recipe would have them."""
        train = {"steps": self.train_steps, "learning_rate": LEARNING_RATE, "parameters": self.trained}
        return QuantizeSettings(format=self.format, using=self.using, train=train)

    @property
    def options(self) -> QuantizeOptions:
        """The same as the library wants it."""
        zeros = self.drop is not None
        return QuantizeOptions(self.using, self.span, self.order, correct_bias=self.correct_bias, keep_zeros=zeros)


@dataclass(frozen=True)
class Written:
    """A file and what making it took.

    ``cpu_seconds``: of dropping weights, of coding and of training. ``peak_growth_bytes``: of the process's peak memory
    meanwhile. ``training``: validation scores before and after, where it was trained.
    """

    path: Path
    size_bytes: int
    cpu_seconds: float
    peak_growth_bytes: int
    formats: Mapping[str, int]
    error: float | None
    rounding_error: float | None
    singular: int
    training: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Subject:
    """What is stored: a float32 model with its tokenizer and task; and what it learns with, where a way trains it."""

    model: Transformer
    tokenizer: Tokenizer
    task: Mapping[str, Any]
    texts: Texts
    lessons: Lessons | None = None

    def write(self, way: Way, path: Path, formats: Mapping[str, str] | None = None) -> Written:
        """Store the model in this way, unless an earlier call did; ``formats`` in place of the way's own."""
        planned = dict(formats or plan_formats(self.model.spec, way.format))
        kept = path.with_suffix(".json")
        asked = {"way": asdict(way), "formats": planned, "subject": self.digest}
        if path.is_file() and kept.is_file():
            told = json.loads(kept.read_text(encoding="utf-8"))
            if told["asked"] == asked:
                return Written(path=path, **told["written"])
        print(f"{way.name:24} is made", flush=True)
        written = self._make(way, path, planned)
        facts = {name: value for name, value in asdict(written).items() if name != "path"}
        aside = kept.with_suffix(".partial")
        aside.write_text(json.dumps({"asked": asked, "written": facts}), encoding="utf-8")
        os.replace(aside, kept)
        return written

    @cached_property
    def digest(self) -> str:
        """Of weights and calibration texts: a file of others is made again."""
        whole = hashlib.sha256(json.dumps([text.tolist() for text in self.texts]).encode())
        for name, tensor in self.model.state_dict().items():
            whole.update(name.encode() + tensor.numpy().tobytes())
        return whole.hexdigest()

    def _make(self, way: Way, path: Path, planned: Mapping[str, str]) -> Written:
        path.with_suffix(".json").unlink(missing_ok=True)  # facts of an older file never stand beside a newer one
        training, scratch = None, path.with_suffix("")
        model = copy.deepcopy(self.model).requires_grad_()  # an earlier way may have learned from it
        began, peak = _cpu_seconds(), _peak_bytes()
        if way.drop is not None:
            training = self._drop(way, model, scratch)
        found = quantize_model(model, planned, self.texts, way.options)
        if way.train_steps and self.lessons is not None:
            scratch.mkdir(exist_ok=True)
            found, training = self.lessons.train_codes(way.settings, self.model, found, scratch)
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
            training=training,
        )

    def _drop(self, way: Way, model: Transformer, scratch: Path) -> dict[str, Any] | None:
        shares = {tensor.name: way.sparsity for tensor in list_sparsified(model.spec)}
        with torch.no_grad():
            sparsify_model(model, shares, self.texts, SparsifyOptions(str(way.drop)))
        if not way.heal_steps or self.lessons is None:
            return None
        scratch.mkdir(exist_ok=True)
        wish = {"steps": way.heal_steps, "learning_rate": LEARNING_RATE}
        return self.lessons.heal(wish, self.model, model, tuple(shares), scratch)

    def mix(
        self, measured: Sequence[Sensitivity], most_bytes: int, plain: Written, plain_format: str
    ) -> tuple[dict[str, str], list[Any]]:
        """Formats for a file of at most ``most_bytes``, by measured sensitivity.

        Args:
            plain: a file of the same model, by which what is in it beside weights is known, and its format.
        """
        spec = self.model.spec
        beside = plain.size_bytes - count_bytes(spec, plan_formats(spec, plain_format))
        room = most_bytes - beside - ALIGNMENT * len(self.model.state_dict())
        formats = choose_formats(spec, measured, room)
        table = [[one.name, dict(one.nats), formats[one.name]] for one in measured]
        return formats, table


def file_name(name: str) -> str:
    """Of a way's file."""
    return f"{name.replace(',', '').replace('%', '').replace(' ', '-')}.gguf"


def list_sparse(heal_steps: int) -> list[Way]:
    """30, 50 and 70 % of the layers' weights dropped by each method, and the others coded by GPTQ; after SparseGPT also
    with healing."""
    ways = []
    for sparsity in (0.3, 0.5, 0.7):
        for drop, steps in (("magnitude", 0), ("wanda", 0), ("sparsegpt", 0), ("sparsegpt", heal_steps)):
            name = f"q4_sparse {drop} {sparsity:.0%}{', healed' if steps else ''}"
            ways.append(Way(name, "q4_sparse", "gptq", drop=drop, sparsity=sparsity, heal_steps=steps))
    return ways


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
