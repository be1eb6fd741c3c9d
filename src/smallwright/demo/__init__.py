"""The embedded demo: a grammar that writes training rows, and a test set that people wrote before it.

Enters: a seed. Leaves: rows. Not here: building anything from them (pipeline/demo.py).
"""
