"""The run half: opens a package and answers, through the C++ engine.

Enters: the path of a package (or an ordinary GGUF of a known family). Leaves: predictions and generated text.
Not here: training, torch, anything that needs more than numpy.
"""

from smallwright.run.package import Package, Prediction, isa, load

__all__ = ["Package", "Prediction", "isa", "load"]
