"""Fewer bits with the help of texts: what enters each layer decides how its weights are coded.

Enters: a trained model, training texts as tokens, formats or a number of bytes. Leaves: rows as a package holds them.
Not here: rounding alone (compress/quantize.py, compress/spans.py), and training with quantised weights.

The flow: calibration (texts pass layer by layer) -> awq (factors folded, if asked for) -> matrix (gptq on a grid, or
rounding) -> bias -> model. ``mixed`` chooses the formats before that.
"""
