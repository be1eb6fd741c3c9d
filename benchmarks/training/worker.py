"""One training loop in a process of its own, that takes turns with another: see segments.py.

Enters: ours or hugging_face, a workload, its folder, segments and threads. Leaves: a JSON line a segment.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from training.segments import Segments
from training.workloads import WORKLOADS


def main() -> None:
    """Train."""
    system, name, folder, segments, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    workload = WORKLOADS[name]
    if system == "ours":
        from training.ours import run
    else:
        from training.hugging_face import run
    # One step more than is timed: the last segment ends where a step after it would begin.
    run(workload, Path(folder), Segments(workload.segment), workload.segment * int(segments) + 1)


if __name__ == "__main__":
    main()
