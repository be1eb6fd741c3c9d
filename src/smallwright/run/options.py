"""How a text is to be generated: what is drawn, when it ends, what it must obey.

Enters: keyword arguments. Leaves: ``Options``, checked. Not here: what they do (``csrc/engine``, ``constrain``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from smallwright.errors import EngineError

CONSTRAINTS = ("schema", "regex", "choices", "grammar")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of one request.

    Args:
        max_tokens: most tokens to generate, at least 1.
        temperature: 0 takes the likeliest token (the lowest index wins ties); above 0 samples.
        top_k: sample among the k likeliest; 0 means all.
        top_p: sample among the likeliest that together have this probability, above 0; 1 means all.
        min_p: leave out tokens below this share of the likeliest one's probability, 0 (none) to 1.
        repetition_penalty: above 0; logits of tokens in the prompt or the text are divided by it where positive and
            multiplied where negative; 1 is off. Source: Keskar et al. 2019, CTRL, equation 2.
        seed: of the sampling; equal seeds give equal texts, with any number of threads and whatever else is asked for.
        stop: one string or several; the text ends before the first of them.
        schema: a JSON schema (a mapping, or its text): the text is compact JSON that satisfies it.
        regex: a regular expression (Rust's syntax, no look-around) that the whole text matches.
        choices: texts of which the answer is one.
        grammar: a Lark or GBNF grammar that the whole text satisfies.
        lookup: guess tokens by prompt lookup and check them together; never another text, only another speed.
        reference: texts that guesses may come from too, for example usual answers.
        keep: a later prompt that begins with this prompt and its answer copies both instead of computing them again;
            the latest four such texts are kept.
        free: leave the package's own schema unenforced, where it has one.
        confidence: compute log-probabilities and entropies of the tokens, as ``complete`` returns them.
    """

    max_tokens: int = 128
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: str | Sequence[str] = ()
    schema: Mapping[str, Any] | str | bool | None = None
    regex: str | None = None
    choices: Sequence[str] | None = None
    grammar: str | None = None
    lookup: bool = True
    reference: Sequence[str] = ()
    keep: bool = False
    free: bool = False
    confidence: bool = False

    def __post_init__(self) -> None:
        for name, most in (("max_tokens", 2**31), ("top_k", 2**31), ("seed", 2**64)):
            value = getattr(self, name)
            if not isinstance(value, int) or not 0 <= value < most:
                raise EngineError(f"{name} must be a whole number from 0 to {most - 1}. Got {value!r}.")
        for name in ("temperature", "top_p", "min_p", "repetition_penalty"):
            number = getattr(self, name)
            if not isinstance(number, (int, float)) or not math.isfinite(number):
                raise EngineError(f"{name} must be a number. Got {number!r}.")
        for name in ("regex", "grammar"):
            text = getattr(self, name)
            if text is not None and not isinstance(text, str):
                raise EngineError(f"{name} must be a string. Got {text!r}.")
        for name in ("lookup", "keep", "free", "confidence"):
            switch = getattr(self, name)
            if not isinstance(switch, bool):
                raise EngineError(f"{name} must be True or False. Got {switch!r}.")
        for name in ("stop", "choices", "reference"):
            texts = getattr(self, name)
            if texts is not None and (
                (isinstance(texts, str) and name != "stop")
                or not isinstance(texts, Sequence)
                or not all(isinstance(text, str) for text in texts)
            ):
                raise EngineError(f"{name} must be a list of strings. Got {texts!r}.")
        asked = [name for name in CONSTRAINTS if getattr(self, name) is not None]
        if len(asked) > 1:
            raise EngineError(f"a text obeys one constraint. Got {' and '.join(asked)}. Put both into one grammar.")
        if asked and self.stops:
            raise EngineError(f"a constrained text ends by itself: it takes no stop strings. Got {asked[0]} and stop.")

    @property
    def stops(self) -> list[str]:
        """The stop strings as a list."""
        return [self.stop] if isinstance(self.stop, str) else list(self.stop)

    @property
    def constrained(self) -> bool:
        """Whether the text must obey anything."""
        return any(getattr(self, name) is not None for name in CONSTRAINTS)

    @property
    def calibrated(self) -> bool:
        """Whether answers come as those on which a package is calibrated: greedy, under its own schema."""
        plain = self.temperature == 0 and self.repetition_penalty == 1 and not self.stops
        return plain and not self.constrained and not self.free

    @property
    def sampling(self) -> dict[str, int | float]:
        """What the engine's sampler takes."""
        names = ("max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed")
        return {name: getattr(self, name) for name in names}


def read_options(given: Mapping[str, Any]) -> Options:
    """Options from keyword arguments.

    Raises:
        EngineError: a name is unknown or a value is out of range.
    """
    known = [field.name for field in fields(Options)]
    for name in given:
        if name not in known:
            raise EngineError(f"an option must be one of {', '.join(known)}. Got {name!r}.")
    return Options(**given)
