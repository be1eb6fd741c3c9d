"""Our loop on a workload, as the pipeline calls it: train() with the task, options and objective of a recipe."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from smallwright.data.shards import Shard
from smallwright.model import Transformer, load_hf
from smallwright.teacher.table import UsedTokens
from smallwright.train.loop import train
from smallwright.train.settings import TrainSettings
from smallwright.train.tasks import Batch, ClassificationTask, LanguageModelTask, TrainingTask
from training.segments import Segments
from training.workloads import CONTEXT, ENCODER, MODEL, ROWS, SHARD, Workload


def run(workload: Workload, folder: Path, segments: Segments, steps: int) -> None:
    """Check, then train so many steps."""
    if workload is ENCODER:
        rows = json.loads((folder / ROWS).read_text(encoding="utf-8"))
        model = load_hf(folder / MODEL, labels=rows["labels"])
        tokens = [np.array(sequence, dtype=np.int32) for sequence in rows["tokens"]]
        with UsedTokens(model, tokens) as used:
            renumbered = [used.renumber(sequence) for sequence in tokens]
            loss = first_encoder_batch(renumbered, rows["classes"], workload.batch_size)
            task = ClassificationTask(renumbered, np.array(rows["classes"]), batch_size=workload.batch_size)
            begin(segments, model, task, loss)
            _train(workload, model, task, segments, steps)
        return
    model = load_hf(folder / MODEL)
    shard = Shard.open(folder / SHARD)
    task = LanguageModelTask(shard, context=CONTEXT, batch_size=workload.batch_size)
    begin(segments, model, task, first_decoder_batch(shard, workload.batch_size))
    _train(workload, model, task, segments, steps)


Loss = Callable[[Transformer], torch.Tensor]


def first_encoder_batch(tokens: list[np.ndarray], classes: list[int], batch_size: int) -> Loss:
    """The mean cross-entropy of the first rows."""
    from smallwright.train.predict import pad

    padded, lengths = pad(tokens[:batch_size], torch.device("cpu"))
    labels = torch.tensor(classes[:batch_size])
    return lambda model: torch.nn.functional.cross_entropy(model.classify(padded, lengths), labels)


def first_decoder_batch(shard: Shard, batch_size: int) -> Loss:
    """The mean cross-entropy of the first blocks of CONTEXT tokens, each token but a block's first foretold."""
    blocks = torch.from_numpy(shard.tokens[: batch_size * CONTEXT].astype(np.int64)).view(batch_size, CONTEXT)

    def loss(model: Transformer) -> torch.Tensor:
        logits = model.logits(blocks)[:, :-1]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), blocks[:, 1:].flatten())

    return loss


@torch.no_grad()
def begin(segments: Segments, model: Transformer, task: TrainingTask, loss: Loss) -> None:
    """Say the first batch's loss without dropout, in float32 and under autocast, and the real tokens of an epoch."""
    model.eval()
    exact = float(loss(model))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = float(loss(model))
    device = torch.device("cpu")
    tokens = sum(int(task.load(0, index, device).lengths.sum()) for index in range(task.count_batches(0)))
    segments.begin({"loss_float32": exact, "loss_bfloat16": rounded, "epoch_tokens": tokens})


def _train(workload: Workload, model: Transformer, task: TrainingTask, segments: Segments, steps: int) -> None:
    settings = TrainSettings(
        epochs=1_000,  # steps decide
        max_steps=steps,
        learning_rate=workload.learning_rate,
        batch_size=workload.batch_size,
        dropout=workload.dropout,
        head_scale=1.0,
        precision="bfloat16",
        validate_every=steps,
        checkpoint_seconds=1e9,  # the peer saves nothing either
    )
    with ExitStack() as stack:
        out = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        train(model, Counted(task, segments), settings.make_objective(), out, settings.loop_options(seed=0), quiet=True)


class Counted:
    """A task whose batches are counted: a batch is asked for when the step before it is done."""

    def __init__(self, task: TrainingTask, segments: Segments) -> None:
        self.task, self.segments, self.loaded = task, segments, False

    def load(self, epoch: int, index: int, device: torch.device) -> Batch:
        """See ``TrainingTask``."""
        if self.loaded:
            self.segments.step_done()
        self.loaded = True
        batch = self.task.load(epoch, index, device)
        self.segments.count_batch(int(batch.lengths.sum()), batch.tokens.numel())
        return batch

    def __getattr__(self, name: str) -> object:
        return getattr(self.task, name)
