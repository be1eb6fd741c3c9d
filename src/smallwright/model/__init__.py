"""The torch reference of every model.

Enters: a ``ModelSpec``, a preset's name or a folder. Leaves: a ``Transformer``.
Not here: training, compression, the engine.
"""

from smallwright.model.checkpoint import (
    is_own,
    load_checkpoint,
    load_classifier,
    load_model,
    read_spec,
    save_checkpoint,
    save_model,
)
from smallwright.model.heads import CLASSIFIER, LANGUAGE_MODEL
from smallwright.model.load_hf import describe_hf, load_hf
from smallwright.model.presets import preset, preset_classifier
from smallwright.model.save_hf import save_hf
from smallwright.model.transformer import State, Transformer, seeded

__all__ = [
    "CLASSIFIER",
    "LANGUAGE_MODEL",
    "State",
    "Transformer",
    "describe_hf",
    "is_own",
    "load_checkpoint",
    "load_classifier",
    "load_hf",
    "load_model",
    "preset",
    "preset_classifier",
    "read_spec",
    "save_checkpoint",
    "save_hf",
    "save_model",
    "seeded",
]
