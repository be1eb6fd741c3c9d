"""What becomes of a prompt before it is tokenised, where a package answers prompts.

Enters: plain values. Leaves: a frozen ``PromptForm``, carried inside ``KEY_TASK``; the engine applies it at run time.
Not here: the tokenizer's own prefix; chat templates.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PromptForm:
    """``begin`` and ``end`` stand before and after a prompt; ``lowercase``: its letters become small, character by
    character (answers keep their case)."""

    begin: str = ""
    end: str = "\n"
    lowercase: bool = False
