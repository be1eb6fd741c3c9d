"""Fewer weights: those that the layers' outputs miss least become zero, and stay zero.

Enters: a trained model, training texts as tokens, a share or a pattern of weights to drop. Leaves: the same model with
zeros in the matrices of its layers. Tables, heads, norms and biases keep every weight.
Not here: storing zeros in few bits (the format ``q4_sparse``: compress/span_rows.py), the loop that heals (train/).

The flow: allocation (a share for every matrix, if asked for) -> model (matrix by matrix, in the order of the flow) ->
masks (zeros that a healing run keeps, or that grow while it runs).
"""
