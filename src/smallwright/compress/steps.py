"""The steps of a recipe's ``compress`` list, told apart by their ``method``.

Enters: the list's items. Leaves: the settings class of each.
Not here: the settings themselves (settings.py, sparsifying/settings.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Tag

from smallwright.compress.settings import QuantizeSettings
from smallwright.compress.sparsifying.settings import SparsifySettings

# What stands between angle brackets is no part of a recipe: a reader of errors leaves it out.
STEPS: dict[str, type[BaseModel]] = {"<quantize>": QuantizeSettings, "<sparsify>": SparsifySettings}


def _name_step(value: Any) -> str:
    method = value.get("method") if isinstance(value, Mapping) else getattr(value, "method", None)
    return "<sparsify>" if method == "sparsify" else "<quantize>"


CompressStep = Annotated[
    Annotated[QuantizeSettings, Tag("<quantize>")] | Annotated[SparsifySettings, Tag("<sparsify>")],
    Discriminator(_name_step),
]
