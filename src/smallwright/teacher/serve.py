"""The teacher as a callable, so that its latency is measured by the same code as the package's.

Enters: a folder. Leaves: a function from text to label. Called by name in a fresh process (evaluate/worker.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from smallwright.model import load_model
from smallwright.tokenizer.describe import describe
from smallwright.tokenizer.load import load_tokenizer
from smallwright.train.predict import predict_logits


def open_classifier(folder: str, threads: int) -> Callable[[str], str]:
    """Open a classifying checkpoint in PyTorch, float32.

    Args:
        folder: with config.json, model.safetensors, tokenizer.json.
        threads: of torch, 1 or more.
    Returns:
        Text to label, one at a time.
    Raises:
        CheckpointError: the folder cannot be read.
    """
    torch.set_num_threads(threads)
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    labels, context = model.spec.labels, model.spec.context

    # Described once: doing so for every text took longer than the model itself, and would flatter the package.
    spec = describe(tokenizer).spec
    room = context - len(spec.prefix) - len(spec.suffix)

    def classify(text: str) -> str:
        inner = tokenizer.encode(text, add_special_tokens=False).ids[:room]
        tokens = np.array([*spec.prefix, *inner, *spec.suffix], dtype=np.int64)
        return labels[int(predict_logits(model, [tokens]).argmax())]

    return classify
