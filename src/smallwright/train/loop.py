"""The one training loop, for every task and objective.

Enters: a model, a task, an objective and plain options. Leaves: the best weights in the model and in a folder.
Not here: losses, batches, teachers; what the weights are wrapped in.

Killed at any instant and called again with the same arguments, it ends in the same bytes as without the kill (same
machine, versions and threads): batches are functions of (seed, epoch, index), dropout is seeded by (seed, step), and
the state on disk is replaced only as a whole. No generator's state has to be kept for that.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smallwright.errors import CheckpointError, RecipeError
from smallwright.train.balance import Balancer
from smallwright.train.checkpoint import (
    collect_state,
    hash_weights,
    read_tensors,
    restore_state,
    restore_weights,
    write_tensors,
    write_text,
)
from smallwright.train.constraints import Constraint
from smallwright.train.memory import kept_memory
from smallwright.train.objectives import Objective, add_terms
from smallwright.train.optimizer import clip_gradients, make_optimizers
from smallwright.train.options import LoopOptions, check_options
from smallwright.train.precision import autocast, choose_precision
from smallwright.train.progress import TrainingProgress
from smallwright.train.schedule import learning_rate_factor
from smallwright.train.tasks import Forward, TrainingTask

WEIGHTS, RESULT, METRICS = "model.safetensors", "result.json", "metrics.jsonl"
_CHECKPOINT, _BEST = "checkpoint.safetensors", "best.safetensors"


@dataclass(frozen=True)
class TrainResult:
    """What a run came to; also in result.json.

    Attributes:
        steps: optimizer steps made.
        best_step: steps after which the kept weights stood.
        scores: numbers of the validation of the kept weights, empty where there was none.
        precision: float32 or bfloat16, what was used.
        threads: torch threads used.
        seconds: time in the loop, validations included, over all restarts (work lost to a kill is not counted).
        balance: of each loss, where they were balanced, its mean size and the factor that it came to (balance.py).
    """

    steps: int
    best_step: int
    scores: dict[str, float]
    precision: str
    threads: int
    seconds: float
    balance: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass
class _State:
    """What changes while a run goes on, beside tensors."""

    step: int = 0
    best_step: int = 0
    best_scores: dict[str, float] | None = None
    misses: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0
    seconds: float = 0.0
    metrics_bytes: int = 0
    balance: dict[str, list[float]] = field(default_factory=dict)


def train(
    model: nn.Module,
    task: TrainingTask,
    objective: Objective,
    out: Path,
    options: LoopOptions,
    *,
    constraint: Constraint | None = None,
    name: str = "train",
    quiet: bool = False,
) -> TrainResult:
    """Train a model in place.

    Args:
        model: float32, on its device. Afterwards it holds the best weights and is in evaluation mode.
        task: gives batches, logits and scores.
        objective: see objectives.py.
        out: the run's own folder; made if needed. Afterwards: model.safetensors (best weights, by state-dict name),
            metrics.jsonl (a line per validation), result.json (last; its presence means complete). In between:
            checkpoint.safetensors and best.safetensors. A complete folder of the same run is read, not trained again.
        options: plain values.
        constraint: what the weights obey after every step; None: nothing.
        name: for the progress display.
        quiet: show no progress.
    Returns:
        What it came to.
    Raises:
        CheckpointError: the folder holds another run, or a damaged file.
        RecipeError: an option is out of range, or training diverged.
    """
    out.mkdir(parents=True, exist_ok=True)
    threads_before = torch.get_num_threads()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    try:
        with torch.random.fork_rng(), kept_memory():
            return _Run(model, task, objective, out, options, constraint, name, quiet).finish()
    finally:
        torch.set_num_threads(threads_before)


def count_steps(task: TrainingTask, options: LoopOptions) -> int:
    """Optimizer steps of a whole run."""
    steps = sum(_count_steps_by_epoch(task, options))
    return min(steps, options.max_steps or steps)


def _count_steps_by_epoch(task: TrainingTask, options: LoopOptions) -> list[int]:
    return [math.ceil(task.count_batches(epoch) / options.accumulate) for epoch in range(options.epochs)]


class _Run:
    """One call of ``train``."""

    def __init__(
        self,
        model: nn.Module,
        task: TrainingTask,
        objective: Objective,
        out: Path,
        options: LoopOptions,
        constraint: Constraint | None,
        name: str,
        quiet: bool,
    ) -> None:
        check_options(options)
        self.constraint = constraint
        self.model, self.task, self.objective, self.out, self.options = model, task, objective, out, options
        self.name, self.quiet = name, quiet
        if options.dropout is not None:
            set_dropout(model, options.dropout)
        _own_memory(model)
        self.device = next(model.parameters()).device
        self.precision = choose_precision(options.precision, self.device)
        self.fingerprint = _fingerprint(model, task, options, self.precision, objective.name, constraint)
        self.steps_by_epoch = _count_steps_by_epoch(task, options)
        self.total_steps = count_steps(task, options)
        self.warmup_steps = round(options.warmup_fraction * self.total_steps)
        self.state = _State()
        self.balancer = self._make_balancer()

    def _make_balancer(self) -> Balancer | None:
        return None if self.objective.balance == "fixed" else Balancer(self.state.balance)

    def finish(self) -> TrainResult:
        """Go on from what the folder holds, to the end."""
        done = self._read_result()
        if done is None:
            optimizers = make_optimizers(
                self.model,
                learning_rate=self.options.learning_rate,
                weight_decay=self.options.weight_decay,
                layer_decay=self.options.layer_decay,
                head_scale=self.options.head_scale,
                optimizer=self.options.optimizer,
                beta2=self.options.beta2,
            )
            self._resume(optimizers)
            if self.constraint is not None:
                self.constraint.start(self.model)
            self._loop(optimizers)
            done = self._conclude()
        else:
            weights, _ = read_tensors(self.out / WEIGHTS)
            restore_weights(self.model, weights)
        for name in (_CHECKPOINT, _BEST):
            (self.out / name).unlink(missing_ok=True)
        self.model.zero_grad(set_to_none=True)
        self.model.eval()
        return done

    def _loop(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        state, saved = self.state, time.monotonic()
        clock = saved - state.seconds
        progress = TrainingProgress(self.name, total_steps=self.total_steps, done_steps=state.step, quiet=self.quiet)
        with progress:
            if self.total_steps == 0 and state.best_scores is None:
                self._validate(progress)
            while state.step < self.total_steps and not self._is_out_of_patience():
                loss = self._step(optimizers, *self._locate(state.step))
                state.step += 1
                state.loss_sum, state.loss_steps = state.loss_sum + loss, state.loss_steps + 1
                progress.show_step(state.step, loss)
                validated = self._is_validation_due()
                state.seconds = time.monotonic() - clock
                if validated:
                    self._validate(progress)
                    state.seconds = time.monotonic() - clock
                if validated or time.monotonic() - saved > self.options.checkpoint_seconds:
                    self._save(optimizers)
                    saved = time.monotonic()

    def _locate(self, step: int) -> tuple[int, int]:
        """Epoch, and step within it."""
        for epoch, steps in enumerate(self.steps_by_epoch):
            if step < steps:
                return epoch, step
            step -= steps
        raise IndexError(step)

    def _step(self, optimizers: Sequence[torch.optim.Optimizer], epoch: int, step_in_epoch: int) -> float:
        options, step = self.options, self.state.step
        progress = step / max(1, self.total_steps - 1)
        first = step_in_epoch * options.accumulate
        last = min(first + options.accumulate, self.task.count_batches(epoch))
        batches = [self.task.load(epoch, index, self.device) for index in range(first, last)]
        rows = max(1, sum(batch.targets.count() for batch in batches))
        self.model.train()
        total = 0.0
        for part, batch in enumerate(batches):
            torch.manual_seed(int(np.random.SeedSequence([options.seed, step, part]).generate_state(1)[0]))
            with autocast(self.precision, self.device):
                passed = self.task.forward(self.model, replace(batch, progress=progress))
            loss = self._add_up(passed, batch.targets.count(), rows)
            loss.backward()
            total += float(loss.detach())
        norm = clip_gradients(self.model.parameters(), options.clip_norm)
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise RecipeError(
                f"the training loss and its gradient must stay finite. Got loss {total} and norm {norm} at step {step} "
                f"with learning_rate {options.learning_rate}. Use a smaller learning_rate, or a longer warm-up."
            )
        if self.balancer is not None:
            self.balancer.end_step()
        factor = learning_rate_factor(
            step, total_steps=self.total_steps, warmup_steps=self.warmup_steps, schedule=options.schedule
        )
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * group["scale"] * factor
            optimizer.step()
        self.model.zero_grad(set_to_none=True)
        if self.constraint is not None:
            self.constraint.enforce(self.model, step + 1)
        return total

    def _add_up(self, passed: Forward, count: int, rows: int) -> Tensor:
        """A batch's part of the step's loss. Sum over all rows of the step: however it is cut into batches, each row
        weighs the same."""
        logits = passed.logits.float()
        if self.balancer is not None:
            terms = self.objective.terms(logits, passed.targets)
            return self.balancer.add_up(terms, passed.extra, count=count, total=rows)
        loss = self.objective(logits, passed.targets).sum() / rows
        if passed.extra:
            loss = loss + add_terms(passed.extra).mean() * count / rows
        return loss

    def _is_validation_due(self) -> bool:
        if self.state.step == self.total_steps:
            return True
        if self.options.validate_every is not None:
            return self.state.step % self.options.validate_every == 0
        return self._locate(self.state.step)[1] == 0

    def _is_out_of_patience(self) -> bool:
        return self.options.patience is not None and self.state.misses >= self.options.patience

    def _is_settled(self, step: int) -> bool:
        return self.constraint is None or self.constraint.is_settled(step)

    def _validate(self, progress: TrainingProgress) -> None:
        state = self.state
        scores = self.task.validate(self.model, self.precision)
        loss = state.loss_sum / state.loss_steps if state.loss_steps else None
        before = None
        if state.best_scores is not None and self._is_settled(state.best_step):
            before = state.best_scores.get("score")
        score = scores.get("score")
        if score is None or before is None or score >= before:  # of equals the later, which has learnt more
            state.misses = 0 if before is None or score is None or score > before else state.misses + 1
            state.best_step, state.best_scores = state.step, scores
            write_tensors(self.out / _BEST, self.model.state_dict(), {"step": state.step})
        else:
            state.misses += 1
        line = {"step": state.step, "training_loss": loss, **scores, "seconds": round(state.seconds, 3)}
        if self.balancer is not None:
            line["balance"] = self.balancer.describe()
        with (self.out / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, sort_keys=True) + "\n")
            state.metrics_bytes = file.tell()
        progress.show_validation(state.step, loss, scores)
        state.loss_sum, state.loss_steps = 0.0, 0

    def _save(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        facts = {"fingerprint": self.fingerprint, "state": asdict(self.state)}
        write_tensors(self.out / _CHECKPOINT, collect_state(self.model, optimizers), facts)

    def _resume(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        path = self.out / _CHECKPOINT
        if path.exists():
            tensors, facts = read_tensors(path)
            self._check_fingerprint(facts.get("fingerprint"), path)
            restore_state(self.model, optimizers, tensors)
            self.state = _State(**facts["state"])
            self.balancer = self._make_balancer()
        with (self.out / METRICS).open("ab") as file:  # what a killed run wrote after its checkpoint comes again
            file.truncate(self.state.metrics_bytes)

    def _conclude(self) -> TrainResult:
        weights, facts = read_tensors(self.out / _BEST)
        if facts.get("step") != self.state.best_step:
            raise CheckpointError(
                f"the best weights must be those of step {self.state.best_step}. Got step {facts.get('step')} in "
                f"{self.out / _BEST}. Delete the folder to train from the start."
            )
        restore_weights(self.model, weights)
        write_tensors(self.out / WEIGHTS, weights, {})
        state, threads = self.state, torch.get_num_threads()
        scores, balance = state.best_scores or {}, self.balancer.describe() if self.balancer is not None else {}
        seconds = round(state.seconds, 3)
        result = TrainResult(state.step, state.best_step, scores, self.precision, threads, seconds, balance)
        record = {"fingerprint": self.fingerprint, **asdict(result)}
        write_text(self.out / RESULT, json.dumps(record, indent=2, sort_keys=True) + "\n")
        return result

    def _read_result(self) -> TrainResult | None:
        path = self.out / RESULT
        if not path.exists():
            return None
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            record.setdefault("balance", {})  # a result from before there was any
            result = TrainResult(**{each.name: record[each.name] for each in fields(TrainResult)})
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"a training result must be whole. Got: {error!r} in {path}. Delete the folder to train again."
            ) from error
        self._check_fingerprint(record.get("fingerprint"), path)
        return result

    def _check_fingerprint(self, found: object, path: Path) -> None:
        if found != self.fingerprint:
            raise CheckpointError(
                "a training folder belongs to one run: the same first weights, rows and options. "
                f"Got the files of another run in {path.parent}. Delete that folder, or name another one."
            )


def set_dropout(model: nn.Module, probability: float) -> None:
    """Put a dropout probability into every dropout layer.

    Attention probabilities are left alone (0 unless the model was made with another value): dropping them takes the
    model off the fused kernel, at two to four times the cost of attention. See docs/decisions/006.
    """
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability


@torch.no_grad()
def _own_memory(model: nn.Module) -> None:
    # Weights mapped from a file may lie unaligned, and sums in another order. Fresh memory is aligned alike each time.
    for parameter in model.parameters():
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)


def _fingerprint(
    model: nn.Module,
    task: TrainingTask,
    options: LoopOptions,
    precision: str,
    objective: str,
    constraint: Constraint | None,
) -> str:
    how = asdict(options) | {"precision": precision, "objective": objective, "task": task.fingerprint()}
    for name in ("threads", "checkpoint_seconds"):  # neither changes what is learnt, up to rounding
        del how[name]
    how["weights"] = hash_weights(model)
    if constraint is not None:
        how["constraint"] = constraint.fingerprint()
    return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()
