"""The torch reference of every model.

Enters: a ``ModelSpec``, a preset's name or a folder. Leaves: a ``Transformer``.
Not here: training, compression, the engine.
"""

from smallwright.model.heads import CLASSIFIER, LANGUAGE_MODEL
from smallwright.model.presets import preset
from smallwright.model.transformer import State, Transformer, seeded

__all__ = ["CLASSIFIER", "LANGUAGE_MODEL", "State", "Transformer", "preset", "seeded"]
