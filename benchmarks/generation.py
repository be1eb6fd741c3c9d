"""What do batching, constraints, guesses and remembered beginnings bring, and do they ever change a text?

Random-weight models of the peers' comparison (`make peers`), q4_0, 2 threads; llama.cpp with the same files beside it.
`--part` runs one of the four parts (benchmarks/generating) by hand.
"""

from __future__ import annotations

import argparse

from claims import Claims
from generating import batching, beginnings, constraints, guesses

PARTS = {"batching": batching, "constraints": constraints, "guesses": guesses, "beginnings": beginnings}


def main() -> None:
    """Run the parts in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--part", choices=[*PARTS], action="append", help="only this one")
    asked = parser.parse_args()
    claims = Claims("generation", "What do batching, constraints, guesses and remembered beginnings bring?")
    for name in asked.part or PARTS:
        print(f"{name} ...", flush=True)
        PARTS[name].measure(claims, asked.rounds)
    claims.numbers["rounds"] = asked.rounds
    claims.finish()


if __name__ == "__main__":
    main()
