"""Stages that both kinds of task share: data, tokenizer, and the writing of a package.

Enters: a recipe and the workshop. Leaves: outcomes, and packages.
Not here: the order of stages (classify.py, generate.py).
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

import smallwright
from smallwright.compress.quantize import plan_formats
from smallwright.compress.settings import QuantizeSettings
from smallwright.data import DataReport, hash_inputs, input_files, prepare, read_rows
from smallwright.errors import CheckpointError
from smallwright.package.write import PackageInfo, count_keys, write_package
from smallwright.pipeline.stage import Outcome, hash_file, write_atomically
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run.schema import AnswerForm
from smallwright.spec import ModelSpec
from smallwright.spec.formats import SCALE_SPAN
from smallwright.spec.package import FORMAT_VERSION
from smallwright.spec.prompt import PromptForm
from smallwright.tokenizer.load import load_roles, load_tokenizer
from smallwright.tokenizer.prompt import write_prompt
from smallwright.tokenizer.train import train_tokenizer
from smallwright.tokenizer.trim import trim

if TYPE_CHECKING:
    from smallwright.compress.quantizing.model import Quantized
    from smallwright.model import Transformer

TEACHER_FOLDER, STUDENT_FOLDER, PACKAGE_FILE = "teacher", "student", "model.gguf"
TOKENIZER_FILE = "tokenizer.json"
KEPT_FILE, ROLES_FILE = "kept.npy", "roles.json"


def data_stage(recipe: Recipe, shop: Workshop) -> Outcome:
    """Read, check and split the user's rows."""
    # What is hashed is what the files contain, not where they lie.
    settings = recipe.data.model_dump(mode="json", exclude={"augment"})  # which is a stage of its own
    for source in settings.values():
        if isinstance(source, dict):
            source.pop("path", None)

    schema = recipe.read_schema()

    def run(folder: Path) -> Mapping[str, Any]:
        report = prepare_rows(recipe, folder)
        return {"rows": report.rows, "rejects": report.rejects}

    files = {"files": hash_inputs(input_files(recipe.data, recipe.root))}
    asked = {"data": settings, "kind": recipe.task.kind, **({} if schema is None else {"schema": schema})}
    return shop.run("data", run, settings=asked, inputs=files, version=2 if recipe.answers_prompts else 1)


def prepare_rows(recipe: Recipe, folder: Path) -> DataReport:
    """The recipe's rows, read, checked and split into a folder; answers in the form of the task's schema."""
    schema = recipe.read_schema()
    form = None if schema is None else AnswerForm(schema).write
    return prepare(recipe.data, kind=recipe.task.kind, root=recipe.root, out=folder, form=form)


def read_training_texts(recipe: Recipe, folder: Path) -> list[str]:
    """What a tokenizer learns from: the texts to learn from, labelled or not; or prompts, as the model reads them, and
    completions.
    """
    rows = read_rows(folder / "train.jsonl")
    if not recipe.answers_prompts:
        unlabelled = folder / "unlabelled.jsonl"
        return [row.text for row in (*rows, *(read_rows(unlabelled) if unlabelled.is_file() else ()))]
    form = recipe.task.prompt.form
    return [part for row in rows for part in (write_prompt(str(row.prompt), form), str(row.completion))]


def tokenizer_stage(recipe: Recipe, shop: Workshop, data: Outcome, name: str = "tokenizer") -> Outcome:
    """Train a tokenizer on the training text, or trim the teacher's to it; ``name`` is the stage's."""
    settings = recipe.tokenizer
    theirs = recipe.root / recipe.teacher.path if recipe.teacher is not None and recipe.teacher.path else None

    def run(folder: Path) -> Mapping[str, Any]:
        texts = read_training_texts(recipe, data.folder)
        kept = None
        if settings.kind == "train" or theirs is None:
            tokenizer = train_tokenizer(texts, settings)
        else:
            tokenizer = load_tokenizer(theirs)
            if settings.trim:
                tokenizer, kept = trim(tokenizer, texts, keep_first=settings.keep_first, min_count=settings.min_count)
            write_atomically(folder / ROLES_FILE, json.dumps(load_roles(theirs), sort_keys=True))
        if kept is not None:
            np.save(folder / KEPT_FILE, kept)
        write_atomically(folder / TOKENIZER_FILE, tokenizer.to_str())
        return {"tokens": tokenizer.get_vocab_size()}

    inputs: dict[str, str | Outcome] = {"data": data}
    if settings.kind == "teacher" and theirs is not None:
        inputs["tokenizer"] = hash_file(_require_tokenizer(theirs))
    asked = settings.model_dump(mode="json")
    if recipe.answers_prompts:
        asked["prompt"] = recipe.task.prompt.model_dump()
    return shop.run(name, run, settings=asked, inputs=inputs)


@dataclass(frozen=True)
class Reader:
    """The tokenizer stage's result.

    ``kept``: (V,) int64, the teacher's tokens that it keeps; None where it was not trimmed. ``roles``: spellings of
    special tokens by role, as the teacher's folder names them; None where it was trained here.
    """

    tokenizer: Tokenizer
    kept: np.ndarray | None
    roles: Mapping[str, str] | None

    @property
    def size(self) -> int:
        """Number of tokens."""
        return self.tokenizer.get_vocab_size()


def open_tokenizer(outcome: Outcome) -> Reader:
    """Read what the tokenizer stage left."""
    kept, roles = outcome.folder / KEPT_FILE, outcome.folder / ROLES_FILE
    return Reader(
        load_tokenizer(outcome.folder / TOKENIZER_FILE),
        np.load(kept) if kept.is_file() else None,
        json.loads(roles.read_text(encoding="utf-8")) if roles.is_file() else None,
    )


class _Floats(Mapping[str, NDArray[np.float32]]):
    """A model's tensors as float32 arrays, each made when it is asked for: a package needs one at a time."""

    def __init__(self, model: Transformer) -> None:
        self._tensors = model.state_dict()

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        array: NDArray[np.float32] = self._tensors[name].detach().float().numpy()
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def package_model(
    model: Transformer,
    path: Path,
    *,
    name: str,
    kind: str,
    tokenizer: Tokenizer,
    quantize: QuantizeSettings,
    provenance: Mapping[str, Any],
    temperature: float = 1.0,
    roles: Mapping[str, str] | None = None,
    prompt: PromptForm | None = None,
    schema: str | None = None,
    answer_calibration: Mapping[str, float] | None = None,
    quantized: Quantized | None = None,
) -> PackageInfo:
    """Write a model as a package: rounded as the settings ask for, or as ``quantized`` has it (``compress_stage``).

    The model's tensors are floats of any kind, also those that a folder holds (``AS_STORED``).
    """
    spec = model.spec if quantized is None else quantized.spec
    return write_package(
        path,
        spec=spec,
        tensors=_Floats(model) if quantized is None else quantized.tensors,
        formats=quantized.formats
        if quantized is not None
        else plan_formats(spec, quantize.uniform, embedding=quantize.embedding, head=quantize.head),
        rows=None if quantized is None else quantized.rows,
        tokenizer=tokenizer,
        task=_describe_task(kind, spec, prompt),
        name=name,
        temperature=temperature,
        provenance=provenance,
        roles=roles,
        schema=schema,
        answer_calibration=answer_calibration,
        scale_span=SCALE_SPAN if quantize.scales == "spans" else 0,
    )


def foresee_beside(recipe: Recipe, spec: ModelSpec, reader: Reader, threads: int) -> int:
    """Bytes that the recipe's package will hold beside its weights, but for a few hundred of what is known later; with
    a student at hand, ``coded.count_beside`` weighs a draft instead.

    Args:
        spec: the student.
        reader: its tokenizer.
        threads: of training; the package names them.
    """
    return count_keys(
        spec,
        reader.tokenizer,
        _describe_task(recipe.task.kind, spec, recipe.task.prompt.form if recipe.answers_prompts else None),
        recipe.name,
        provenance=make_provenance(recipe, {}, threads),
        roles=reader.roles,
        schema=recipe.read_schema(),
        scale_span=SCALE_SPAN if recipe.quantize.scales == "spans" else 0,
    )


def _describe_task(kind: str, spec: ModelSpec, prompt: PromptForm | None) -> dict[str, Any]:
    """What a package says of its task."""
    asked = {} if prompt is None else {"prompt": asdict(prompt)}
    return {"kind": kind, "head": next(iter(spec.heads)), **asked}


def make_provenance(recipe: Recipe, inputs: Mapping[str, Outcome | None], threads: int) -> dict[str, Any]:
    """What made a package: enough to make it again, with no clock and no path in it."""
    import torch

    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "threads": threads,
        "stages": {name: outcome.key for name, outcome in inputs.items() if outcome is not None},
        "smallwright": smallwright.__version__,
        "format": FORMAT_VERSION,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def publish(source: Path, target: Path) -> Path:
    """Copy a stage's file to where the user looks for it: written aside, then renamed."""
    aside = target.with_name(target.name + ".partial")
    shutil.copyfile(source, aside)
    aside.replace(target)
    return target


def quantize_settings(recipe: Recipe) -> QuantizeSettings:
    """The recipe's rounding step; without one the weights stay float32."""
    return recipe.quantize


def _require_tokenizer(folder: Path) -> Path:
    path = folder / TOKENIZER_FILE
    if not path.is_file():
        raise CheckpointError(
            f"a teacher's folder must hold {TOKENIZER_FILE}. Got none in {folder}. Save the tokenizer there again."
        )
    return path
