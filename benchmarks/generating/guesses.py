"""Do guesses by prompt lookup ever change a text, what do they bring, and cost where they bring nothing?"""

from __future__ import annotations

import statistics
from typing import Any

from claims import Claims
from generating.models import make_prompts, open_model, seconds, spread
from smallwright.run import Package

THREADS, PROMPTS, TOKENS = 2, 1000, 160
LEAST_ORDINARY = 0.97


def measure(claims: Claims, rounds: int) -> None:
    """Check on many prompts, then time texts that repeat themselves and texts that do not."""
    with open_model("8M", THREADS) as package:
        same = 0
        for number, prompt in enumerate(make_prompts(PROMPTS, 3 + 9)):
            way: dict[str, Any] = {"temperature": 0.0 if number % 4 else 0.8, "seed": number}
            plain = package.complete(prompt, 48, lookup=False, **way)
            same += plain.tokens == package.complete(prompt, 48, **way).tokens
        claims.check("of 1000 prompts, texts that guesses leave the same", same, "==", PROMPTS)
    for model in ("55M", "135M"):
        with open_model(model, THREADS) as package:
            repetitive = [_gain(package, number, {}) for number in range(2 * rounds)]
            ordinary = [_gain(package, number, {"temperature": 1.0, "seed": number}) for number in range(2 * rounds)]
        print(f"{model}: {statistics.median(repetitive):.2f} times as fast where a text repeats itself, "
              f"{statistics.median(ordinary):.2f} where it does not", flush=True)  # fmt: skip
        claims.numbers[f"guesses {model}"] = {"repetitive": spread(repetitive), "ordinary": spread(ordinary)}
        ratio = round(statistics.median(ordinary), 3)
        claims.check(f"{model}: speed with guesses over without, ordinary text", ratio, ">=", LEAST_ORDINARY)


def _gain(package: Package, number: int, way: dict[str, Any]) -> float:
    """Seconds without guesses over seconds with them, of one text; which comes first changes."""
    prompt = make_prompts(number + 1, 12)[number]
    taken: dict[bool, float] = {}
    for lookup in (True, False) if number % 2 else (False, True):
        taken[lookup] = seconds(lambda lookup=lookup: package.complete(prompt, TOKENS, lookup=lookup, **way))  # type: ignore[misc]
    return taken[False] / taken[True]
