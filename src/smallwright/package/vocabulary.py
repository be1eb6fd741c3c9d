"""A tokenizer in the package's native keys, and back.

Enters: a ``Description`` and the model's number of rows; or the keys of a package.
Leaves: the keys, in writing order; or a tokenizer.json.
Not here: what a tokenizer is (tokenizer/describe.py).

Source: llama.cpp's conventions. A WordPiece that starts a word gets U+2581 in front, a continuation loses its ``##``,
special tokens stay as they are; rows of the model beyond the tokenizer are unused ``[PADn]``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smallwright.errors import PackageError
from smallwright.spec.package import KEY_TOKENIZER
from smallwright.spec.tokenizer import TokenizerSpec
from smallwright.tokenizer.describe import CONTROL, NORMAL, UNUSED, USER_DEFINED, Description
from smallwright.tokenizer.splits import build_split

WORD_START = "\u2581"
_MODELS = {"bpe": "gpt2", "wordpiece": "bert"}
_PRE = {"gpt2": "gpt-2", "llama3": "llama-bpe", "qwen2": "qwen2", "smollm": "smollm"}
# llama.cpp's spelling of the separator's key is its own ("seperator").
_ROLE_KEYS = {
    "bos": "bos_token_id",
    "eos": "eos_token_id",
    "unknown": "unknown_token_id",
    "sep": "seperator_token_id",
    "pad": "padding_token_id",
    "cls": "cls_token_id",
    "mask": "mask_token_id",
}


@dataclass(frozen=True)
class TokenKeys:
    """Native keys by type: scalars (str, bool, int as u32) and the three arrays."""

    scalars: dict[str, str | bool | int]
    tokens: list[str]
    types: list[int]
    merges: list[str]


def write_vocabulary(description: Description, *, rows: int, token_types: int | None = None) -> TokenKeys:
    """Native keys of a tokenizer for a model with ``rows`` token rows (at least as many as the tokenizer has tokens).

    Raises:
        PackageError: the model has fewer rows than the tokenizer has tokens.
    """
    count = len(description.vocabulary)
    if rows < count:
        raise PackageError(
            f"a model has a row for every token. Got {rows} rows and {count} tokens. "
            "Trim tokenizer and model together.",
            kind="bad_tokenizer",
        )
    spec = description.spec
    scalars: dict[str, str | bool | int] = {"model": _MODELS[spec.model], "pre": _PRE.get(spec.split or "", "default")}
    roles: dict[str, int | None] = {role: getattr(description, role) for role in _ROLE_KEYS}
    if spec.model == "wordpiece":
        roles["bos"] = roles["cls"]  # llama.cpp puts "bos" in front of a BERT input
        scalars["token_type_count"] = token_types or 1
        scalars["normalizer.lowercase"] = spec.lowercase
        scalars["normalizer.strip_accents"] = spec.strip_accents
    scalars |= {_ROLE_KEYS[role]: token for role, token in roles.items() if token is not None}
    scalars["add_bos_token"] = bool(spec.prefix)
    scalars["add_eos_token"] = bool(spec.suffix) and spec.model == "bpe"
    if spec.model == "wordpiece":
        scalars["add_sep_token"] = bool(spec.suffix)
    else:
        scalars["add_space_prefix"] = spec.add_prefix_space
    pairs = zip(description.vocabulary, description.types, strict=True)
    tokens = [_spell(token, kind, spec.model) for token, kind in pairs]
    return TokenKeys(
        scalars={f"tokenizer.ggml.{name}": value for name, value in scalars.items()} | {KEY_TOKENIZER: spec.to_json()},
        tokens=tokens + [f"[PAD{number}]" for number in range(count, rows)],
        types=[*description.types, *[UNUSED] * (rows - count)],
        merges=[f"{left} {right}" for left, right in description.merges],
    )


def rebuild_tokenizer(spec: TokenizerSpec, tokens: Sequence[str], types: Sequence[int], merges: Sequence[str]) -> str:
    """The tokenizer.json that native keys mean: it encodes as the tokenizer that was packaged.

    Args:
        spec: the pipeline.
        tokens, types: native strings and GGML token types, by number.
        merges: native merges, in order of rank.
    Returns:
        JSON that the tokenizers library reads.
    """
    strings = [_unspell(token, kind, spec.model) for token, kind in zip(tokens, types, strict=True)]
    vocabulary = {token: number for number, token in enumerate(strings) if types[number] != UNUSED}
    added = [
        {"id": number, "content": strings[number], "special": number in spec.special}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for number in sorted((*spec.special, *spec.literal))
    ]
    parts: dict[str, Any] = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added}
    parts |= _pipeline(spec)
    parts["post_processor"] = _template(spec, strings)
    parts["model"] = _model(spec, strings, vocabulary, merges)
    return json.dumps(parts, ensure_ascii=False)


def _spell(token: str, kind: int, model: str) -> str:
    if model == "bpe" or kind in (CONTROL, USER_DEFINED, UNUSED):
        return token
    return token[2:] if token.startswith("##") else WORD_START + token


def _unspell(token: str, kind: int, model: str) -> str:
    if model == "bpe" or kind != NORMAL:
        return token
    return token.removeprefix(WORD_START) if token.startswith(WORD_START) else f"##{token}"


def _pipeline(spec: TokenizerSpec) -> dict[str, Any]:
    if spec.model == "wordpiece":
        return {
            "normalizer": {
                "type": "BertNormalizer",
                "clean_text": spec.clean_text,
                "handle_chinese_chars": spec.split_cjk,
                "strip_accents": spec.strip_accents,
                "lowercase": spec.lowercase,
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        }
    return {
        "normalizer": {"type": "NFC"} if spec.normalize == "nfc" else None,
        "pre_tokenizer": build_split(spec.split or "gpt2", add_prefix_space=spec.add_prefix_space),
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    }


def _template(spec: TokenizerSpec, strings: Sequence[str]) -> dict[str, Any] | None:
    if not (spec.prefix or spec.suffix):
        return None

    def around(text: str, kind: int, prefix: Sequence[int]) -> list[Mapping[str, Any]]:
        piece = [{"SpecialToken": {"id": strings[token], "type_id": kind}} for token in prefix]
        tail = [{"SpecialToken": {"id": strings[token], "type_id": kind}} for token in spec.suffix]
        return [*piece, {"Sequence": {"id": text, "type_id": kind}}, *tail]

    return {
        "type": "TemplateProcessing",
        "single": around("A", 0, spec.prefix),
        "pair": [*around("A", 0, spec.prefix), *around("B", 1, ())],
        "special_tokens": {
            strings[token]: {"id": strings[token], "ids": [token], "tokens": [strings[token]]}
            for token in (*spec.prefix, *spec.suffix)
        },
    }


def _model(
    spec: TokenizerSpec, strings: Sequence[str], vocabulary: Mapping[str, int], merges: Sequence[str]
) -> dict[str, Any]:
    if spec.model == "wordpiece":
        return {
            "type": "WordPiece",
            "unk_token": strings[spec.unknown or 0],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": spec.max_word_chars,
            "vocab": vocabulary,
        }
    flags = dict.fromkeys(("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"))
    return {
        "type": "BPE",
        **flags,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": spec.ignore_merges,
        "vocab": vocabulary,
        "merges": [merge.split(" ") for merge in merges],
    }
