"""How soon does the first token come when a long system prompt is remembered?"""

from __future__ import annotations

import statistics

from claims import Claims
from generating.models import make_prompts, open_model, seconds, spread

THREADS, LENGTH = 2, 1000
MOST_SHARE = 1 / 20


def measure(claims: Claims, rounds: int) -> None:
    """Check that answers are the same, then time the first token with and without."""
    for model in ("55M", "135M"):
        with open_model(model, THREADS) as package:
            system = make_prompts(1, 3 * LENGTH)[0]
            system = package.detokenize(package.tokenize(system)[:LENGTH])
            prompts = [f"{system} {prompt}" for prompt in make_prompts(rounds + 1, 4)]
            without = [package.complete(prompt, 8).tokens for prompt in prompts[:2]]
            slow = [seconds(lambda prompt=prompt: package.complete(prompt, 1)) for prompt in prompts]  # type: ignore[misc]
            package.remember(system)
            answers = [package.complete(prompt, 8) for prompt in prompts[:2]]
            fast = [seconds(lambda prompt=prompt: package.complete(prompt, 1)) for prompt in prompts]  # type: ignore[misc]
        claims.check(f"{model}: answers are the same", [answer.tokens for answer in answers] == without, "==", True)
        share = statistics.median(fast) / statistics.median(slow)
        claims.check(f"{model}: seconds to the first token, remembered over not", round(share, 4), "<=", MOST_SHARE)
        claims.numbers[f"beginnings {model}"] = {
            "tokens": LENGTH,
            "cached": answers[0].prompt_cached,
            "seconds without": spread(slow),
            "seconds with": spread(fast),
        }
