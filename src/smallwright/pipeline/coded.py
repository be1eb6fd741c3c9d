"""A student whose weights are coded: how, on how many threads, in how many bytes, and the folder it lies in.

Enters: a recipe's settings, coded weights. Leaves: options for the methods, files, facts.
Not here: the stage (compress.py), the choice among steps (choose_steps.py), the methods (compress/quantizing/).
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smallwright.compress.quantize import count_bytes, plan_formats
from smallwright.compress.settings import QuantizeSettings
from smallwright.package.write import PackageInfo
from smallwright.pipeline.stage import write_atomically
from smallwright.spec import ModelSpec
from smallwright.spec.formats import SCALE_SPAN
from smallwright.spec.package import ALIGNMENT
from smallwright.spec.tensors import list_tensors

if TYPE_CHECKING:
    from smallwright.compress.quantizing.matrix import QuantizeOptions
    from smallwright.compress.quantizing.model import Quantized
    from smallwright.model import Transformer

TENSORS, CARD = "quantized.safetensors", "quantized.json"
KEYS_BYTES = 1024  # that calibration and provenance may add to a package after its bytes were planned

Texts = Sequence[NDArray[np.integer]]


@contextlib.contextmanager
def coding_threads(count: int) -> Iterator[None]:
    """The threads of torch and of NumPy's linear algebra inside: sums in another order have other bits."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def read_options(settings: QuantizeSettings, *, keep_zeros: bool) -> QuantizeOptions:
    """A recipe's step as the methods take it; ``keep_zeros``: weights were dropped."""
    from smallwright.compress.quantizing.matrix import QuantizeOptions

    return QuantizeOptions(
        using=settings.using,
        span=SCALE_SPAN if settings.scales == "spans" else 0,
        order=settings.order,
        damping=settings.damping,
        correct_bias=settings.correct_bias,
        keep_zeros=keep_zeros,
    )


def count_beside(
    settings: QuantizeSettings, spec: ModelSpec, folder: Path, write_rounded: Callable[[Path], PackageInfo]
) -> int:
    """Bytes of a package that hold no weights of ``spec``: vocabulary, keys, and biases that coding adds.

    Args:
        folder: where a draft is written, with ``settings.alone()``.
    """
    from smallwright.compress.quantizing.bias import with_biases

    draft = folder / "draft.gguf"
    planned = plan_formats(spec, settings.uniform, embedding=settings.embedding, head=settings.head)
    beside = write_rounded(draft).size_bytes - count_bytes(spec, planned)
    draft.unlink()
    if settings.correct_bias:  # they are in none of the matrices
        more = count_bytes(with_biases(spec), plan_formats(with_biases(spec), "q8_0"))
        beside += more - count_bytes(spec, plan_formats(spec, "q8_0"))
    return beside


def count_room(size: int, spec: ModelSpec, beside: int) -> int:
    """Bytes for the weights in a package of ``size``, of which ``beside`` hold none (``count_beside``)."""
    return size - beside - ALIGNMENT * len(list_tensors(spec)) - KEYS_BYTES


def mix_formats(
    settings: QuantizeSettings, student: Transformer, texts: Texts, options: QuantizeOptions, room: int
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """A format for every tensor within ``room`` bytes, and what each matrix costs in each, as the card keeps it.

    Raises:
        RecipeError: even the coarsest formats need more.
    """
    from smallwright.compress.quantizing.mixed import choose_formats, fixed_formats, measure_sensitivity

    fixed = fixed_formats(student.spec, settings.embedding, settings.head)
    measured = measure_sensitivity(student, texts, options, fixed=tuple(fixed))
    formats = choose_formats(student.spec, measured, room, fixed)
    return formats, [{**asdict(one), "format": formats[one.name]} for one in measured]


def summarise(found: Quantized) -> dict[str, Any]:
    """What coding came to, for the card and the report.

    ``error``, ``rounding_error``: means over matrices of the outputs' squared error by their squared size.
    ``singular``: matrices whose inputs did not span all directions; ``most_damping``: share of the mean diagonal.
    """
    facts = list(found.facts.values())
    solved = [one for one in facts if "damping" in one]
    summary: dict[str, Any] = {
        "formats": dict(Counter(one["format"] for one in facts)),
        "matrices": found.facts,
        "error": _mean([one["error"] for one in facts if "error" in one]),
    }
    if solved:
        summary |= {
            "rounding_error": _mean([one["rounding_error"] for one in solved]),
            "singular": sum(one["rank"] < one["inputs"] for one in solved),
            "solved": len(solved),
            "most_damping": max(one["damping"] for one in solved),
        }
    return summary


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def save_coded(found: Quantized, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write a coded student and what is known of it; ``open_coded`` reads it."""
    from safetensors.numpy import save_file

    named = {f"tensors/{name}": np.ascontiguousarray(tensor) for name, tensor in found.whole.items()}
    save_file(named | {f"rows/{name}": rows for name, rows in found.rows.items()}, folder / TENSORS)
    card = {"spec": found.spec.to_json(), "formats": found.formats, "facts": dict(facts)}
    write_atomically(folder / CARD, json.dumps(card, sort_keys=True))


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts that ``save_coded`` was given."""
    card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    return dict(card["facts"])


def open_coded(folder: Path) -> Quantized:
    """What ``save_coded`` wrote."""
    from safetensors.numpy import load_file

    from smallwright.compress.quantizing.model import Quantized

    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    held = load_file(folder / TENSORS)
    rows = {name.removeprefix("rows/"): held[name] for name in held if name.startswith("rows/")}
    whole = {name.removeprefix("tensors/"): held[name] for name in held if name.startswith("tensors/")}
    return Quantized(ModelSpec.from_json(card["spec"]), rows, whole, card["formats"], card["facts"]["matrices"])
