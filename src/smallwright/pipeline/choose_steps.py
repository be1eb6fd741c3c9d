"""The choice among ways of coding a student in a number of bytes, where the recipe says no more than that.

Enters: a recipe with ``compress: {to: 4MB}``, a trained student, calibration texts. Leaves: the student as it will be
stored, coded in the way whose answers are nearest to float32's; and what every other way would have cost.
Not here: the methods (compress/quantizing/, compress/sparsifying/), the stage around this (compress.py).

What does not train is tried from the cheapest on. Every way is judged on texts that calibrated nothing, and weighed as
the package that it gives. Training comes last, of the best one, and is kept only if it helps.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smallwright.compress.quantize import count_bytes, plan_formats
from smallwright.compress.settings import QuantizeSettings
from smallwright.errors import ModelSpecError, RecipeError
from smallwright.package.write import PackageInfo
from smallwright.pipeline.coded import (
    KEYS_BYTES,
    Texts,
    coding_threads,
    count_beside,
    count_room,
    mix_formats,
    open_coded,
    read_facts,
    read_options,
    save_coded,
    summarise,
)
from smallwright.pipeline.stage import write_atomically
from smallwright.pipeline.train_codes import OpenTask, describe_training, train_codes
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.spec import ModelSpec
from smallwright.spec.formats import has_zero
from smallwright.spec.package import ALIGNMENT
from smallwright.spec.tensors import list_tensors

if TYPE_CHECKING:
    from smallwright.compress.quantizing.model import Quantized

MOST_DROPPED = 0.9  # share of the layers' weights; beyond it a smaller student is the better model
SPARSE, TRAINED = "q4_sparse", "trained"
_RESULT, _TRIED = "result.json", "tried"
_PLANES_BYTES = 256  # that mask and codes of a sparse matrix take beside their bits: names, shapes, alignment


@dataclass(frozen=True)
class Candidate:
    """A way of coding: a format (or mixed ones), by rounding or GPTQ, after SparseGPT dropped a share of the weights
    (0: none are dropped here)."""

    format: str
    using: str
    share: float = 0.0

    @property
    def name(self) -> str:
        """For people, and for the folder."""
        dropped = f" after {self.share:.1%} were dropped" if self.share else ""
        return f"{self.format} by {self.using}{dropped}"


@dataclass(frozen=True)
class Workplace:
    """What a choice works with.

    ``student``: its folder. ``draw_texts``: calibration texts as tokens, for settings and a description of the model.
    ``write``: writes the package to a path, rounded or with ``quantized``. ``open_task``: what the student learns with.
    """

    recipe: Recipe
    shop: Workshop
    student: Path
    draw_texts: Callable[[QuantizeSettings, ModelSpec], Texts]
    write: Callable[..., PackageInfo]
    open_task: OpenTask


def list_candidates(
    spec: ModelSpec, settings: QuantizeSettings, room: int, *, sparse: bool
) -> tuple[list[Candidate], dict[str, str]]:
    """The ways that may fit, the cheapest first; and why others are not tried.

    Args:
        room: bytes for the weights.
        sparse: the student's weights were dropped by a step before.
    """
    from smallwright.compress.quantizing.mixed import FORMATS_TRIED

    def fits(format: str, head: str | None = None) -> bool:
        return count_bytes(spec, _plan(spec, settings, format, head)) <= room

    usable = [name for name in reversed(FORMATS_TRIED) if has_zero(name) or not sparse]
    uniform = next((name for name in usable if fits(name)), None)
    formats = [] if uniform is None else [uniform]
    left_out = {} if uniform else {"one format for all": f"{usable[-1]}, the coarsest, needs more bytes"}
    if uniform == FORMATS_TRIED[-1]:
        left_out["mixed formats"] = f"{uniform}, the finest of them, fits everywhere"
    elif not fits(usable[-1], head=usable[-1]):
        left_out["mixed formats"] = f"{usable[-1]} everywhere needs more bytes"
    else:
        formats.append("mixed")
    found = [Candidate(format, using) for using in ("round", "gptq") for format in formats]
    if fits("q4_0"):
        left_out[SPARSE] = "q4_0 fits without dropping weights"
        return found, left_out
    share = 0.0 if sparse else _least_share(spec, _plan(spec, settings, SPARSE), room)
    if share > MOST_DROPPED:
        left_out[SPARSE] = f"more than {MOST_DROPPED:.0%} of the layers' weights would have to be dropped"
        return found, left_out
    return [*found, *(Candidate(SPARSE, using, share) for using in ("round", "gptq"))], left_out


def least_bytes(spec: ModelSpec, settings: QuantizeSettings, dropped: float | None) -> int:
    """Bytes of the weights after SparseGPT dropped as many as a choice may drop; ``dropped``: the share that the recipe
    drops itself, to which nothing is added."""
    return count_bytes(spec, _plan(spec, settings, SPARSE), MOST_DROPPED if dropped is None else dropped)


def _plan(spec: ModelSpec, settings: QuantizeSettings, format: str, head: str | None = None) -> dict[str, str]:
    return plan_formats(spec, format, embedding=settings.embedding, head=settings.head or head)


def _least_share(spec: ModelSpec, formats: Mapping[str, str], room: int) -> float:
    """The share to drop, in whole thousandths, so that the weights fit; above 1: they never do."""
    matrices = [tensor for tensor in list_tensors(spec) if formats[tensor.name] == SPARSE]
    beside = sum(_PLANES_BYTES + 2 * ALIGNMENT + tensor.shape[0] for tensor in matrices)  # a row's codes: whole bytes
    most, least = count_bytes(spec, formats), count_bytes(spec, formats, 1.0)
    return max(0, math.ceil(1000 * (most + beside - room) / (most - least))) / 1000


def choose_steps(place: Workplace, folder: Path) -> dict[str, Any]:
    """Try the candidates, and leave the best one in a folder as ``save_coded`` writes it.

    A run that goes on finds what is measured already. The minutes count what measuring took, in all runs.

    Returns:
        Facts: of the chosen one as of any coding; ``chosen``, ``tried`` (names, bytes, nats, what was saved; the
        nearest answers first) and ``left_out`` (why, by name).
    Raises:
        RecipeError: none fits.
    """
    settings = place.recipe.quantize
    trial = _Trial(place, folder)
    candidates, left_out = list_candidates(trial.spec, settings, trial.room, sparse=trial.sparse)
    tried: dict[str, dict[str, Any]] = {}
    late = f"the {settings.minutes:g} minutes were over" if settings.minutes is not None else ""
    for candidate in candidates:
        if tried and trial.is_over():
            left_out[candidate.name] = late
            continue
        result = trial.measure(candidate)
        if "why" in result:
            left_out[candidate.name] = result["why"]
        else:
            tried[candidate.name] = result
    if not tried:
        raise RecipeError(
            f"compress.to must hold all weights in some way. Got {settings.size:,} bytes, where "
            + "; ".join(f"{name}: {why}" for name, why in left_out.items())
            + ". Give more, or use a smaller student."
        )
    chosen = min(tried, key=lambda name: (tried[name]["nats"], tried[name]["bytes"]))
    if settings.train is not None and trial.is_over():
        left_out["training"] = late
    elif settings.train is not None:
        result = trial.train(next(one for one in candidates if one.name == chosen))
        if "why" in result or result["nats"] >= tried[chosen]["nats"]:
            left_out["training"] = result.get("why") or f"it gave {result['nats']:.2g} nats, which is no less"
        else:
            chosen = f"{chosen}, {TRAINED}"
            tried[chosen] = result
    ordered = sorted(
        ({"name": name, **one} for name, one in tried.items()), key=lambda one: (one["nats"], one["bytes"])
    )
    return trial.keep(chosen, {"chosen": chosen, "tried": ordered, "left_out": left_out})


class _Trial:
    def __init__(self, place: Workplace, folder: Path) -> None:
        from smallwright.compress.quantizing.answers import Judge
        from smallwright.model import load_model

        self.place, self.folder, self.settings = place, folder, place.recipe.quantize
        self.sparse = place.recipe.sparsify is not None
        self.options = read_options(self.settings, keep_zeros=self.sparse)
        self.seconds = 0.0
        student = load_model(place.student)
        self.spec = student.spec
        self.texts, judged = draw_apart(place.draw_texts, self.settings, self.spec)
        self.held_out = judged is not self.texts
        with coding_threads(place.shop.cores):
            self.judge = Judge(student, judged)
        beside = count_beside(self.settings, self.spec, folder, place.write)
        self.room = count_room(self.settings.size or 0, self.spec, beside)
        self.whole = beside + count_bytes(self.spec, plan_formats(self.spec, "f32"))

    def is_over(self) -> bool:
        return self.settings.minutes is not None and self.seconds >= 60 * self.settings.minutes

    def measure(self, candidate: Candidate) -> dict[str, Any]:
        return self._once(candidate.name, lambda place: self._code(candidate, place))

    def train(self, best: Candidate) -> dict[str, Any]:
        """The same kind of result for the best one after training, which validation must not find worse."""
        return self._once(TRAINED, lambda place: self._train(best, place))

    def keep(self, chosen: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Leave that one alone in the folder."""
        place = self.folder / _TRIED / (TRAINED if chosen.endswith(TRAINED) else chosen)
        counted: dict[str, Any] = {"texts": len(self.texts), "tokens": int(sum(len(text) for text in self.texts))}
        counted |= {"judged_texts": len(self.judge.texts), "held_out": self.held_out}
        save_coded(open_coded(place), self.folder, read_facts(place) | counted | facts)
        shutil.rmtree(self.folder / _TRIED)
        return read_facts(self.folder)

    def _once(self, name: str, make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        place = self.folder / _TRIED / name
        if not (place / _RESULT).is_file():
            place.mkdir(parents=True, exist_ok=True)
            began = time.monotonic()
            found = make(place)
            found["seconds"] = round(time.monotonic() - began, 3)
            write_atomically(place / _RESULT, json.dumps(found))
        result: dict[str, Any] = json.loads((place / _RESULT).read_text(encoding="utf-8"))
        self.seconds += result["seconds"]
        self.place.shop.say(f"compress     {name}: {result.get('why') or _describe(result)}")
        return result

    def _code(self, candidate: Candidate, place: Path) -> dict[str, Any]:
        from smallwright.compress.quantizing.model import quantize_model
        from smallwright.compress.sparsifying.matrix import SparsifyOptions
        from smallwright.compress.sparsifying.model import list_sparsified, sparsify_model
        from smallwright.model import load_model

        student, facts = load_model(self.place.student), {}
        options = replace(self.options, using=candidate.using, keep_zeros=self.sparse or candidate.share > 0)
        try:
            with coding_threads(self.place.shop.cores):
                if candidate.share:
                    shares = {tensor.name: candidate.share for tensor in list_sparsified(self.spec)}
                    sparsify_model(student, shares, self.texts, SparsifyOptions("sparsegpt"))
                if candidate.format == "mixed":
                    formats, facts["sensitivity"] = mix_formats(self.settings, student, self.texts, options, self.room)
                else:
                    formats = _plan(self.spec, self.settings, candidate.format)
                found = quantize_model(student, formats, self.texts, options)
        except (RecipeError, ModelSpecError) as error:  # of this model in this way; others may do
            return {"why": str(error)}
        return self._judge(found, place, facts | summarise(found))

    def _train(self, best: Candidate, place: Path) -> dict[str, Any]:
        from smallwright.model import load_model

        untrained = self.folder / _TRIED / best.name
        # Dropped weights are in the student still: what is sparse begins where its codes are.
        settings = self.settings.model_copy(update={"using": "gptq" if best.share else best.using})
        dense, training = load_model(self.place.student), self.folder / "training"
        recipe, shop = self.place.recipe, self.place.shop
        coded = open_coded(untrained)
        found, told = train_codes(recipe, shop, settings, dense, coded, self.place.open_task, training)
        after, before = (told[when].get("score") for when in ("scores", "scores_before"))  # none without such rows
        if after is not None and before is not None and after < before:
            return {"why": f"validation found it worse: {before:.4g} before, {after:.4g} after"}
        return self._judge(found, place, read_facts(untrained) | {"train": told})

    def _judge(self, found: Quantized, place: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
        draft = place / "draft.gguf"
        size = self.place.write(draft, quantized=found).size_bytes + KEYS_BYTES
        draft.unlink()
        if size > (self.settings.size or 0):
            return {"why": f"its package may take {size:,} bytes"}
        with coding_threads(self.place.shop.cores):
            nats = self.judge.divergence(found.as_model())
        if not math.isfinite(nats):
            return {"why": "its answers are no numbers"}
        save_coded(found, place, facts)
        size -= KEYS_BYTES
        saved = self.whole - size
        return {"bytes": size, "nats": nats, "saved": saved, "nats_per_mb_saved": 1e6 * nats / saved}


def draw_apart(
    draw_texts: Callable[[QuantizeSettings, ModelSpec], Texts], settings: QuantizeSettings, spec: ModelSpec
) -> tuple[Texts, Texts]:
    """Texts that calibrate, and as many others that judge, in an order drawn by seed; of a single one both."""
    asked = settings.calibration
    twice = asked.model_copy(update={"texts": 2 * asked.texts})
    drawn = draw_texts(settings.model_copy(update={"calibration": twice}), spec)
    order = np.random.default_rng(asked.seed).permutation(len(drawn)).tolist()
    half = -(-len(drawn) // 2)
    calibrating = [drawn[row] for row in sorted(order[:half])]
    return calibrating, [drawn[row] for row in order[half:]] or calibrating


def describe_choice(settings: QuantizeSettings, facts: Mapping[str, Any]) -> str:
    """The report's line: what was chosen and why, every other one with its numbers, and what was not tried."""
    formats = ", ".join(f"{count} {name}" for name, count in sorted(facts["formats"].items()))
    tried = "; ".join(f"{one['name']} ({_describe(one)})" for one in facts["tried"])
    others = f" beside the {facts['texts']} that calibrate" if facts["held_out"] else ""
    parts = [
        f"{facts['chosen']} ({formats}) chosen for {settings.size:,} bytes: of {len(facts['tried'])} measured its "
        f"answers to {facts['judged_texts']} training texts{others} are the nearest to float32's",
        f"measured: {tried}",
    ]
    if facts["left_out"]:
        parts.append("left out: " + "; ".join(f"{name} ({why})" for name, why in facts["left_out"].items()))
    if settings.correct_bias:
        parts.append("biases corrected")
    if settings.train is not None and "train" in facts:
        parts.append(describe_training(settings.train, facts["train"]))
    return "; ".join(parts)


def _describe(one: Mapping[str, Any]) -> str:
    return f"{one['nats']:.2g} nats, {one['saved']:,} bytes saved, {one['nats_per_mb_saved']:.2g} nats a MB saved"
