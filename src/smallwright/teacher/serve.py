"""The teacher as a callable, so that its latency is measured by the same code as the package's.

Enters: a folder. Leaves: a function from text to label. Called by name in a fresh process (evaluate/worker.py).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from smallwright.model import load_model
from smallwright.tokenizer.encode import encode_texts
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

    def classify(text: str) -> str:
        return labels[int(predict_logits(model, encode_texts(tokenizer, [text], max_tokens=context)).argmax())]

    return classify
