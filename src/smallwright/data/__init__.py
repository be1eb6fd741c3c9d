"""Rows: from the files of a user to checked splits, token shards and batches.

Enters: files in the formats people have. Leaves: rows by split, rejects with reasons, leakage counts, batches.
Not here: tokenising (tokenizer/), training (train/).
"""

from smallwright.data.batches import length_buckets, lm_batches
from smallwright.data.inputs import hash_inputs, input_files
from smallwright.data.prepare import prepare, read_rows
from smallwright.data.report import DataReport
from smallwright.data.row import Reject, Row
from smallwright.data.settings import DataSettings, SourceSettings
from smallwright.data.shards import Shard, write_shard

__all__ = [
    "DataReport",
    "DataSettings",
    "Reject",
    "Row",
    "Shard",
    "SourceSettings",
    "hash_inputs",
    "input_files",
    "length_buckets",
    "lm_batches",
    "prepare",
    "read_rows",
    "write_shard",
]
