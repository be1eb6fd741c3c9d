"""What the engine draws from, against the logits processors of transformers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from smallwright.run import _engine
from smallwright.run.options import Options

torch = pytest.importorskip("torch")
processors = pytest.importorskip("transformers.generation.logits_process")


def _theirs(logits: np.ndarray, options: Options, seen: list[int]) -> np.ndarray:
    scores, tokens = torch.tensor(logits)[None], torch.tensor([seen or [0]])
    chain = []
    if options.repetition_penalty != 1 and seen:
        chain.append(processors.RepetitionPenaltyLogitsProcessor(options.repetition_penalty))
    chain.append(processors.TemperatureLogitsWarper(options.temperature))
    if options.top_k:
        chain.append(processors.TopKLogitsWarper(options.top_k))
    if options.top_p < 1:
        chain.append(processors.TopPLogitsWarper(options.top_p))
    if options.min_p > 0:
        chain.append(processors.MinPLogitsWarper(options.min_p))
    for step in chain:
        scores = step(tokens, scores)
    return torch.softmax(scores.double(), -1)[0].numpy()


@pytest.mark.parametrize("spread", [0.5, 4.0])
@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p", "min_p", "penalty"),
    list(itertools.product([0.4, 1.7], [0, 7], [1.0, 0.6, 0.97], [0.0, 0.1], [1.0, 1.8])),
)
def test_the_sampler_draws_from_what_transformers_would(
    spread: float, temperature: float, top_k: int, top_p: float, min_p: float, penalty: float
) -> None:
    rng = np.random.default_rng(7)
    options = Options(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=penalty)
    for count in (3, 50, 997):
        logits = rng.normal(0, spread, count).astype(np.float32)
        seen = [int(token) for token in rng.integers(0, count, 5)] * 2
        tokens, weights = _engine.distribution(logits.tolist(), options.sampling, seen)
        found = np.zeros(count)
        found[tokens] = weights
        # float32 logits divided by a temperature: relative errors of a few 1e-7 in an exponent of up to 40
        np.testing.assert_allclose(found, _theirs(logits, options, seen), rtol=5e-5, atol=1e-9)


def test_greedy_takes_the_first_of_the_largest() -> None:
    assert _engine.distribution([0.0, 3.0, 3.0, 1.0], Options().sampling, []) == ([1], [1.0])
    penalized = Options(repetition_penalty=2.0).sampling
    assert _engine.distribution([0.0, 3.0, 3.0, 1.0], penalized, [1])[0] == [2]
