"""Changes to a text's tokens that keep its meaning, made anew each time a model reads it.

Enters: tokens and a generator. Leaves: fewer tokens.
Not here: changes to text itself; labels, which stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from smallwright.tokenizer.describe import describe


@dataclass(frozen=True)
class TokenDropout:
    """Leaves out each token with some chance, so that no single word decides.

    Args:
        probability: of leaving out a token, in [0, 1).
        prefix, suffix: special tokens at the ends of every text, which always stay. At least one other token stays too.

    Source: word dropout of Iyyer et al., "Deep Unordered Composition Rivals Syntactic Methods for Text Classification",
        ACL 2015, section 3.1.
    """

    probability: float
    prefix: int = 0
    suffix: int = 0

    def __call__(self, tokens: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.integer]:
        """The tokens that stay, in order: a function of the tokens and the generator's state alone."""
        stays = rng.random(len(tokens)) >= self.probability
        stays[: self.prefix] = True
        stays[len(tokens) - self.suffix :] = True
        inner = stays[self.prefix : len(tokens) - self.suffix]
        if inner.size and not inner.any():
            inner[rng.integers(inner.size)] = True
        return tokens[stays]


def make_augment(token_dropout: float, tokenizer: Tokenizer) -> TokenDropout | None:
    """What the settings ask for, sparing the tokenizer's own prefix and suffix; None where they ask for nothing.

    Args:
        token_dropout: chance in [0, 1).
        tokenizer: the one that encoded the texts.
    """
    spec = describe(tokenizer).spec
    return TokenDropout(token_dropout, len(spec.prefix), len(spec.suffix)) if token_dropout > 0 else None
