"""Parts of sparse_speed.py: random models of real shapes, stored in one format each.

Enters: a shape, formats. Leaves: packages whose answers were checked. Not here: timing (../sparse_speed.py).
"""
