"""The run half: opens a package and answers, through the C++ engine.

Enters: the path of a package (or an ordinary GGUF of a known family). Leaves: predictions and generated text.
Not here: training, torch, anything that needs more than numpy, which answers in text do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smallwright.run.package import Package, isa, load

if TYPE_CHECKING:
    from smallwright.run.prediction import Prediction

__all__ = ["Package", "Prediction", "isa", "load"]


def __getattr__(name: str) -> Any:
    if name == "Prediction":
        from smallwright.run.prediction import Prediction

        return Prediction
    raise AttributeError(f"module 'smallwright.run' has no attribute {name!r}")
