"""What a tokenizer is, read from the structure of its tokenizer.json.

Enters: a ``tokenizers.Tokenizer``. Leaves: a ``Description``: the pipeline, the vocabulary, the merges, the roles.
Not here: anything the engine cannot do; such a tokenizer is refused, and the message names the part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from smallwright.errors import CheckpointError
from smallwright.spec.tokenizer import TokenizerSpec
from smallwright.tokenizer.splits import find_split

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5  # GGML's token types

# Which special token plays which part where nothing else says so: the spelling that its maker gave it, first hit wins.
_SPELLINGS = {
    "bos": ("<|begin_of_text|>", "<s>", "<bos>", "[BOS]"),
    "eos": ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[EOS]", "<|im_end|>"),
    "sep": ("[SEP]",),
    "pad": ("[PAD]", "<pad>", "<|pad|>", "<|finetune_right_pad_id|>"),
    "cls": ("[CLS]",),
    "mask": ("[MASK]",),
}


@dataclass(frozen=True)
class Description:
    """A tokenizer in the terms of the package.

    ``vocabulary``: token strings as tokenizer.json spells them, by number; ``merges`` in order of rank (bpe);
    ``types``: GGML's token types, by number. Roles are numbers of tokens, None where there is none.
    """

    spec: TokenizerSpec
    vocabulary: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    types: tuple[int, ...]
    bos: int | None
    eos: int | None
    unknown: int | None
    sep: int | None
    pad: int | None
    cls: int | None
    mask: int | None


def describe(tokenizer: Tokenizer, roles: Mapping[str, str] | None = None) -> Description:
    """Describe a byte-level BPE or a BERT WordPiece tokenizer.

    Args:
        tokenizer: the tokenizer; its padding and truncation are not looked at.
        roles: spellings of special tokens by role (bos, eos, sep, pad, cls, mask), as ``load_roles`` reads them;
            roles not named are told by the template and by the usual spellings.
    Returns:
        The description; ``spec`` says all that the engine needs beside vocabulary and merges.
    Raises:
        CheckpointError: a part of the tokenizer is of a kind that the engine does not have; the message names it.
    """
    parts = json.loads(tokenizer.to_str())
    model = parts["model"]
    if model.get("type") not in ("BPE", "WordPiece"):
        raise _refusal("the model", model.get("type"), "byte-level BPE or WordPiece")
    added = _read_added(parts)
    vocabulary, types = _read_vocabulary(model, added)
    prefix, suffix = _read_template(parts.get("post_processor"), vocabulary)
    special = tuple(sorted(token["id"] for token in added if token["special"]))
    literal = tuple(sorted(token["id"] for token in added if not token["special"]))
    around = {"prefix": prefix, "suffix": suffix, "special": special, "literal": literal}
    if model["type"] == "BPE":
        spec = _describe_bpe(parts, around)
        merges = tuple(_read_merge(merge) for merge in model["merges"])
    else:
        spec, merges = _describe_wordpiece(parts, vocabulary, around), ()
    found = _find_roles(spec, vocabulary, dict(roles or {}))
    return Description(spec, vocabulary, merges, types, unknown=spec.unknown, **found)


def _refusal(part: str, value: object, known: str) -> CheckpointError:
    return CheckpointError(
        f"{part} of a tokenizer must be {known}. Got {value!r} in tokenizer.json. "
        "Use a teacher with such a tokenizer, or train one (tokenizer: {kind: train})."
    )


def _describe_bpe(parts: dict[str, Any], around: dict[str, Any]) -> TokenizerSpec:
    model = parts["model"]
    for key in ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback"):
        if model.get(key):
            raise _refusal(f"{key} of the BPE model", model[key], "off (byte-level BPE has no use for it)")
    missing = sorted(set(ByteLevel.alphabet()) - set(model["vocab"]))
    if missing:
        raise _refusal("the vocabulary", f"one without {len(missing)} of the 256 bytes", "one with all 256 byte tokens")
    split = find_split(parts.get("pre_tokenizer"))
    if split is None:
        raise _refusal(
            "the pre-tokenizer",
            parts.get("pre_tokenizer"),
            "byte-level with the pattern of GPT-2, Llama 3, Qwen2 or SmolLM",
        )
    if (parts.get("decoder") or {}).get("type") != "ByteLevel":
        raise _refusal("the decoder", parts.get("decoder"), "ByteLevel")
    return TokenizerSpec(
        model="bpe",
        split=split[0],
        normalize=_read_unicode_form(parts.get("normalizer")),
        add_prefix_space=split[1],
        ignore_merges=bool(model.get("ignore_merges", False)),
        **around,
    )


def _read_unicode_form(normalizer: dict[str, Any] | None) -> str | None:
    steps = normalizer.get("normalizers", []) if normalizer and normalizer["type"] == "Sequence" else [normalizer]
    kinds = [step["type"] for step in steps if step is not None]
    if kinds not in ([], ["NFC"]):
        raise _refusal("the normalizer of a BPE tokenizer", kinds, "none or NFC")
    return "nfc" if kinds else None


def _describe_wordpiece(parts: dict[str, Any], vocabulary: tuple[str, ...], around: dict[str, Any]) -> TokenizerSpec:
    model, normalizer = parts["model"], parts.get("normalizer") or {}
    if model.get("continuing_subword_prefix") != "##":
        raise _refusal("the continuation prefix of WordPiece", model.get("continuing_subword_prefix"), "'##'")
    if model.get("unk_token") not in model["vocab"]:
        raise _refusal("the unknown token of WordPiece", model.get("unk_token"), "in the vocabulary")
    if normalizer.get("type") != "BertNormalizer":
        raise _refusal("the normalizer of a WordPiece tokenizer", normalizer.get("type"), "BertNormalizer")
    if (parts.get("pre_tokenizer") or {}).get("type") != "BertPreTokenizer":
        raise _refusal("the pre-tokenizer of a WordPiece tokenizer", parts.get("pre_tokenizer"), "BertPreTokenizer")
    bad = [token for token in vocabulary if token.startswith("##\u2581") or token in ("", "##")]
    if bad:
        raise _refusal("a piece", bad[0], "spellable in the package, which marks word starts with U+2581")
    if around["literal"]:
        raise _refusal("an added token of WordPiece", vocabulary[around["literal"][0]], "special")
    lowercase = bool(normalizer["lowercase"])
    strip = normalizer.get("strip_accents")
    return TokenizerSpec(
        model="wordpiece",
        lowercase=lowercase,
        strip_accents=lowercase if strip is None else bool(strip),
        clean_text=bool(normalizer["clean_text"]),
        split_cjk=bool(normalizer["handle_chinese_chars"]),
        max_word_chars=int(model["max_input_chars_per_word"]),
        unknown=int(model["vocab"][model["unk_token"]]),
        **around,
    )


def _read_added(parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Added tokens, checked to be plain ones: found in the raw text, as they are spelled, wherever they stand."""
    for token in parts.get("added_tokens", []):
        for flag in ("single_word", "lstrip", "rstrip"):
            if token.get(flag):
                raise _refusal(f"{flag} of the added token {token['content']!r}", True, "off")
        if token.get("normalized") and parts.get("normalizer") is not None:
            raise _refusal(f"normalized of the added token {token['content']!r}", True, "off where text is normalised")
    return list(parts.get("added_tokens", []))


def _read_vocabulary(model: dict[str, Any], added: list[dict[str, Any]]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Strings and types by number; holes in the numbering become unused tokens."""
    strings: dict[int, str] = {number: token for token, number in model["vocab"].items()}
    types = dict.fromkeys(strings, NORMAL)
    for token in added:
        strings[token["id"]] = token["content"]
        types[token["id"]] = CONTROL if token["special"] else USER_DEFINED
    count = max(strings) + 1
    vocabulary = tuple(strings.get(number, f"[PAD{number}]") for number in range(count))
    return vocabulary, tuple(types.get(number, UNUSED) for number in range(count))


def _read_merge(merge: str | list[str]) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _read_template(
    processor: dict[str, Any] | None, vocabulary: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens before and after an input, from the post-processor."""
    steps = processor.get("processors", []) if processor and processor["type"] == "Sequence" else [processor]
    around: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    for step in steps:
        if step is None or step["type"] == "ByteLevel":
            continue
        if step["type"] in ("BertProcessing", "RobertaProcessing"):
            around = ((int(step["cls"][1]),), (int(step["sep"][1]),))
        elif step["type"] == "TemplateProcessing":
            around = _read_single(step)
        else:
            raise _refusal("the post-processor", step["type"], "a template around one text")
    return around


def _read_single(step: dict[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    before: list[int] = []
    after: list[int] = []
    seen_text = False
    for piece in step["single"]:
        if "Sequence" in piece:
            if seen_text:
                raise _refusal("the template", step["single"], "one that has the text once")
            seen_text = True
            continue
        (after if seen_text else before).extend(step["special_tokens"][piece["SpecialToken"]["id"]]["ids"])
    return tuple(before), tuple(after)


def _find_roles(spec: TokenizerSpec, vocabulary: tuple[str, ...], roles: dict[str, str]) -> dict[str, int | None]:
    numbers = {vocabulary[token]: token for token in (*spec.special, *spec.literal)}
    found: dict[str, int | None] = {}
    for role, spellings in _SPELLINGS.items():
        if role in roles and roles[role] not in numbers:
            raise _refusal(f"the {role} token", roles[role], "one of the added tokens")
        named = [roles[role]] if role in roles else spellings
        found[role] = next((numbers[spelling] for spelling in named if spelling in numbers), None)
    if spec.model == "wordpiece":
        found["cls"] = spec.prefix[0] if len(spec.prefix) == 1 else found["cls"]
        found["sep"] = spec.suffix[-1] if len(spec.suffix) == 1 else found["sep"]
        return found
    if "bos" not in roles and len(spec.prefix) == 1:
        found["bos"] = spec.prefix[0]
    if "eos" not in roles and len(spec.suffix) == 1:
        found["eos"] = spec.suffix[0]
    return found
