"""The answers, before any clock: logits of forced tokens against the float32 torch reference.

Enters: the layout and a model's name. Leaves: relative errors by engine. Not here: speed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from peers.engines import ENGINES, LLAMA, OURS
from peers.layout import Layout
from peers.processes import write_logits
from peers.protocol import Tokens
from peers.shapes import SHAPES
from smallwright.model import load_hf

PROMPT, STEPS = 16, 32  # worker.h: the prompt's last row, then one row a forced token


def measure_errors(layout: Layout, model: str, engines: tuple[str, ...] = (OURS, LLAMA)) -> dict[str, float]:
    """||logits - reference|| / ||reference|| over all rows, each row without its mean (a softmax does not see it)."""
    folder, vocabulary = layout.models / model, SHAPES[model].vocabulary
    tokens = torch.tensor([Tokens(vocabulary).next(PROMPT + STEPS)])
    with torch.inference_mode():
        expected = _centred(load_hf(folder / "hf").logits(tokens)[0, PROMPT - 1 :].numpy())
    errors = {}
    for engine in ENGINES:
        if engine.name in engines:
            with tempfile.TemporaryDirectory() as scratch:
                out = Path(scratch) / "logits.f32"
                write_logits(layout, engine, folder / engine.file, out)
                got = _centred(np.fromfile(out, dtype=np.float32).reshape(STEPS + 1, vocabulary))
            errors[engine.name] = float(np.linalg.norm(got - expected) / np.linalg.norm(expected))
    return errors


def _centred(rows: np.ndarray) -> np.ndarray:
    return rows - rows.mean(axis=1, keepdims=True)
