"""Does a build that is killed five times end in the same bytes as one that is not?

One reference build; then the same build in a fresh folder, killed with SIGKILL at five random moments and started again
each time. The packages must be equal byte for byte, and no stage that had finished may have run again.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from claims import Claims
from smallwright.pipeline.stage import CARD, hash_file

# A smaller demo: the same stages, fewer rows and epochs.
SMALLER = (
    "data.max_rows=3000",
    "teacher.finetune.epochs=2",
    "distill.epochs=3",
    "distill.transfer_rows=3000",
    "evaluate.latency_rounds=1",
    "assistant.data.max_rows=2000",
    "assistant.distill.epochs=1",
    "assistant.evaluate.latency_rounds=1",
)


def _command(out: Path) -> list[str]:
    overrides = [part for item in SMALLER for part in ("--set", item)]
    return [sys.executable, "-m", "smallwright", "demo", "--out", str(out), *overrides]


def _cards(out: Path) -> dict[str, int]:
    """Every finished stage, with the moment its card was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in out.rglob(CARD)}


def _build(out: Path) -> float:
    began = time.monotonic()
    done = subprocess.run(_command(out), capture_output=True, text=True)
    if done.returncode not in (0, 10):  # 10: built, but over a budget that this smaller run need not keep
        sys.exit(f"the build failed with {done.returncode}: {done.stderr[-2000:]}")
    return time.monotonic() - began


def _kill_after(out: Path, seconds: float) -> bool:
    """Start the build and kill it after some time; false when it had finished before."""
    process = subprocess.Popen(
        _command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def main() -> None:
    """Run both builds and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=5)
    arguments = parser.parse_args()
    claims = Claims("kill_and_resume", "Does a killed and resumed build end in the same bytes?")
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        seconds = _build(whole)
        moments = sorted(draw.uniform(0.05, 0.95) * seconds for _ in range(arguments.kills))
        kills, rerun, before, last = 0, [], {}, 0.0
        for moment in moments:
            kills += _kill_after(killed, moment - last)
            last = moment
            now = _cards(killed)
            rerun += [name for name, written in before.items() if now.get(name) != written]
            before = now
            print(f"killed at {moment:.1f} s; {len(now)} stages complete", flush=True)
        _build(killed)
        now = _cards(killed)
        rerun += [name for name, written in before.items() if now.get(name) != written]
        packages = [sorted(out.glob("*/*.gguf")) for out in (whole, killed)]
        claims.check("builds killed while running", kills, ">=", arguments.kills)
        claims.check("finished stages that ran again", len(rerun), "==", 0)
        claims.check("packages written by each build", [len(found) for found in packages], "==", [2, 2])
        hashes = [[hash_file(path) for path in found] for found in packages]
        claims.check("the packages' SHA-256 after the kills", hashes[1], "==", hashes[0])
    claims.numbers.update(seed=arguments.seed, moments_seconds=moments, uninterrupted_seconds=seconds, rerun=rerun)
    claims.finish()


if __name__ == "__main__":
    main()
