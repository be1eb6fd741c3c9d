"""One stage: a folder named by the hash of what went in, complete when its card is there.

Enters: settings, hashes of inputs, a function that fills a folder. Leaves: that folder and its ``card.json``.
Not here: what any stage does.

The card is written last and atomically, so its presence means complete. A stage that is interrupted leaves its folder
without a card; running it again continues from whatever the stage itself saved there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smallwright.errors import SmallwrightError

CARD = "card.json"
_HASH_CHARS = 16


class BusyError(SmallwrightError):
    """Another build is writing the same folder."""

    exit_code = 8


@dataclass(frozen=True)
class Stage:
    """What a stage is made of.

    Args:
        name: names the folder, with the hash behind it.
        version: raised by hand whenever the stage's code changes what it writes.
        settings: anything JSON can write that changes the outcome.
        inputs: name to content hash or key of an earlier stage.
        run: fills the folder it is given; returns facts for the card.
    """

    name: str
    version: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    run: Callable[[Path], Mapping[str, Any]] = field(compare=False)

    @property
    def key(self) -> str:
        """The hash of name, version, settings and inputs: 16 hexadecimal characters."""
        parts = {"name": self.name, "version": self.version, "settings": self.settings, "inputs": self.inputs}
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARS]


@dataclass(frozen=True)
class Outcome:
    """A finished stage: its folder, the facts on its card, and whether it ran now or was there already."""

    key: str
    folder: Path
    facts: Mapping[str, Any]
    cost: Mapping[str, float]
    ran: bool


def stage_folder(work: Path, stage: Stage) -> Path:
    """Where a stage lives inside the work folder."""
    return work / f"{stage.name}-{stage.key}"


def is_complete(work: Path, stage: Stage) -> bool:
    """Whether the stage's card is there."""
    return (stage_folder(work, stage) / CARD).is_file()


def run_stage(work: Path, stage: Stage) -> Outcome:
    """Run a stage unless its card is already there.

    Args:
        work: the folder of all stages of a recipe.

    Raises:
        SmallwrightError: whatever the stage refuses; its folder then has no card.
    """
    folder = stage_folder(work, stage)
    card_path = folder / CARD
    if card_path.is_file():
        card = json.loads(card_path.read_text(encoding="utf-8"))
        return Outcome(stage.key, folder, card["facts"], card["cost"], ran=False)
    folder.mkdir(parents=True, exist_ok=True)
    began, cpu = time.monotonic(), _cpu_seconds()
    facts = dict(stage.run(folder))
    cost = {
        "wall_seconds": round(time.monotonic() - began, 3),
        "cpu_seconds": round(_cpu_seconds() - cpu, 3),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    card = {
        "stage": stage.name,
        "version": stage.version,
        "key": stage.key,
        "settings": stage.settings,
        "inputs": stage.inputs,
        "facts": facts,
        "cost": cost,
    }
    write_atomically(card_path, json.dumps(card, indent=1, sort_keys=True, default=str) + "\n")
    return Outcome(stage.key, folder, facts, cost, ran=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file aside, flush it to the disk, then rename it into place."""
    aside = path.with_name(path.name + ".partial")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def hash_folder(folder: Path) -> str:
    """SHA-256 over the names and contents of all files below a folder, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{hash_file(path)}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def exclusive(work: Path) -> Iterator[None]:
    """Hold the work folder for this process. The lock dies with the process, however it ends.

    Raises:
        BusyError: another process holds it.
    """
    work.mkdir(parents=True, exist_ok=True)
    with (work / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"one build at a time may write a folder. Got another one in {work}. Wait for it."
            ) from error
        yield


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
