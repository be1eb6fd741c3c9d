"""The pre-tokenising patterns that the engine knows, by the name that ``TokenizerSpec.split`` carries.

Enters: the ``pre_tokenizer`` part of a tokenizer.json, or a split's name. Leaves: the other one.
Not here: what the patterns match; the tokenizers library does that here, the engine's own code there.
"""

from __future__ import annotations

from typing import Any

GPT2_PATTERNS = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
)
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")

_BY_PATTERN = {LLAMA3_PATTERN: "llama3", QWEN2_PATTERN: "qwen2", **dict.fromkeys(GPT2_PATTERNS, "gpt2")}
_PATTERNS = {"llama3": LLAMA3_PATTERN, "qwen2": QWEN2_PATTERN}


def find_split(pre_tokenizer: dict[str, Any] | None) -> tuple[str, bool] | None:
    """The split's name and whether a space is put before the text, or None where the pattern is not known."""
    parts = _flatten(pre_tokenizer)
    if not parts or parts[-1].get("type") != "ByteLevel":
        return None
    uses_regex = parts[-1].get("use_regex", True)
    prefix_space = bool(parts[-1].get("add_prefix_space", False))
    if len(parts) == 1:
        return ("gpt2", prefix_space) if uses_regex else None
    if len(parts) > 2 or prefix_space:
        return None
    first = parts[0]
    if first.get("type") == "Digits":
        return ("smollm", False) if first.get("individual_digits") and uses_regex else None
    if first.get("type") != "Split" or uses_regex:
        return None
    whole = (first.get("behavior"), bool(first.get("invert"))) in (("Isolated", False), ("Removed", True))
    name = _BY_PATTERN.get(first.get("pattern", {}).get("Regex", ""))
    return (name, False) if whole and name else None


def build_split(split: str, *, add_prefix_space: bool = False) -> dict[str, Any]:
    """The ``pre_tokenizer`` part of a tokenizer.json for a split of ``spec.tokenizer.SPLITS``."""
    bytes_of_gpt2 = {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True, "use_regex": True}
    if split == "gpt2":
        return bytes_of_gpt2
    if split == "smollm":
        return {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, bytes_of_gpt2]}
    cut = {"type": "Split", "pattern": {"Regex": _PATTERNS[split]}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [cut, {**bytes_of_gpt2, "use_regex": False}]}


def _flatten(pre_tokenizer: dict[str, Any] | None) -> list[dict[str, Any]]:
    if pre_tokenizer is None:
        return []
    if pre_tokenizer.get("type") == "Sequence":
        return [part for inner in pre_tokenizer.get("pretokenizers", []) for part in _flatten(inner)]
    return [pre_tokenizer]
