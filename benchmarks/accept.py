"""Does everything that the docs claim hold, here and now?

Runs every benchmark in ORDER as a process of its own, and writes the last line of each (JSON) to benchmarks/results/,
as SCRIPT.json, or SCRIPT_PART.json. Hours; a part alone: accept.py "distillation.py --part small".
Fails, never skips: a benchmark that cannot run counts as failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
ORDER = (
    "clinc150.py",
    "demo.py",
    "home_assistant.py",
    "shakespeare.py",
    "kill_and_resume.py",
    "hostile_files.py",
    "long_texts.py",
    "classify_latency.py",
    "classify_vs_peers.py",
    "engine_vs_peers.py",
    "generation.py",
    "sparse_speed.py",
    "compression_cost.py",
    *(f"compression.py --part {part}" for part in ("language", "classifier", "aware", "combinations")),
    "training_throughput.py",
    *(f"distillation.py --part {part}" for part in ("few_labels", "memory", "domains", "small", "ensemble")),
    *(f"distillation.py --part {part}" for part in ("augment", "new_rows", "load", "progressive", "language", "notes")),
)


def _command(script: str) -> list[str]:
    file, *arguments = script.split()
    return [str(HERE / file), *arguments]


def _name(script: str) -> str:
    """Of the result: the file, and the part that is run."""
    return script.replace(".py --part ", "_").removesuffix(".py")


def _run(script: str) -> dict[str, object]:
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, *_command(script)], stdout=subprocess.PIPE, text=True)
    last = ""
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line if line.strip() else last
    code = process.wait()
    try:
        document = json.loads(last)
    except ValueError:
        document = {"benchmark": _name(script), "ok": False, "error": f"no result; exit status {code}"}
    document["seconds"] = round(time.monotonic() - began, 1)
    document["ok"] = bool(document.get("ok")) and code == 0
    return document


def main() -> None:
    """Run them all (or those named), write each result, and fail if one failed."""
    failed = []
    names = sys.argv[1:] or ORDER
    for script in names:
        print(f"\n=== {script}", flush=True)
        document = _run(script)
        text = json.dumps(document, indent=1, sort_keys=True)
        (RESULTS / f"{_name(script)}.json").write_text(text + "\n", encoding="utf-8")
        if not document["ok"]:
            failed.append(script)
    print(f"\n{len(names) - len(failed)} held, {len(failed)} failed{': ' + ', '.join(failed) if failed else ''}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
