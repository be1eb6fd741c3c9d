"""A teacher that knows the task: loaded and used as it is, or trained on the rows first.

Enters: settings and labelled rows. Leaves: a model folder with its tokenizer, that any tool opens.
Not here: its answers (answers.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from smallwright.data.row import Row
from smallwright.errors import CheckpointError, DataError, RecipeError
from smallwright.model import (
    CLASSIFIER,
    Transformer,
    is_own,
    load_classifier,
    preset,
    preset_classifier,
    read_spec,
    save_hf,
    save_model,
    seeded,
)
from smallwright.model.checkpoint_files import CONFIG, read_json
from smallwright.model.save_hf import SPECIAL_TOKENS
from smallwright.model.weight_only import AS_STORED, count_held_bytes
from smallwright.spec import ModelSpec
from smallwright.spec.tensors import list_tensors
from smallwright.teacher.settings import NetworkSettings
from smallwright.teacher.table import UsedTokens
from smallwright.tokenizer.encode import encode_texts
from smallwright.tokenizer.load import load_tokenizer
from smallwright.train.augment import make_augment
from smallwright.train.loop import TrainResult, train
from smallwright.train.settings import TrainSettings
from smallwright.train.tasks import ClassificationTask

TEACHER_FOLDER, TRAINING_FOLDER = "teacher", "training"
TOKENIZER = "tokenizer.json"
_ROLE_FILES = ("tokenizer_config.json", "special_tokens_map.json")


def fit_teacher(
    settings: NetworkSettings,
    *,
    rows: Sequence[Row],
    validation: Sequence[Row],
    labels: Sequence[str],
    out: Path,
    path: Path | None = None,
    tokenizer: Path | None = None,
    context: int = 128,
    seed: int = 0,
    threads: int | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Make the teacher, or find it made by an earlier, killed call (see ``train.loop``).

    Args:
        settings: the recipe's ``teacher``, or another network of its ensemble.
        rows: to train on.
        validation: to choose the best weights by; may be empty.
        labels: the classes, in the order of the teacher's answers.
        out: a folder of its own. Afterwards ``out/teacher`` is a model folder with tokenizer.json.
        path: hf: the folder, as resolved by the caller; None: ``settings.path``.
        tokenizer: scratch: the tokenizer.json to read with.
        context: scratch: most tokens of a text.
        seed: of new weights, order and dropout.
        threads: of torch while training; None: as they are.
        quiet: show no progress.
    Returns:
        Facts: ``parameters``; where it was trained ``steps``, ``scores`` and ``precision``; where it is to be held in
        fewer bytes than float32 ``load`` and ``weight_bytes``.
    Raises:
        CheckpointError: the folder cannot be read, or it is no classifier of these labels and is not to be trained.
        DataError: a row has none of the labels.
        RecipeError: a path, preset or tokenizer is missing.
    """
    if settings.source == "hf":
        folder = Path(path if path is not None else settings.path or "")
        model = _load(folder, labels, settings, seed)
        tokenizer_file = folder / TOKENIZER
    else:
        folder, tokenizer_file = None, _need_tokenizer(tokenizer)
        model = _build(settings, load_tokenizer(tokenizer_file).get_vocab_size(), labels, context, seed)
    result = None
    if settings.finetune is not None:
        reader = load_tokenizer(tokenizer_file)
        encoded = [
            encode_texts(reader, [row.text for row in part], max_tokens=model.spec.context)
            for part in (rows, validation)
        ]
        numbers = [_number_labels(part, labels) for part in (rows, validation)]
        options = settings.finetune
        result = _train(model, reader, encoded, numbers, options, out / TRAINING_FOLDER, seed, threads, quiet)
    _save(model, out / TEACHER_FOLDER, folder, tokenizer_file)
    facts = describe_network(model.spec, settings.load)
    if result is not None:
        facts |= {"steps": result.steps, "scores": result.scores, "precision": result.precision}
    return facts


def describe_network(spec: ModelSpec, load: str) -> dict[str, Any]:
    """Facts of a teacher's network: ``parameters``; ``load`` and ``weight_bytes`` where it is not held in float32."""
    facts: dict[str, Any] = {"parameters": sum(prod(tensor.shape) for tensor in list_tensors(spec))}
    return facts if load == "float32" else facts | {"load": load, "weight_bytes": count_held_bytes(spec, load)}


def check_known(folder: Path, labels: Sequence[str] | None) -> None:
    """Refuse a checkpoint that is to be used as it is and is no classifier of these labels.

    Args:
        folder: of the checkpoint, of which the config is read.
        labels: of the data; None: not known yet, any will do.
    Raises:
        CheckpointError: it is not.
    """
    known = read_spec(folder).labels
    if known and (labels is None or sorted(known) == sorted(labels)):
        return
    wanted = "labels" if labels is None else f"{len(labels)} labels"
    missing, extra = sorted(set(labels or ()) - set(known)), sorted(set(known) - set(labels or ()))
    got = "a checkpoint without a classifier" if not known else f"missing {missing[:5]}, unknown {extra[:5]}"
    raise CheckpointError(
        f"a teacher that is used as it is must be a classifier of the data's {wanted}. Got {got} in {folder}. Add "
        "finetune: {} to train it on the rows."
    )


def _load(folder: Path, labels: Sequence[str], settings: NetworkSettings, seed: int) -> Transformer:
    if settings.finetune is not None:
        return load_classifier(folder, labels, seed=seed, replace_head=True)
    check_known(folder, labels)
    # What is to be held in fewer bytes is written on as it is, and rounded when it is opened to answer.
    return load_classifier(folder, labels, held_as="float32" if settings.load == "float32" else AS_STORED)


def _build(settings: NetworkSettings, vocabulary: int, labels: Sequence[str], context: int, seed: int) -> Transformer:
    spec = preset(
        settings.preset,
        vocabulary=vocabulary,
        causal=False,
        heads={CLASSIFIER: preset_classifier(labels)},
        context=context,
        bigrams=settings.bigrams,
    )
    with seeded(seed):
        return Transformer(spec)


def _need_tokenizer(tokenizer: Path | None) -> Path:
    if tokenizer is None:
        raise RecipeError("a teacher from scratch needs a tokenizer. Got none. Use tokenizer: {kind: train}.")
    return tokenizer


def _number_labels(rows: Sequence[Row], labels: Sequence[str]) -> NDArray[np.int64]:
    number = {label: index for index, label in enumerate(labels)}
    for row in rows:
        if row.label not in number:
            raise DataError(
                f"every row of a teacher must have one of the {len(labels)} labels. Got {row.label!r} for "
                f"{row.text[:60]!r}. Correct the row, or add the label to the training data."
            )
    return np.array([number[str(row.label)] for row in rows], dtype=np.int64)


def _train(
    model: Transformer,
    reader: Tokenizer,
    encoded: list[list[NDArray[np.int32]]],
    labels: list[NDArray[np.int64]],
    settings: TrainSettings,
    out: Path,
    seed: int,
    threads: int | None,
    quiet: bool,
) -> TrainResult:
    with UsedTokens(model, [*encoded[0], *encoded[1]]) as used:
        tokens, validation = ([used.renumber(sequence) for sequence in part] for part in encoded)
        task = ClassificationTask(
            tokens,
            labels[0],
            validation,
            labels[1],
            batch_size=settings.batch_size,
            seed=seed,
            augment=make_augment(settings.token_dropout, reader),
        )
        options = settings.loop_options(seed=seed, threads=threads)
        return train(model, task, settings.make_objective(), out, options, name="teacher", quiet=quiet)


def _save(model: Transformer, out: Path, source: Path | None, tokenizer_file: Path) -> None:
    if source is None or is_own(source):
        save_model(model, out, tokenizer_file)
        return
    config = read_json(source, CONFIG)
    special = {name: config[name] for name in SPECIAL_TOKENS if isinstance(config.get(name), int)}
    save_hf(model, out, tokenizer_file, special)
    for name in _ROLE_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, out / name)
