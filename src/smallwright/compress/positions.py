"""Fewer positions: an encoder for short texts does not ship the positions that only long ones use.

Enters: a model, and the most tokens of one text. Leaves: the model for texts of that length.
Not here: shortening texts, which whoever encodes them does by the model's context.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from smallwright.errors import RecipeError
from smallwright.spec.model import ModelSpec

if TYPE_CHECKING:
    from smallwright.model.transformer import Transformer

POSITION_TABLE = "embedding.positions.weight"


def shorten_spec(spec: ModelSpec, positions: int | None) -> ModelSpec:
    """The description of a model that reads at most ``positions`` tokens of a text; None: as many as now.

    Raises:
        RecipeError: more than it reads now.
    """
    if positions is None:
        return spec
    if positions > spec.context:
        raise RecipeError(
            f"student.positions must be at most the teacher's {spec.context}. Got {positions}. Leave it out for all."
        )
    rows = None if spec.embedding.positions is None else positions
    return replace(spec, context=positions, embedding=replace(spec.embedding, positions=rows))


def keep_positions(model: Transformer, positions: int | None) -> Transformer:
    """The same model for texts of at most ``positions`` tokens, its answers to which are the same; weights are copies.

    A table of learned positions keeps its first rows; rotary positions need none.

    Raises:
        RecipeError: see ``shorten_spec``.
    """
    from smallwright.model.transformer import Transformer

    spec = shorten_spec(model.spec, positions)
    if spec == model.spec:
        return model
    tensors = {
        name: value.detach()[:positions].clone() if name == POSITION_TABLE else value.detach().clone()
        for name, value in model.state_dict().items()
    }
    return Transformer.from_tensors(spec, tensors, dropout=model.dropout_probability)
