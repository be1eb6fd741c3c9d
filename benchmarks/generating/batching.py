"""How many tokens a second do 1, 8 and 32 texts get that grow together, beside llama.cpp's parallel decoding?"""

from __future__ import annotations

import statistics

from claims import Claims
from generating.models import ask_llama, make_prompts, open_model, seconds, spread
from smallwright.run import Package

TOGETHER, TOKENS, THREADS = (1, 8, 32), 64, 2
LEAST_GAIN = {"135M": 3.0}
"""Tokens a second at 8 texts over those at 1, where weights come from memory."""


def measure(claims: Claims, rounds: int) -> None:
    """Check that texts are those that they are alone, then time."""
    for model in ("55M", "135M"):
        with open_model(model, THREADS) as package:
            _check_answers(claims, model, package)
            ours: dict[int, list[float]] = {count: [] for count in TOGETHER}
            theirs: dict[int, list[float]] = {count: [] for count in TOGETHER}
            for _ in range(rounds):
                for count in TOGETHER:
                    ours[count].append(_rate(package, count))
                    theirs[count].append(ask_llama(model, THREADS, "together", str(count))["tokens_per_second"])
        medians = {count: statistics.median(rates) for count, rates in ours.items()}
        for count in TOGETHER:
            other = statistics.median(theirs[count])
            print(f"{model:5} {count:3} texts: {medians[count]:8.0f} tokens/s; llama.cpp {other:8.0f}", flush=True)
            claims.numbers[f"batching {model} {count}"] = {
                "ours": spread(ours[count]),
                "llama.cpp": spread(theirs[count]),
            }
        gain = medians[8] / medians[1]
        if model in LEAST_GAIN:
            claims.check(f"{model}: tokens/s of 8 texts over 1", round(gain, 2), ">=", LEAST_GAIN[model])
        for count in TOGETHER:
            ratio = medians[count] / statistics.median(theirs[count])
            claims.check(f"{model}: {count} texts, tokens/s over llama.cpp's", round(ratio, 2), ">=", 1.0)


def _check_answers(claims: Claims, model: str, package: Package) -> None:
    prompts = make_prompts(32, 9)
    together = package.generate(prompts, 24)
    alone = [package.generate(prompt, 24) for prompt in prompts]
    same = sum(a == b for a, b in zip(together, alone, strict=True))
    claims.check(f"{model}: of 32 texts, those that are the same alone", same, "==", 32)


def _rate(package: Package, count: int) -> float:
    """Tokens a second after the first one, of all texts; prompts are not counted."""
    prompts = make_prompts(count, 9)
    made = [0]

    def grow(tokens: int) -> None:
        made[0] = sum(len(answer.tokens) for answer in package.complete(prompts, tokens, lookup=False))

    first = seconds(lambda: grow(1))
    began = made[0]
    whole = seconds(lambda: grow(TOKENS + 1))
    return (made[0] - began) / (whole - first)
