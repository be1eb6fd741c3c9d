"""A teacher's own completions of prompts, asked for once and kept on disk: what sequence-level distillation learns.

Enters: the teacher as a package, and prompts. Leaves: its greedy answers, in the order of the prompts.
Not here: packaging the teacher, and rows made of its text (pipeline/written.py); its logits (language.py).

The engine writes, not PyTorch: the torch reference keeps no keys and values, and would read the whole text again for
every new token.

Source: Kim and Rush, Sequence-Level Knowledge Distillation (2016), section 3.2, with greedy decoding for beam search.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from smallwright.evaluate.cost import answer_batches

TEXTS = "texts.jsonl"


@dataclass(frozen=True)
class WrittenText:
    """One answer. ``whole``: it ended by itself. ``asked``: False where the prompt is longer than the context; the text
    is then empty."""

    text: str
    whole: bool
    asked: bool


def write_texts(
    package: Path, prompts: Sequence[str], out: Path, *, max_tokens: int, threads: int = 0, timeout_seconds: float
) -> list[WrittenText]:
    """Let a teacher complete prompts; what ``out`` holds already is not asked again.

    Args:
        package: the teacher; one with a schema answers under it.
        prompts: N texts.
        out: a folder of this package and these prompts alone (nothing here can tell another's answers). ``texts.jsonl``
            grows by a batch of answers at a time, so that a killed call goes on after its last whole line.
        max_tokens: most tokens of one answer.
        threads: 0 means all cores. The answers do not depend on it.
        timeout_seconds: longest wait for one batch of answers.
    Returns:
        (N,) answers.
    Raises:
        EngineError: the process fails.
        PackageError: the package cannot be opened.
    """
    path = out / TEXTS
    done = _read_whole_lines(path)[: len(prompts)]
    waiting = list(prompts[len(done) :])
    if not waiting:
        return done
    batches = answer_batches(package, waiting, max_tokens=max_tokens, threads=threads, timeout_seconds=timeout_seconds)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        for answers in batches:
            some = [
                WrittenText(text, whole, score is not None)
                for text, whole, score in zip(answers.texts, answers.whole, answers.scores, strict=True)
            ]
            file.write("".join(json.dumps(asdict(text), ensure_ascii=False) + "\n" for text in some))
            file.flush()
            os.fsync(file.fileno())
            done += some
    return done


def _read_whole_lines(path: Path) -> list[WrittenText]:
    """The answers that stand in the file; a line that a kill cut short is taken away, and so is all after it."""
    if not path.is_file():
        return []
    found: list[WrittenText] = []
    kept = 0
    content = path.read_bytes()
    for line in content.splitlines(keepends=True):
        try:
            text = WrittenText(**json.loads(line))
        except (ValueError, TypeError):
            break
        if not line.endswith(b"\n"):
            break
        found.append(text)
        kept += len(line)
    if kept < len(content):
        with path.open("r+b") as file:
            file.truncate(kept)
    return found
