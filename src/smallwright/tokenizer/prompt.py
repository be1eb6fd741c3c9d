"""Prompts as the engine writes them before it tokenises them.

Enters: a prompt and a ``PromptForm``. Leaves: the text whose tokens a model learns and, at run time, reads.
Not here: the tokenizer's own normaliser and prefix.
"""

from __future__ import annotations

from tokenizers.normalizers import Lowercase

from smallwright.spec.prompt import PromptForm

_LOWERCASE = Lowercase()


def write_prompt(text: str, form: PromptForm) -> str:
    """The prompt between ``begin`` and ``end``; where the form says so, its letters small, character by character."""
    return f"{form.begin}{_LOWERCASE.normalize_str(text) if form.lowercase else text}{form.end}"
