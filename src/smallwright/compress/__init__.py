"""Fewer layers, fewer tokens, fewer weights, fewer bits.

Enters: a model or its tensors. Leaves: a smaller one.
Not here: the file that carries it (package/), and training (train/).
"""
