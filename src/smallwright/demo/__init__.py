"""The embedded demo: a grammar that writes training rows, and a test and a validation set written by hand.

Enters: a seed. Leaves: rows. Not here: building anything from them (pipeline/demo.py).
"""
