"""What a tokenizer is: the few facts beside the vocabulary that make text into tokens.

Enters: plain values. Leaves: a frozen ``TokenizerSpec``, carried as JSON under ``smallwright.tokenizer``.
Not here: vocabulary and merges (native GGUF keys), training and trimming (tokenizer/), encoding (the engine).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

MODELS = ("bpe", "wordpiece")
SPLITS = ("gpt2", "llama3", "qwen2", "smollm")


@dataclass(frozen=True)
class TokenizerSpec:
    """The pipeline around a vocabulary.

    ``model``: ``bpe`` (byte-level, GPT-2's byte alphabet) or ``wordpiece`` (BERT's).
    ``split``: bpe only: whose pre-tokenising pattern (one of SPLITS).
    ``normalize``: bpe only: ``nfc`` (Qwen) or None.
    ``add_prefix_space``, ``ignore_merges`` (a whole word found in the vocabulary is taken as it is): bpe only.
    ``lowercase``, ``strip_accents``, ``clean_text``, ``split_cjk``: wordpiece only, BERT's normaliser;
    ``strip_accents`` is already resolved (BERT's None means: as lowercase).
    ``max_word_chars``: wordpiece only: a longer word is unknown.
    ``unknown``: id of the unknown token, None for byte-level models.
    ``prefix``, ``suffix``: ids put around an input ([CLS], [SEP], <s>).
    ``special``: ids of tokens that are cut out of the raw text before anything else, and are skipped in decoding.
    ``literal``: ids of tokens that are cut out in the same way, but shown in decoding (Qwen's ``<think>``).
    """

    model: str
    split: str | None = None
    normalize: str | None = None
    add_prefix_space: bool = False
    ignore_merges: bool = False
    lowercase: bool = False
    strip_accents: bool = False
    clean_text: bool = False
    split_cjk: bool = False
    max_word_chars: int = 100
    unknown: int | None = None
    prefix: tuple[int, ...] = ()
    suffix: tuple[int, ...] = ()
    special: tuple[int, ...] = ()
    literal: tuple[int, ...] = ()

    def to_json(self) -> str:
        """Canonical JSON (sorted keys, no spaces)."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
