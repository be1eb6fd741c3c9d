"""Tokenizers that show every boundary, texts that look for them, and the engine's side of the comparison.

Enters: a kind and a folder. Leaves: a pair of tokenizers, the library's and the engine's out of a package.
"""

from __future__ import annotations

import ctypes
import json
import random
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
from tests.properties.tokenizers_made import KINDS, make
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from smallwright.compress.quantize import plan_formats
from smallwright.package.write import write_package
from smallwright.run import load
from smallwright.spec.model import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec
from smallwright.spec.tensors import list_tensors
from smallwright.tokenizer.describe import describe
from smallwright.tokenizer.splits import build_split

CODES = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
MARKS = [code for code in CODES if unicodedata.combining(code)]
COMPOSED = [code for code in CODES if unicodedata.decomposition(code)]
FRAGMENTS = (
    # contractions, in the cases that some patterns ignore and others do not; U+017F matches 's' then
    *("'s", "'S", "'\u017f", "'ll", "'LL", "'Re", "'ve", "'d", "'m", "'t", "n't", "'"),
    # white space, in runs and of every sort
    *(" ", "  ", "   ", "\n", "\r\n", "\n\n", " \n", "\t", "\u00a0", "\u3000", "\u2028", "\x85", "\x0b", "\x1c"),
    # digits that are numbers to some and letters to others
    *("123", "7", "٣", "²", "½", "Ⅷ", "一二", "\U00011de0", "\U00016ff4"),
    # scripts, composed and decomposed
    *(
        "你好",
        "世界",
        "한글",
        "각",
        "日本語",
        "かな",
        "é",
        "e\u0301",
        "ñ",
        "Ä",
        "ß",
        "ﬁ",
        "İ",
        "ı",
        "Σ",
        "ς",
        "Ǆ",
        "Ω",
        "я",
    ),
    *("ا", "ב", "ก็", "क्षि", "\u1100\u1161\u11a8", "\u1100", "\u1161", "\u11a8", "\U00011938", "\U00011935\U00011930"),
    # emoji with joiners, modifiers and flags; marks of several classes
    *(
        "👩‍👩‍👧‍👦",
        "🏽",
        "🇩🇪",
        "\u200d",
        "\ufe0f",
        "\u0334",
        "\u0345",
        "\u0300",
        "\u0301",
        "\u0323",
        "\u302e",
        "\U0001d165",
    ),
    # controls, private use, the replacement character
    *("\u200b", "\ufeff", "\x00", "\x01", "\x7f", "\ufffd", "\ue000", "\U000f0000"),
    # special tokens, whole and in pieces; WordPiece's own marks
    *("[CLS]", "[SEP]", "[UNK]", "[MASK]", "<|begin|>", "<|endoftext|>", "<think>", "<|x|>", "<|", "|>", "[", "]"),
    *("##", "##ing", "\u2581", "\u2581the", "kitchen", "lights", "turn", "don't", "WEATHER", "aaaaaaa", "abababab"),
    *(".", ",", "!", "?", "-", "--", "_", "(", ")", "$", "+", "^", "`", "~", "|", '"', "”", "…", "،", "।", "¿", "α"),
)
BOUNDARY_KINDS = ("pairs_gpt2", "pairs_gpt2_space", "pairs_llama3", "pairs_qwen2", "pairs_smollm")
CHARACTER_KINDS = ("characters_uncased", "characters_cased", "characters_raw", "characters_accents")
ALL_KINDS = (*KINDS, *BOUNDARY_KINDS, *CHARACTER_KINDS)


def soup(source: random.Random) -> str:
    """A short text of one of nine mixtures."""
    mixture, length = source.randrange(9), source.randrange(1, 14)
    if mixture < 4:
        return "".join(source.choice(FRAGMENTS) for _ in range(length))
    if mixture == 4:
        return "".join(chr(source.randrange(128)) for _ in range(length * 3))
    if mixture == 5:
        return "".join(source.choice(CODES) for _ in range(length))
    if mixture == 6:
        return "".join(source.choice(FRAGMENTS if source.random() < 0.5 else CODES[:0x3100]) for _ in range(length))
    if mixture == 7:
        return "".join(source.choice(MARKS if source.random() < 0.6 else COMPOSED) for _ in range(length))
    return "".join(source.choice(COMPOSED if source.random() < 0.5 else FRAGMENTS) for _ in range(length))


def make_pairs(split: str, *, add_prefix_space: bool = False) -> Tokenizer:
    """BPE in which every two bytes merge, in random order: a word cut elsewhere gives other tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [(left, right) for left in alphabet for right in alphabet]
    random.Random(3).shuffle(pairs)
    vocabulary = {token: number for number, token in enumerate([*alphabet, *(a + b for a, b in pairs)])}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    off = dict.fromkeys(("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"))
    parts: dict[str, Any] = {
        **{"version": "1.0", "truncation": None, "padding": None, "post_processor": None},
        "added_tokens": [{"id": len(vocabulary), "content": "<|x|>", "special": True, **flags}],
        "normalizer": {"type": "NFC"} if split == "qwen2" else None,
        "pre_tokenizer": build_split(split, add_prefix_space=add_prefix_space),
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", **off, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False},
    }
    parts["model"] |= {"vocab": vocabulary, "merges": [list(pair) for pair in pairs]}
    return Tokenizer.from_str(json.dumps(parts))


def make_characters(**normalizer: Any) -> Tokenizer:
    """WordPiece with a piece for nearly every character, at the start of a word and inside one: none hides in [UNK]."""
    characters = [code for code in CODES if unicodedata.category(code) not in ("Cn", "Co") and _is_small_script(code)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{code}" for code in characters)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=20))
    tokenizer.normalizer = normalizers.BertNormalizer(**normalizer)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[UNK]", "[CLS]", "[SEP]"])
    return tokenizer


def _is_small_script(code: str) -> bool:
    ideographs = 0x3400 <= ord(code) <= 0xD7FF or 0x17000 <= ord(code) <= 0x18FFF or ord(code) >= 0x20000
    return not ideographs and not code.isspace() and code != "\u2581"


def make_library(kind: str) -> Tokenizer:
    if kind.startswith("pairs"):
        split = kind.split("_")[1]
        return make_pairs(split, add_prefix_space=kind.endswith("_space"))
    if kind.startswith("characters"):
        steps: dict[str, dict[str, Any]] = {
            "uncased": {"lowercase": True},
            "cased": {"lowercase": False},
            "raw": {"lowercase": True, "clean_text": False, "handle_chinese_chars": False},
            "accents": {"lowercase": True, "strip_accents": False},
        }
        return make_characters(**steps[kind.split("_")[1]])
    return make(kind)


def write_around(tokenizer: Tokenizer, path: Path) -> None:
    """The smallest package that carries a tokenizer."""
    rows = len(describe(tokenizer).vocabulary)
    spec = ModelSpec(
        width=8,
        context=16,
        causal=True,
        embedding=EmbeddingSpec(rows),
        layers=(LayerSpec(AttentionSpec(1, 1, 8), FeedForwardSpec(8)),),
        heads={"text": HeadSpec("language_model", tied=True)},
    )
    tensors = {tensor.name: np.zeros(tensor.shape, np.float32) for tensor in list_tensors(spec)}
    task = {"kind": "generate", "head": "text"}
    formats = plan_formats(spec, "f32")
    write_package(path, spec=spec, tensors=tensors, formats=formats, tokenizer=tokenizer, task=task, name="words")


class Engine:
    """The engine's tokenizer of a package: texts through the Python package, raw bytes through the C ABI."""

    def __init__(self, path: Path) -> None:
        from smallwright.run import _engine

        self.package = load(path, threads=1)
        self._library = ctypes.CDLL(_engine.__file__)
        self._library.sw_last_error.restype = ctypes.c_char_p
        self._model = ctypes.c_void_p()
        if self._library.sw_model_open(str(path).encode(), ctypes.byref(self._model)) != 0:
            raise OSError(self._library.sw_last_error())

    def encode(self, text: str) -> list[int]:
        return self.package.tokenize(text)

    def decode(self, tokens: list[int]) -> str:
        return self.package.detokenize(tokens)

    def encode_bytes(self, text: bytes) -> list[int]:
        count = ctypes.c_size_t(4 * len(text) + 16)
        tokens = (ctypes.c_int32 * count.value)()
        length = ctypes.c_size_t(len(text))
        if self._library.sw_encode(self._model, text, length, 1, tokens, ctypes.byref(count)) != 0:
            raise ValueError(self._library.sw_last_error())
        return tokens[: count.value]
