"""Zeros that training keeps, or that grow while it runs: schedule, law, resume, and what healing gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.test_train_loop import OPTIONS, Interrupted, StoppingTask, make_model, make_rows, make_task
from tests.unit.test_train_loop import run as train_once

from smallwright.compress.sparsifying.masks import Masks, RisingMasks, cubic_sparsity
from smallwright.compress.sparsifying.matrix import SparsifyOptions, drop_by_wanda
from smallwright.compress.sparsifying.model import list_sparsified, measure_norms, sparsify_model
from smallwright.compress.sparsifying.patterns import count_dropped
from smallwright.errors import CheckpointError
from smallwright.model import Transformer
from smallwright.train.loop import WEIGHTS, train
from smallwright.train.objectives import make_objective
from smallwright.train.tutor import TutoredTask

STEPS = 40
HEAL = replace(OPTIONS, learning_rate=1e-3, validate_every=20)


def list_names(model: Transformer) -> list[str]:
    return [tensor.name for tensor in list_sparsified(model.spec)]


def list_zeros(model: Transformer) -> dict[str, torch.Tensor]:
    return {name: model.get_parameter(name).detach() == 0 for name in list_names(model)}


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of a model that has learned its task."""
    model = make_model()
    train_once(tmp_path_factory.mktemp("dense"), model=model)
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def restore(dense: dict[str, torch.Tensor]) -> Transformer:
    model = make_model()
    model.load_state_dict(dense)
    return model.eval()


def make_sparse(dense: dict[str, torch.Tensor], sparsity: float = 0.8) -> Transformer:
    model = restore(dense)
    shares = dict.fromkeys(list_names(model), sparsity)
    sparsify_model(model, shares, make_rows(64, 0)[0], SparsifyOptions("wanda"))
    return model


def heal(model: Transformer, dense: dict[str, torch.Tensor], masks: Masks, out: Path, **changes: object) -> None:
    """Sixty rows, learned from the dense model's answers."""
    objective = make_objective(["soft_targets"], temperature=2.0, weight=0.9)
    task = TutoredTask(make_task(), restore(dense))
    train(model, task, objective, out, replace(HEAL, **changes), constraint=masks, quiet=True)


def test_sparsity_rises_by_the_paper_s_equation() -> None:
    for step, share in ((0, 0.0), (5, 0.8 * 0.875), (10, 0.8), (25, 0.8)):
        assert cubic_sparsity(step, 10, 0.8) == pytest.approx(share)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_dropped_weights_stay_zero_and_healing_helps(
    tmp_path: Path, dense: dict[str, torch.Tensor], optimizer: str
) -> None:
    model = make_sparse(dense)
    zeros, held_out = list_zeros(model), make_task()
    before = held_out.validate(model, "float32")
    heal(model, dense, Masks(list_names(model)), tmp_path, optimizer=optimizer)
    for name, found in list_zeros(model).items():
        assert torch.equal(found, zeros[name])
    after, whole = held_out.validate(model, "float32"), held_out.validate(restore(dense), "float32")
    assert after["loss"] < 0.95 * before["loss"] and before["loss"] > 1.2 * whole["loss"]


def test_without_masks_zeros_are_lost(tmp_path: Path, dense: dict[str, torch.Tensor]) -> None:
    model = make_sparse(dense)
    train(model, make_task(), make_objective(["cross_entropy"]), tmp_path, HEAL, quiet=True)
    assert not any(found.any() for found in list_zeros(model).values())


@pytest.mark.parametrize("using", ["magnitude", "wanda"])
def test_sparsity_rises_while_the_model_learns(tmp_path: Path, dense: dict[str, torch.Tensor], using: str) -> None:
    model = restore(dense)
    names = list_names(model)
    shares = dict(zip(names, np.linspace(0.4, 0.9, len(names)).tolist(), strict=True))
    norms = measure_norms(model, make_rows(64, 0)[0]) if using == "wanda" else None
    seen: list[dict[str, torch.Tensor]] = []

    class Watched(RisingMasks):
        def enforce(self, watched: torch.nn.Module, step: int) -> None:
            super().enforce(watched, step)
            seen.append(list_zeros(watched))

    rise = 20
    heal(model, dense, Watched(shares, rise, norms), tmp_path)
    assert len(seen) == STEPS
    for step, zeros in enumerate(seen, start=1):
        for name, found in zeros.items():
            share = cubic_sparsity(step, rise, shares[name])
            rows = len(found) if using == "wanda" else 1
            assert int(found.sum()) == rows * count_dropped(found.numel() // rows, share)
            if step > 1:
                assert (found | ~seen[step - 2][name]).all()  # nothing comes back
    for name, found in list_zeros(model).items():  # of the best weights, too
        assert torch.equal(found, seen[-1][name])


def test_the_first_choice_of_a_rise_is_wanda_s(dense: dict[str, torch.Tensor]) -> None:
    model = restore(dense)
    norms = measure_norms(model, make_rows(64, 0)[0])
    masks = RisingMasks(dict.fromkeys(norms, 0.6), 1, norms)
    masks.start(model)
    masks.enforce(model, 1)
    for name, found in list_zeros(model).items():
        expected = drop_by_wanda(dense[name].numpy(), norms[name], 0.6)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_only_weights_of_the_last_sparsity_are_a_run_s_best(tmp_path: Path, dense: dict[str, torch.Tensor]) -> None:
    """The dense beginning answers best: it is not what is kept."""
    model = restore(dense)
    shares = dict.fromkeys(list_names(model), 0.97)
    heal(model, dense, RisingMasks(shares, 30), tmp_path, validate_every=5, learning_rate=1e-6)
    for name, found in list_zeros(model).items():
        assert int(found.sum()) == count_dropped(found.numel(), 0.97), name


@pytest.mark.parametrize("rising", [False, True])
@pytest.mark.parametrize("seconds", [1e9, 1e-9], ids=["at validations", "after every step"])
def test_interrupted_equals_uninterrupted(
    tmp_path: Path, dense: dict[str, torch.Tensor], seconds: float, rising: bool
) -> None:
    options = replace(HEAL, checkpoint_seconds=seconds, validate_every=5)
    rows = (*make_rows(150, 0), *make_rows(60, 1))

    def attempt(out: Path, task: StoppingTask) -> None:
        model = restore(dense) if rising else make_sparse(dense)
        masks = RisingMasks(dict.fromkeys(list_names(model), 0.8), 25) if rising else Masks(list_names(model))
        train(model, task, make_objective(["cross_entropy"]), out, options, constraint=masks, quiet=True)

    attempt(tmp_path / "whole", StoppingTask(*rows, batch_size=16, seed=5))
    task, restarts = StoppingTask(*rows, batch_size=16, seed=5), 0
    for task.loads_left in (6, 1, 9, 12, 10**9):
        try:
            attempt(tmp_path / "broken", task)
            break
        except Interrupted:
            restarts += 1
    assert restarts == 4
    assert (tmp_path / "broken" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_another_law_is_another_run(tmp_path: Path, dense: dict[str, torch.Tensor]) -> None:
    def attempt(masks: Masks | None) -> None:
        model, options = make_sparse(dense), replace(HEAL, max_steps=2)
        train(model, make_task(), make_objective(["cross_entropy"]), tmp_path, options, constraint=masks, quiet=True)

    names = list_names(make_model())
    attempt(Masks(names))
    for other in (None, Masks(names[:-1]), RisingMasks(dict.fromkeys(names, 0.9), 5)):
        with pytest.raises(CheckpointError, match="belongs to one run"):
            attempt(other)
