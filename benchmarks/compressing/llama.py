"""llama.cpp's own quantiser and its own judge: llama-imatrix, llama-quantize and llama-perplexity.

Enters: files and texts. Leaves: files, and what llama.cpp says of them.
Not here: building the programs (peers/install.py).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import gguf

from peers.layout import Layout

_ESTIMATE = re.compile(r"Final estimate: PPL = ([0-9.]+) \+/- ([0-9.]+)")

_TRIES = 3  # its log is written by a thread of its own, whose last line is lost at times on a busy machine


@dataclass(frozen=True)
class LlamaTools:
    """The programs of one build."""

    layout: Layout

    def make_importance(self, model: Path, text: Path, out: Path, *, context: int) -> Path:
        """The importance matrix of a text: mean squares of what enters each matrix."""
        self._run("imatrix", ["-m", model, "-f", text, "-o", out, "-c", context, "-b", context, "-ub", context])
        return out

    def quantize(self, model: Path, out: Path, kind: str, importance: Path) -> str:
        """Write ``out`` and give what the program said of each matrix.

        The program pads its header to 32 bytes where the alignment is 64, so that about every second file lacks 32
        bytes in the middle. Its header holds the path of the importance matrix: 32 letters more there mend that.
        """
        longer = importance.with_name(f"{importance.stem}{32 * '_'}{importance.suffix}")
        shutil.copyfile(importance, longer)
        for matrix in (importance, longer):
            said = self._run("quantize", ["--imatrix", matrix, model, out, kind, 1], threads=False)
            with contextlib.suppress(ValueError):
                gguf.GGUFReader(out)
                return said
        raise RuntimeError(f"llama-quantize must write a whole file. Got one that gguf cannot read: {out}.")

    def perplexity(self, model: Path, text: Path, *, context: int) -> tuple[float, float]:
        """Perplexity and its standard error: of the second half of every block of ``context`` tokens."""
        words: list[object] = ["-m", model, "-f", text, "-c", context, "-b", context, "-ub", context]
        for _ in range(_TRIES):
            found = _ESTIMATE.search(said := self._run("perplexity", words))
            if found is not None:
                return float(found[1]), float(found[2])
        raise RuntimeError(f"llama-perplexity must give an estimate. Got: {said[-300:]} for {model}.")

    def _run(self, name: str, words: list[object], *, threads: bool = True) -> str:
        folder = self.layout.llama_tools_build / "bin"
        command = [str(folder / f"llama-{name}"), *(str(word) for word in words), *(["-t", "1"] if threads else [])]
        environment = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        said = done.stdout + done.stderr
        if done.returncode:
            raise RuntimeError(f"llama-{name} must succeed. Got status {done.returncode}: {said[-500:]}")
        return said
