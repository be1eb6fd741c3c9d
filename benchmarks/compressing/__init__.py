"""Parts of compression.py: what each way of storing weights costs, a decoder's and a classifier's.

Enters: a folder. Leaves: claims and numbers. Not here: the methods (src/smallwright/compress/).
"""
