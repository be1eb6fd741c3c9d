"""How long does one short sentence take in the engine, beside PyTorch and beside reading the weights once?

A random encoder of MiniLM's shape (6 layers, width 384), 12 tokens, 1 thread, q8_0. The answer is checked against the
torch reference before timing; systems are timed in turn; the floor is the time to read the weights' bytes once.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from claims import Claims
from minilm import VOCABULARY, describe_minilm
from smallwright.compress.quantize import plan_formats
from smallwright.model import Transformer, seeded
from smallwright.package.write import write_package
from smallwright.run import load
from smallwright.tokenizer.train import train_bpe

TOKENS, FORMAT = 12, "q8_0"


def _median_us(times: list[float]) -> float:
    return statistics.median(times) * 1e6


def main() -> None:
    """Check, then time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    claims = Claims("classify_latency", "How long does one short sentence take in the engine, beside PyTorch?")
    with seeded(0):
        model = Transformer(describe_minilm()).eval()
    tokenizer = train_bpe(["a few words to learn a tokenizer from"] * 4, vocabulary=300)
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, TOKENS)
    batch, lengths = torch.from_numpy(tokens)[None], torch.tensor([TOKENS])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "minilm.gguf"
        info = write_package(
            path,
            spec=model.spec,
            tensors={name: value.numpy() for name, value in model.state_dict().items()},
            formats=plan_formats(model.spec, FORMAT),
            tokenizer=tokenizer,
            task={"kind": "classify", "head": "classifier"},
            name="minilm-shape",
        )
        with load(str(path), threads=1) as package, torch.inference_mode():
            expected = model.classify(batch, lengths).numpy()[0]
            got = package.classify_tokens([tokens.tolist()])[0]
            error = float(np.abs(got - expected).max() / np.abs(expected).max())
            claims.check("largest logit error of q8_0, relative to the largest logit", error, "<=", 0.05)
            weights = np.zeros(info.size_bytes // 8, dtype=np.int64)
            systems: dict[str, Callable[[], object]] = {
                "engine q8_0": lambda: package.classify_tokens([tokens.tolist()]),
                "PyTorch float32": lambda: model.classify(batch, lengths),
                "reading the file's bytes once": weights.sum,
            }
            taken: dict[str, list[float]] = {name: [] for name in systems}
            for turn in range(rounds + 10):
                for name, run in systems.items():
                    began = time.perf_counter()
                    run()
                    if turn >= 10:
                        taken[name].append(time.perf_counter() - began)
            isa = package.description["isa"]
    medians = {name: _median_us(times) for name, times in taken.items()}
    for name, times in taken.items():
        low, high = (np.percentile(times, point) * 1e6 for point in (10, 90))
        print(f"{name:<32} {medians[name]:9.0f} us   (10-90%: {low:.0f} to {high:.0f})")
    ratio = medians["PyTorch float32"] / medians["engine q8_0"]
    claims.check("PyTorch float32 / engine, median time of one sentence, 1 thread", round(ratio, 2), ">=", 3)
    claims.numbers.update(medians_us=medians, isa=isa, tokens=TOKENS, rounds=rounds, format=FORMAT, seed=0)
    claims.finish()


if __name__ == "__main__":
    main()
