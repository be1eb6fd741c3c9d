"""The teacher as a callable, so that its latency is measured by the same code as the package's.

Enters: a folder. Leaves: a function from text to label. Called by name in a fresh process (evaluate/worker.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from smallwright.model import load_model
from smallwright.tokenizer.describe import describe
from smallwright.tokenizer.load import load_tokenizer
from smallwright.train.predict import predict_logits


def open_classifier(folder: str, threads: int, load: str = "float32") -> Callable[[str], str]:
    """Open a classifying checkpoint in PyTorch.

    Args:
        folder: with config.json, model.safetensors, tokenizer.json.
        threads: of torch, 1 or more.
        load: what its matrices are held as, see ``NetworkSettings``.
    Returns:
        Text to label, one at a time.
    Raises:
        CheckpointError: the folder cannot be read.
    """
    labels, answer = open_network(folder, threads, load)
    return lambda text: labels[int(answer(text).argmax())]


def open_network(
    folder: str, threads: int, load: str = "float32"
) -> tuple[tuple[str, ...], Callable[[str], NDArray[np.float32]]]:
    """The labels, and a function from a text to logits (1, C)."""
    torch.set_num_threads(threads)
    model, tokenizer = load_model(folder, held_as=load), load_tokenizer(folder)
    # Described once: doing so for every text took longer than the model itself, and would flatter the package.
    spec = describe(tokenizer).spec
    room = model.spec.context - len(spec.prefix) - len(spec.suffix)

    def answer(text: str) -> NDArray[np.float32]:
        inner = tokenizer.encode(text, add_special_tokens=False).ids[:room]
        tokens = np.array([*spec.prefix, *inner, *spec.suffix], dtype=np.int64)
        return predict_logits(model, [tokens])

    return model.spec.labels, answer
