"""A Hugging Face ``config.json`` as checked values.

Enters: the file's content. Leaves: numbers, flags and names, or a refusal that says what to do.
Not here: which family reads which key (families.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smallwright.errors import CheckpointError

ACTIVATION_NAMES = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "relu": "relu",
}
OWN_ACTIVATION_NAMES = {"silu": "silu", "gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "relu": "relu"}

# Settings that change what a model computes and that we do not compute: the values that are harmless, by key.
HARMLESS: dict[str, tuple[object, ...]] = {
    "quantization_config": (None,),
    "auto_map": (None,),
    "is_encoder_decoder": (None, False),
    "is_decoder": (None, False),
    "is_causal": (None, True),
    "add_cross_attention": (None, False),
    "use_sliding_window": (None, False),
    "partial_rotary_factor": (None, 1, 1.0),
    "position_embedding_type": (None, "absolute"),
    "problem_type": (None, "single_label_classification"),
}
MAX_LAYERS = 4096
MAX_SHOWN = 160  # characters of a refused value in its message


class Config:
    """A ``config.json`` that answers with checked types and names its place in every complaint."""

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        self.values = values
        self.place = place

    def refuse(self, law: str, got: object, remedy: str) -> CheckpointError:
        """The error for a value that cannot be used."""
        shown = repr(got)
        shown = shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + "..."
        return CheckpointError(f"{law}. Got {shown} in {self.place}. {remedy}")

    def integer(self, key: str, default: int | None = None, *, most: int = 2**31 - 1) -> int:
        """A whole number from 1 to ``most``; a missing or null key is ``default``."""
        value = self.values.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self.refuse(f"{key} must be a whole number from 1 to {most}", value, "Mend the file.")
        return value

    def number(self, key: str, default: float) -> float:
        """A positive finite number."""
        value = self.values.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            raise self.refuse(f"{key} must be a positive number", value, "Mend the file.")
        return float(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.values.get(key)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise self.refuse(f"{key} must be true or false", value, "Mend the file.")
        return value

    def activation(self) -> str:
        """Our name of ``hidden_act``."""
        name = self.values.get("hidden_act")
        if not isinstance(name, str) or name not in ACTIVATION_NAMES:
            known = ", ".join(ACTIVATION_NAMES)
            raise self.refuse(f"hidden_act must be one of {known}", name, "Choose another checkpoint.")
        return ACTIVATION_NAMES[name]

    def check_harmless(self) -> None:
        """Refuse settings that would make the model compute something else than we do."""
        for key, allowed in HARMLESS.items():
            if self.values.get(key) not in allowed:
                law = f"{key} must be {' or '.join(str(value) for value in allowed if value is not None) or 'absent'}"
                raise self.refuse(law, self.values[key], "Choose a checkpoint without it.")
        layer_types = self.values.get("layer_types") or []
        if not isinstance(layer_types, list) or any(kind != "full_attention" for kind in layer_types):
            raise self.refuse("layer_types must all be full_attention", layer_types, "Choose another checkpoint.")

    def rotary_base(self) -> float:
        """The base of unscaled rotary positions, from ``rope_parameters`` (newer) or ``rope_theta`` (older)."""
        for key in ("rope_parameters", "rope_scaling"):
            rope = self.values.get(key)
            if rope is None:
                continue
            if not isinstance(rope, dict) or any(isinstance(value, dict) for value in rope.values()):
                raise self.refuse(f"{key} must be one set of values for all layers", rope, "Choose another checkpoint.")
            kind = rope.get("rope_type", rope.get("type", "default"))
            if kind != "default" or rope.get("partial_rotary_factor", 1) != 1:
                law = f"{key} must be of type default: rotary positions are not scaled here"
                raise self.refuse(law, rope, "Choose a checkpoint with plain rotary positions.")
            if "rope_theta" in rope:
                return Config(rope, f"{self.place}: {key}").number("rope_theta", 10000.0)
        return self.number("rope_theta", 10000.0)
