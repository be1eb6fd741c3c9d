"""The judge: what a classifier or a language model is worth, and what it costs on this machine.

Enters: labels, logits and log-probabilities as arrays; callables; a package's path. Leaves: metrics, costs, simple
baselines, a verdict, ``report.json`` and ``report.html``.
Not here: torch, the model, training, how a package is made. A teacher's predictions are handed in as arrays.
"""
