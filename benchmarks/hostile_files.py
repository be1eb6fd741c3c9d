"""Do 60,000 mutated packages ever crash the engine, or do its threads ever race?

Runs the slow attack tests (10,000 mutations through the binding, in child processes), then `make sanitize`: the engine
built with the address and undefined-behaviour sanitizers under its own tests and under a fuzz driver (50,000 mutations,
half of the files opened in place), and `make sanitize-threads`: the same tests and a stress program under the thread
sanitizer. Expects no report. Needs a C++ compiler and cmake.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

from claims import ROOT, Claims


def main() -> None:
    """Run both and check."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    claims = Claims("hostile_files", "Do 60,000 mutated packages ever crash the engine, or do its threads ever race?")
    attack = [sys.executable, "-m", "pytest", "-m", "slow", "tests/attacks", "-s"]
    done = subprocess.run(attack, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout[-2000:])
    mutations = sum(int(count) for count in re.findall(r"(\d+) mutations", done.stdout))
    claims.check("attack tests' exit status", done.returncode, "==", 0)
    claims.check("mutated files opened in child processes", mutations, ">=", 10_000)
    sanitized = subprocess.run(["make", "sanitize"], cwd=ROOT, capture_output=True, text=True)
    print(sanitized.stdout[-2000:], sanitized.stderr[-2000:])
    claims.check("sanitizer build's exit status", sanitized.returncode, "==", 0)
    fuzzed = sum(int(count) for count in re.findall(r"(\d+) mutations, no crash", sanitized.stdout))
    claims.check("mutated files opened under the sanitizers", fuzzed, ">=", 50_000)
    reports = len(re.findall(r"(AddressSanitizer|runtime error)", sanitized.stdout + sanitized.stderr))
    claims.check("sanitizer reports", reports, "==", 0)
    threads = subprocess.run(["make", "sanitize-threads"], cwd=ROOT, capture_output=True, text=True)
    print(threads.stdout[-2000:], threads.stderr[-2000:])
    claims.check("thread sanitizer build's exit status", threads.returncode, "==", 0)
    races = len(re.findall(r"WARNING: ThreadSanitizer", threads.stdout + threads.stderr))
    claims.check("thread sanitizer reports", races, "==", 0)
    claims.finish()


if __name__ == "__main__":
    main()
