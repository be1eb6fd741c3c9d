"""Who is measured, with which file and settings: a table.

Enters: a name. Leaves: the command of one process, its environment and its file. Not here: running it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from peers.layout import SOURCES, Layout, PeersError

OURS = "ours q4_0"
OURS_FILE = "q4_0_spans.gguf"
PREPARED_FILE = "prepared.gguf"  # the same bytes, with packed weights beside them (smallwright prepare)
LLAMA = "llama.cpp q4_0"
SW_RUN, PREPARED_RUN, PYTHON_RUN = "sw-run", "sw-run, prepared", "smallwright run"
Command = Callable[[Layout, Path, int], list[str]]


@dataclass(frozen=True)
class Engine:
    """One row. ``file``: below a model's folder. ``family``: what ``--engines`` selects. ``answers``: a person's
    command, of which only the first token is timed, instead of a worker."""

    name: str
    family: str
    file: str
    command: Command
    environment: Mapping[str, str] = field(default_factory=dict)
    answers: bool = False

    @property
    def is_peer(self) -> bool:
        """Whether it is somebody else's."""
        return self.family != "ours"

    def size_bytes(self, model: Path) -> int:
        """The weights' file, or folder without its tokenizer."""
        path = model / self.file
        if path.is_file():
            return path.stat().st_size
        return sum(part.stat().st_size for part in path.rglob("*") if part.is_file() and "token" not in part.name)


def _program(name: str) -> Command:
    return lambda layout, path, threads: [str(layout.program(name)), str(path), str(threads)]


def _script(venv: str, name: str) -> Command:
    script = str(SOURCES / f"worker_{name}.py")
    return lambda layout, path, threads: [str(layout.python(venv)), script, str(path), str(threads)]


def _sw_run(layout: Layout, path: Path, threads: int) -> list[str]:
    return [str(layout.engine_build / "sw-run"), str(path), "--threads", str(threads), "--max-tokens", "1"]


def _python_run(_layout: Layout, path: Path, threads: int) -> list[str]:
    options = ["--threads", str(threads), "--max-tokens", "1"]
    return [sys.executable, "-m", "smallwright", "run", str(path), *options]


_LLAMA_WORKER = _program("llama_worker")
_PLAIN = {"PEER_FLASH": "0", "PEER_REPACK": "0"}
ENGINES = (
    Engine(OURS, "ours", OURS_FILE, _program("sw_worker")),
    Engine(SW_RUN, "ours", OURS_FILE, _sw_run, answers=True),
    Engine(PREPARED_RUN, "ours", PREPARED_FILE, _sw_run, answers=True),
    Engine(PYTHON_RUN, "ours", OURS_FILE, _python_run, answers=True),
    Engine(LLAMA, "llama", "q4_0.gguf", _LLAMA_WORKER),
    Engine("llama.cpp q4_0, as stored", "llama", "q4_0.gguf", _LLAMA_WORKER, {"PEER_REPACK": "0"}),
    Engine("llama.cpp q4_0, plain", "llama", "q4_0.gguf", _LLAMA_WORKER, _PLAIN),
    Engine("llama.cpp iq4_nl", "llama", "iq4_nl.gguf", _LLAMA_WORKER),
    Engine("llama.cpp q8_0", "llama", "q8_0.gguf", _LLAMA_WORKER),
    Engine("openvino int4", "openvino", "openvino_int4", _script("openvino", "openvino")),
    Engine("openvino int8", "openvino", "openvino_int8", _script("openvino", "openvino")),
    Engine("ort-genai int4", "genai", "genai_int4", _script("genai", "genai")),
    Engine("ort-genai int8", "genai", "genai_int8", _script("genai", "genai")),
    Engine("ctranslate2 int8", "ctranslate2", "ct2_int8", _script("ctranslate2", "ctranslate2")),
)
FAMILIES = tuple(dict.fromkeys(engine.family for engine in ENGINES))


def list_engines(words: str) -> list[Engine]:
    """Engines of the families in a list with commas."""
    families = [word.strip() for word in words.split(",") if word.strip()]
    strange = [family for family in families if family not in FAMILIES]
    if strange or not families:
        raise SystemExit(f"engines are among {', '.join(FAMILIES)}. Got {words!r} in --engines. Use these names.")
    return [engine for engine in ENGINES if engine.family in families]


def check_ready(layout: Layout, engines: list[Engine], models: list[str]) -> None:
    """Refuse to begin while anything is missing: a benchmark without its peers claims nothing.

    Raises:
        PeersError: a program or a file is not there.
    """
    needed = {Path(engine.command(layout, Path(), 1)[0]) for engine in engines}
    needed |= {layout.models / model / engine.file for engine in engines for model in models}
    needed |= {layout.program("probe")}
    missing = sorted(str(path) for path in needed if not path.exists())
    if missing:
        raise PeersError(
            f"every peer must be there before the first is measured. Got no {missing[0]} ({len(missing)} missing). "
            "Run `make peers`."
        )
