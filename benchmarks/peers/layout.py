"""Where everything of the peers stands, outside the repository.

Enters: SMALLWRIGHT_PEERS, or nothing. Leaves: paths. Not here: making what stands there.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "SMALLWRIGHT_PEERS"
ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).resolve().parent


class PeersError(Exception):
    """A peer is missing or broken; one line says what, where, and what to do."""


@dataclass(frozen=True)
class Layout:
    """The scratch folder. Delete it to begin anew; parts that are there are used again."""

    root: Path

    @property
    def models(self) -> Path:
        """One folder a model, with ``hf`` and every engine's file."""
        return self.root / "models"

    @property
    def llama_build(self) -> Path:
        """llama.cpp's build; its libraries are in ``bin``."""
        return self.root / "llama"

    @property
    def llama_tools_build(self) -> Path:
        """Another build of llama.cpp, with its own tools; the programs are in ``bin``."""
        return self.root / "llama-tools"

    @property
    def engine_build(self) -> Path:
        """Our engine, built for these measurements."""
        return self.root / "engine"

    def python(self, venv: str) -> Path:
        """The interpreter of a peer's virtual environment."""
        return self.root / "venvs" / venv / "bin" / "python"

    def program(self, name: str) -> Path:
        """A program compiled from the C++ beside this file."""
        return self.root / "bin" / name

    def log(self, name: str) -> Path:
        """What an installation or export step said."""
        return self.root / "logs" / f"{name}.log"


def find_layout() -> Layout:
    """The folder that SMALLWRIGHT_PEERS names, else one in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    root = Path(os.environ.get(VARIABLE) or Path(cache) / "smallwright" / "peers").expanduser().resolve()
    if root == ROOT or ROOT in root.parents:
        raise PeersError(f"{VARIABLE} must name a folder outside the repository. Got {root}. Choose another folder.")
    return Layout(root)


def run_logged(
    command: Sequence[str | Path], log: Path, *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> None:
    """Run a step; what it says is appended to its log.

    Raises:
        PeersError: it did not succeed, with its last line.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    with log.open("a", encoding="utf-8") as said:
        print(f"$ {' '.join(words)}", file=said, flush=True)
        done = subprocess.run(
            words, stdout=said, stderr=subprocess.STDOUT, cwd=cwd, env={**os.environ, **(environment or {})}
        )
    if done.returncode:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1]
        raise PeersError(
            f"every peer must be prepared. Got exit status {done.returncode} from {' '.join(words)[:120]}: {last[:200]}"
            f" Read {log}, mend it, and run `make peers` again."
        )
