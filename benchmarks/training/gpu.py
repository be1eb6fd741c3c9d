"""GPT-2's 124 million weights in our loop on a GPU: tokens a second, and the share of the GPU's peak that they use.

Enters: a GPU. Leaves: numbers, or the reason why there are none.

Model FLOPs of a token: 6 for each weight that multiplies (the tied table once, as the head) and 12 * layers * width *
context for attention, as in PaLM, arXiv:2204.02311, appendix B: causality is not taken off, nothing is counted twice.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smallwright.data.shards import write_shard
from smallwright.model import Transformer, seeded
from smallwright.spec import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec, NormSpec
from smallwright.train.loop import train
from smallwright.train.objectives import Objective, make_objective
from smallwright.train.options import LoopOptions
from smallwright.train.tasks import LanguageModelTask
from training.ours import Counted

# Dense bfloat16 peaks as their makers state them, FLOP/s, by part of the name that CUDA gives.
PEAKS = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12}
VOCABULARY, CONTEXT, BATCH = 50_304, 1024, 32
WARM_STEPS, SEGMENTS, STEPS = 20, 5, 10


class _Enough(Exception):
    """All segments are timed."""


class _Clock:
    """Wall time of segments of steps. A step ends in its loss on the host, so nothing is still under way."""

    def __init__(self, warm: int, segments: int, steps: int) -> None:
        self.warm, self.segments, self.steps = warm, segments, steps
        self.done, self._began = 0, 0.0
        self.seconds: list[float] = []

    def count_batch(self, real: int, padded: int) -> None:
        """Every batch is alike."""

    def step_done(self) -> None:
        """Note the time at the end of a segment."""
        self.done += 1
        timed = self.done - self.warm
        if timed >= 0 and timed % self.steps == 0:
            now = time.perf_counter()
            if timed:
                self.seconds.append(now - self._began)
            self._began = now
            if len(self.seconds) == self.segments:
                raise _Enough


def gpt2_spec(layers: int = 12, width: int = 768, context: int = CONTEXT, vocabulary: int = VOCABULARY) -> ModelSpec:
    """GPT-2's shape, its vocabulary rounded up to a multiple of 64."""
    heads = width // 64
    layer = LayerSpec(
        AttentionSpec(heads=heads, key_value_heads=heads, head_width=64, bias=True, output_bias=True),
        FeedForwardSpec(width=4 * width, activation="gelu_tanh", bias=True, kind="plain"),
    )
    return ModelSpec(
        width=width,
        context=context,
        causal=True,
        embedding=EmbeddingSpec(vocabulary=vocabulary, positions=context),
        layers=(layer,) * layers,
        heads={"language_model": HeadSpec("language_model", tied=True)},
        norm=NormSpec(kind="layer", epsilon=1e-5, placement="pre"),
        rotary_base=None,
    )


def flops_per_token(spec: ModelSpec, parameters: int) -> int:
    """Forward and backward, see above; rows of positions are looked up, not multiplied."""
    multiplied = parameters - (spec.embedding.positions or 0) * spec.width
    return 6 * multiplied + 12 * len(spec.layers) * spec.width * spec.context


def measure_gpu() -> dict[str, Any] | str:
    """Numbers of this machine's GPU, or why there are none."""
    if not torch.cuda.is_available():
        return "this machine has no GPU that torch can use"
    name = torch.cuda.get_device_name()
    peak = next((value for part, value in PEAKS.items() if part in name), None)
    if peak is None:
        return f"the peak of {name} is not in training/gpu.py"
    found = measure(gpt2_spec(), torch.device("cuda"), BATCH, _Clock(WARM_STEPS, SEGMENTS, STEPS))
    found["peak_bytes"] = torch.cuda.max_memory_allocated()
    return {**found, "device": name, "peak_flops": peak, "utilisation": found["flops"] / peak}


def measure(spec: ModelSpec, device: torch.device, batch_size: int, clock: _Clock) -> dict[str, Any]:
    """Train on random tokens, compiled; the median over segments."""
    with seeded(0):
        model = Transformer(spec).to(device)
    parameters = sum(weight.numel() for weight in model.parameters())
    for module in (*model.layers, *model.heads.values()):
        module.compile()
    plain = make_objective(("cross_entropy",))
    objective = Objective(plain.name, torch.compile(plain.loss))
    tokens = np.random.default_rng(0).integers(0, spec.embedding.vocabulary, 64 * batch_size * spec.context + 1)
    options = LoopOptions(epochs=1_000, learning_rate=1e-4, precision="bfloat16", checkpoint_seconds=1e9)
    options = replace(options, validate_every=10**9)
    with tempfile.TemporaryDirectory() as folder:
        shard = write_shard(Path(folder) / "shard", [tokens], spec.embedding.vocabulary)
        task = LanguageModelTask(shard, context=spec.context, batch_size=batch_size)
        with contextlib.suppress(_Enough):
            train(model, Counted(task, clock), objective, Path(folder) / "run", options, quiet=True)
    per_segment = clock.steps * batch_size * spec.context
    speed = per_segment / statistics.median(clock.seconds)
    return {
        "parameters": parameters,
        "tokens_per_second": speed,
        "flops": speed * flops_per_token(spec, parameters),
        "seconds_per_segment": clock.seconds,
        "tokens_per_segment": per_segment,
        "batch": [batch_size, spec.context],
        "torch": torch.__version__,
    }
