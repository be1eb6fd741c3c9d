"""A teacher's tokenizer from its folder.

Enters: a Hugging Face folder, or a tokenizer.json. Leaves: a ``tokenizers.Tokenizer`` without padding or truncation.
Not here: SentencePiece models and other kinds that the engine does not have; they are refused.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer

from smallwright.errors import CheckpointError
from smallwright.tokenizer.describe import describe

ROLES = ("bos", "eos", "sep", "pad", "cls", "mask")


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Load a tokenizer and check that the engine can do what it does.

    Args:
        path: a folder with tokenizer.json, or that file.
    Returns:
        The tokenizer, its padding and truncation switched off (lengths are ours to decide).
    Raises:
        CheckpointError: there is no such file, it is not a tokenizer.json, or it is of an unsupported kind.
    """
    place = Path(path)
    file = place / "tokenizer.json" if place.is_dir() else place
    if not file.is_file():
        raise CheckpointError(
            f"a teacher's folder must hold its tokenizer.json. Got none at {file}. "
            "Save the tokenizer again with transformers (save_pretrained of a fast tokenizer)."
        )
    try:
        tokenizer = Tokenizer.from_str(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise CheckpointError(f"a tokenizer.json must be UTF-8 text. Got {error} in {file}.") from error
    except Exception as error:  # the tokenizers library raises bare Exception for every malformed file
        raise CheckpointError(
            f"a tokenizer.json must be readable by the tokenizers library. Got: {error} in {file}. Download it again."
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    describe(tokenizer)
    return tokenizer


def load_roles(folder: str | Path) -> dict[str, str]:
    """Spellings of special tokens by role, from a folder's tokenizer_config.json and special_tokens_map.json.

    Args:
        folder: a Hugging Face folder.
    Returns:
        {role: spelling} for the roles of ``ROLES`` that the files name; empty where neither file exists.
    Raises:
        CheckpointError: a file is not JSON.
    """
    roles: dict[str, str] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        file = Path(folder) / name
        if not file.is_file():
            continue
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CheckpointError(f"{name} must be JSON. Got: {error} in {file}. Download it again.") from error
        for role in ROLES:
            token = content.get(f"{role}_token")
            spelling = token.get("content") if isinstance(token, dict) else token
            if isinstance(spelling, str):
                roles[role] = spelling
    return roles
