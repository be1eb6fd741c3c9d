"""Does the engine's tokenizer take time in proportion to the text, whatever the text is?

Texts of one piece repeated, which make a careless tokenizer quadratic, at 32 kB and at 256 kB; tokens are compared with
the tokenizers library's, whose time stands beside ours. Eight times the text takes 8 times the time at best; an
algorithm of quadratic cost takes 64.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from claims import ROOT, Claims

sys.path.insert(0, str(ROOT))  # the tokenizers that the tests make

from tests.properties.native_tokenizers import Engine, make_library, write_around

KINDS = ("gpt2", "llama3", "bert_uncased", "pairs_smollm")
UNITS = ("a", "ab ", " ", "1", "é", "\n", "'", "\u0301", "<|")
SHORT, LONG, ROUNDS = 32_000, 256_000, 5


def _median_seconds(run: Callable[[str], object], text: str) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        run(text)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    """Compare the tokens, then time both lengths in turn."""
    claims = Claims("long_texts", "Does the tokenizer take time in proportion to the text?")
    table = {}
    unequal = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            library = make_library(kind)
            path = Path(folder) / f"{kind}.gguf"
            write_around(library, path)
            engine = Engine(path)
            for unit in UNITS:
                short, long = (unit * (size // len(unit.encode())) for size in (SHORT, LONG))
                if engine.encode(long) != library.encode(long).ids:
                    unequal.append((kind, unit))
                tokenize = engine.package.tokenize
                ratio = _median_seconds(tokenize, long) / _median_seconds(tokenize, short)
                seconds, peer = _median_seconds(tokenize, long), _median_seconds(library.encode, long)
                table[f"{kind} {unit!r}"] = {"ratio": ratio, "seconds": seconds, "library_seconds": peer}
                print(f"{kind:<14} {unit!r:<8} {ratio:5.1f} x   {seconds * 1e3:7.1f} ms, library {peer * 1e3:7.1f} ms")
    claims.check("texts of 256 kB whose tokens differ from the tokenizers library's", len(unequal), "==", 0)
    worst = max(table, key=lambda name: table[name]["ratio"])
    claims.check(f"time of 256 kB / time of 32 kB, the worst ({worst})", round(table[worst]["ratio"], 1), "<=", 24)
    beside = statistics.median(row["library_seconds"] / row["seconds"] for row in table.values())
    claims.check("the library's time / ours, median text of 256 kB", round(beside, 2), ">=", 1)
    claims.numbers.update(texts=table, rounds=ROUNDS)
    claims.finish()


if __name__ == "__main__":
    main()
