"""Does everything that the docs claim hold, here and now?

Runs every benchmark in ORDER as a process of its own, keeps the last line of each (JSON), and writes them all to
benchmarks/results/accept.json. Fails, never skips: a benchmark that cannot run counts as failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from claims import read_commit

HERE = Path(__file__).resolve().parent
ORDER = ("clinc150.py", "demo.py", "shakespeare.py", "kill_and_resume.py", "hostile_files.py", "classify_latency.py")


def _run(script: str) -> dict[str, object]:
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, str(HERE / script)], stdout=subprocess.PIPE, text=True)
    last = ""
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line if line.strip() else last
    code = process.wait()
    try:
        document = json.loads(last)
    except ValueError:
        document = {"benchmark": script.removesuffix(".py"), "ok": False, "error": f"no result; exit status {code}"}
    document["seconds"] = round(time.monotonic() - began, 1)
    document["ok"] = bool(document.get("ok")) and code == 0
    return document


def main() -> None:
    """Run them all, write the results, and fail if one failed."""
    names = sys.argv[1:] or list(ORDER)
    results = HERE / "results" / "accept.json"
    before = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    # One script alone (make accept is all of them) replaces its own entry and leaves the others.
    documents = {} if names == list(ORDER) else dict(before.get("benchmarks", {}))
    for script in names:
        print(f"\n=== {script}", flush=True)
        documents[script.removesuffix(".py")] = _run(script)
    failed = sorted(name for name, document in documents.items() if not document["ok"])
    summary = {"commit": read_commit(), "benchmarks": documents, "failed": failed}
    results.write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"\n{len(documents) - len(failed)} held, {len(failed)} failed{': ' + ', '.join(failed) if failed else ''}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
