"""The loop: it learns, accumulates, keeps the best, stops early, and goes on after a kill as if there had been none."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from smallwright.data.shards import Shard
from smallwright.data.top_answers import TopAnswers
from smallwright.errors import CheckpointError, DataError, RecipeError
from smallwright.model import Transformer, preset, seeded
from smallwright.spec import HeadSpec
from smallwright.train.loop import METRICS, RESULT, WEIGHTS, set_dropout, train
from smallwright.train.objectives import NO_LABEL, make_objective
from smallwright.train.options import LoopOptions
from smallwright.train.tasks import Batch, ClassificationTask, LanguageModelTask

CLASSES, VOCABULARY = 4, 60
OPTIONS = LoopOptions(epochs=4, learning_rate=3e-3, precision="float32", dropout=0.1, threads=1)


def make_model(kind: str = "classifier", dropout: float = 0.1) -> Transformer:
    labels = tuple("abcd") if kind == "classifier" else ()
    heads = {kind: HeadSpec(kind, pooling="mean", labels=labels, tied=kind == "language_model")}
    causal = kind == "language_model"
    with seeded(3):
        spec = preset("nano", vocabulary=VOCABULARY, causal=causal, heads=heads, context=32)
        return Transformer(spec, dropout=dropout)


def make_rows(count: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Sequences that hold one of four telling tokens."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    rows = [rng.integers(CLASSES, VOCABULARY, rng.integers(2, 12)).astype(np.int32) for _ in range(count)]
    for row, label in zip(rows, labels, strict=True):
        row[rng.integers(len(row))] = label
    return rows, labels


def make_task(batch_size: int = 16, **options: object) -> ClassificationTask:
    return ClassificationTask(*make_rows(150, 0), *make_rows(60, 1), batch_size=batch_size, seed=5, **options)


def run(
    out: Path, options: LoopOptions = OPTIONS, task: object = None, model: Transformer | None = None, **rest: object
):
    objective = make_objective(["cross_entropy"])
    return train(model or make_model(), task or make_task(), objective, out, options, quiet=True, **rest)


def read_metrics(out: Path) -> list[dict]:
    lines = [json.loads(line) for line in (out / METRICS).read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


class Interrupted(Exception):
    pass


class StoppingTask(ClassificationTask):
    """Raises instead of giving its n-th batch: a run that ends anywhere between two checkpoints."""

    loads_left = 10**9

    def load(self, epoch: int, index: int, device: torch.device) -> Batch:
        self.loads_left -= 1
        if self.loads_left < 0:
            raise Interrupted
        return super().load(epoch, index, device)


def test_it_learns_and_leaves_whole_files(tmp_path: Path) -> None:
    model = make_model()
    result = run(tmp_path, model=model)
    assert result.scores["accuracy"] > 0.9
    assert result.steps == 4 * 10 and result.threads == 1 and result.precision == "float32"
    assert sorted(path.name for path in tmp_path.iterdir()) == [METRICS, WEIGHTS, RESULT]
    assert [line["step"] for line in read_metrics(tmp_path)] == [10, 20, 30, 40]
    assert not model.training
    from safetensors.torch import load_file

    for name, tensor in load_file(tmp_path / WEIGHTS).items():
        assert torch.equal(tensor, model.state_dict()[name])


def test_a_finished_run_is_read_not_repeated(tmp_path: Path) -> None:
    first = run(tmp_path)
    task = StoppingTask(*make_rows(150, 0), *make_rows(60, 1), batch_size=16, seed=5)
    task.loads_left = 0
    model = make_model()
    assert run(tmp_path, task=task, model=model) == first
    again = make_model()
    run(tmp_path / "other", model=again)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_another_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(CheckpointError, match=r"belongs to one run.*Delete that folder"):
        run(tmp_path, replace(OPTIONS, learning_rate=1e-3))
    with pytest.raises(CheckpointError, match="belongs to one run"):
        run(tmp_path, task=make_task(batch_size=8))
    (tmp_path / RESULT).write_text("{")
    with pytest.raises(CheckpointError, match="training result must be whole"):
        run(tmp_path)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("seconds", [1e9, 1e-9], ids=["at validations", "after every step"])
def test_interrupted_equals_uninterrupted(tmp_path: Path, seconds: float, optimizer: str) -> None:
    options = replace(OPTIONS, accumulate=3, checkpoint_seconds=seconds, validate_every=5, optimizer=optimizer)
    rows = (*make_rows(150, 0), *make_rows(60, 1))
    run(tmp_path / "whole", options, StoppingTask(*rows, batch_size=8, seed=5))
    task, loads, restarts = StoppingTask(*rows, batch_size=8, seed=5), [7, 1, 20, 10, 15, 10**9], 0
    for task.loads_left in loads:
        try:
            run(tmp_path / "broken", options, task)
            break
        except Interrupted:
            restarts += 1
    assert restarts == 5
    assert (tmp_path / "broken" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    assert read_metrics(tmp_path / "broken") == read_metrics(tmp_path / "whole")


NURSERY = """
import os, random, signal, sys, threading, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_train_loop import OPTIONS, replace, run

def attempt(name, kill_after_seconds):
    # A fork costs no imports; torch has not computed anything here yet, so it has no threads that a fork would lose.
    child = os.fork()
    if child == 0:
        if kill_after_seconds is not None:
            threading.Timer(kill_after_seconds, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        run(Path(sys.argv[2]) / name, replace(OPTIONS, checkpoint_seconds=0.02, validate_every=7))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

began = time.monotonic()
assert attempt("whole", None) == 0
seconds = time.monotonic() - began
print(sum(attempt("killed", random.uniform(0.05, 0.6) * seconds) == -signal.SIGKILL for _ in range(3)))
assert attempt("killed", None) == 0
"""


def test_kill_minus_nine_changes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NURSERY, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 1
    assert (tmp_path / "killed" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    assert read_metrics(tmp_path / "killed") == read_metrics(tmp_path / "whole")


class Recorder(nn.Module):
    """A linear model over bags of tokens: no dropout, so that only sums differ."""

    def __init__(self) -> None:
        super().__init__()
        with seeded(0):
            self.table = nn.EmbeddingBag(VOCABULARY, CLASSES, mode="sum", padding_idx=0)

    def classify(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.table(tokens)


def test_accumulation_equals_one_large_batch(tmp_path: Path) -> None:
    rows, labels = make_rows(32, 2)
    rows = [row[:2] for row in rows]  # one length: the batches of any size cut the same order
    labels[3] = labels[17] = NO_LABEL  # parts of a step weigh by their labelled rows
    options = LoopOptions(epochs=3, precision="float32", clip_norm=0.5, threads=1)
    models = {}
    for batch_size, accumulate in ((32, 1), (8, 4), (5, 7)):
        task = ClassificationTask(rows, labels, batch_size=batch_size)
        models[accumulate] = Recorder()
        out = tmp_path / str(accumulate)
        train(
            models[accumulate],
            task,
            make_objective(["cross_entropy"]),
            out,
            replace(options, accumulate=accumulate),
            quiet=True,
        )
    for accumulate in (4, 7):
        torch.testing.assert_close(models[accumulate].table.weight, models[1].table.weight, atol=1e-5, rtol=1e-4)


class ScriptedTask(ClassificationTask):
    """Scores as written down, to test what is kept and when training ends."""

    script: list[float]

    def validate(self, model: nn.Module, precision: str) -> dict[str, float]:
        self.seen.append(next(model.parameters()).detach().clone())
        return {"score": self.script[len(self.seen) - 1]}


def scripted(script: list[float]) -> ScriptedTask:
    task = ScriptedTask(*make_rows(32, 0), batch_size=16)
    task.script, task.seen = script, []
    return task


def test_the_best_weights_are_kept(tmp_path: Path) -> None:
    task, model = scripted([0.1, 0.5, 0.5, 0.2, 0.3]), make_model()
    result = run(tmp_path, replace(OPTIONS, epochs=5), task, model)
    assert (result.steps, result.best_step) == (10, 6)  # of two equals the later
    assert torch.equal(next(model.parameters()), task.seen[2])


def test_patience_ends_training(tmp_path: Path) -> None:
    task = scripted([0.1, 0.5, 0.5, 0.2, 0.9])
    result = run(tmp_path, replace(OPTIONS, epochs=5, patience=2), task)
    assert (result.steps, result.best_step) == (8, 6)  # an equal score is no better


def test_max_steps_and_no_validation_rows(tmp_path: Path) -> None:
    task = ClassificationTask(*make_rows(64, 0), batch_size=16)
    result = run(tmp_path, replace(OPTIONS, max_steps=6), task)
    assert (result.steps, result.best_step, result.scores) == (6, 6, {})


def test_bfloat16_learns_and_is_recorded(tmp_path: Path) -> None:
    model = make_model()
    result = run(tmp_path, replace(OPTIONS, precision="bfloat16"), model=model)
    assert result.precision == "bfloat16" and result.scores["accuracy"] > 0.85
    assert all(weight.dtype == torch.float32 for weight in model.parameters())


def test_divergence_is_an_error_that_helps(tmp_path: Path) -> None:
    model = make_model()
    with torch.no_grad():
        model.heads["classifier"].output.weight.fill_(float("inf"))
    with pytest.raises(RecipeError, match=r"must stay finite.*at step 0.*smaller learning_rate"):
        run(tmp_path, model=model)


def test_training_leaves_torchs_settings_alone(tmp_path: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    threads = torch.get_num_threads()
    run(tmp_path, replace(OPTIONS, max_steps=2))
    assert torch.equal(torch.rand(3), expected) and torch.get_num_threads() == threads


def test_no_epochs_judge_the_weights_as_they_are(tmp_path: Path) -> None:
    model, task = make_model(), make_task()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    result = run(tmp_path, replace(OPTIONS, epochs=0), task, model)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert (result.steps, result.best_step) == (0, 0) and result.scores == task.validate(model, "float32")
    (line,) = read_metrics(tmp_path)
    assert line["step"] == 0 and line["training_loss"] is None
    assert run(tmp_path, replace(OPTIONS, epochs=0), task, make_model()) == result


def test_dropout_reaches_every_layer() -> None:
    model = make_model(dropout=0.0).train()
    tokens = torch.randint(VOCABULARY, (2, 8))
    assert torch.equal(model.classify(tokens), model.classify(tokens))
    set_dropout(model, 0.5)
    assert all(layer.mixer.dropout == 0.0 for layer in model.layers), "attention stays on the fused kernel"
    assert not torch.equal(model.classify(tokens), model.classify(tokens))


def test_language_model_learns_a_pattern(tmp_path: Path) -> None:
    tokens = np.tile(np.arange(7, dtype=np.uint16), 120)
    shard = Shard(tokens, np.array([0, len(tokens)]), VOCABULARY)
    task = LanguageModelTask(shard, shard, context=16, batch_size=4, seed=1)
    model = make_model("language_model")
    result = run(tmp_path, replace(OPTIONS, epochs=3), task, model)
    assert result.scores["perplexity"] < 1.3
    batch = task.load(0, 0, torch.device("cpu"))
    assert batch.tokens.shape == (4, 16) and batch.targets.labels.shape == (64,)
    assert torch.equal(batch.targets.labels.view(4, 16)[:, :-1], batch.tokens[:, 1:])
    with torch.no_grad():
        blocks = torch.from_numpy(shard.blocks(16).astype(np.int64))
        exact = nn.functional.cross_entropy(model.logits(blocks[:, :-1]).flatten(0, 1), blocks[:, 1:].reshape(-1))
    assert result.scores["loss"] == pytest.approx(float(exact), rel=1e-4)


def test_language_model_reads_the_teachers_row_of_each_position() -> None:
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, 300).astype(np.uint16)
    shard = Shard(tokens, np.array([0, 300]), VOCABULARY)
    next_tokens = np.append(tokens[1:], 0).astype(np.int64)
    values = np.stack([np.zeros(300), np.full(300, -2.0)], axis=1).astype(np.float16)
    classes = np.stack([next_tokens, (next_tokens + 1) % VOCABULARY], axis=1)
    answers = TopAnswers.empty(300, 2, VOCABULARY)
    answers.put(slice(0, 300), values, classes)
    task = LanguageModelTask(shard, context=16, batch_size=3, teacher=answers)
    for epoch in range(2):
        targets = task.load(epoch, 1, torch.device("cpu")).targets
        assert targets.teacher_classes is not None and torch.equal(targets.teacher_classes[:, 0], targets.labels)
        assert targets.teacher is not None and targets.teacher.dtype == torch.float32


def test_augmentation_is_random_access() -> None:
    def shorten(tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return tokens[: rng.integers(1, len(tokens) + 1)]

    one, other, cpu = make_task(augment=shorten), make_task(augment=shorten), torch.device("cpu")
    for index in reversed(range(one.count_batches(1))):
        one.load(1, index, cpu)
    assert torch.equal(one.load(0, 3, cpu).tokens, other.load(0, 3, cpu).tokens)
    assert one.load(0, 3, cpu).lengths.tolist() != one.load(1, 3, cpu).lengths.tolist()


def test_rows_that_do_not_fit_are_refused() -> None:
    rows, labels = make_rows(5, 0)
    with pytest.raises(DataError, match=r"one of the labels for each row. Got 4 for 5 rows"):
        ClassificationTask(rows, labels[:4])
    with pytest.raises(DataError, match=r"teacher's answers for each row. Got 3 for 5 rows"):
        ClassificationTask(rows, labels, teacher=np.zeros((3, CLASSES)))
    with pytest.raises(DataError, match="at least one text with a label"):
        ClassificationTask(rows, np.full(5, NO_LABEL))
