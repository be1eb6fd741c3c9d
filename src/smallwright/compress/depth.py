"""Fewer layers: a shallower model that starts from the weights of some layers of a deeper one.

Enters: a ``Transformer`` and the indices of the layers to keep. Leaves: a new ``Transformer``.
Not here: healing by distillation (train/).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from smallwright.errors import ModelSpecError
from smallwright.model.transformer import Transformer


def choose_layers(total: int, count: int) -> tuple[int, ...]:
    """Evenly spread layer indices, the first and the last among them (the last alone when one is kept).

    Args:
        total: layers of the deep model, at least 1.
        count: layers to keep, 1..total.
    Returns:
        ``count`` strictly increasing indices in 0..total - 1.
    Raises:
        ModelSpecError: ``count`` is out of range.
    Source: the initialisation of DistilBERT, arXiv:1910.01108, section 3, which keeps 0, 2, 4, 7, 9, 11 of 12.
    """
    if not 1 <= count <= total:
        raise ModelSpecError(f"layers to keep must be from 1 to {total}, what the model has. Got {count}. Use fewer.")
    if count == 1:
        return (total - 1,)
    step = 2 * (count - 1)
    return tuple((2 * index * (total - 1) + count - 1) // step for index in range(count))


def keep_layers(model: Transformer, keep: Sequence[int]) -> Transformer:
    """The same model with only some of its layers; all weights are copies.

    Args:
        model: any model; it is not changed.
        keep: strictly increasing indices in 0..layers - 1, at least one.
    Raises:
        ModelSpecError: ``keep`` is empty, out of range or not increasing.
    """
    if list(keep) != sorted(set(keep)):
        raise ModelSpecError(f"kept layers must be strictly increasing. Got {list(keep)}. Sort them.")
    spec = model.spec.with_layers(tuple(keep))
    new_index = {old: new for new, old in enumerate(keep)}
    tensors = {}
    for name, tensor in model.state_dict().items():
        match = re.match(r"layers\.(\d+)\.", name)
        if match is None:
            tensors[name] = tensor.clone()
        elif int(match[1]) in new_index:
            tensors[f"layers.{new_index[int(match[1])]}.{name[match.end() :]}"] = tensor.clone()
    return Transformer.from_tensors(spec, tensors, dropout=model.dropout_probability)
