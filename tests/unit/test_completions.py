"""Training on answers: only the completion's tokens are targets, a score is what greedy decoding would get right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from smallwright.data.completions import Completions, write_completions
from smallwright.errors import DataError
from smallwright.model import Transformer, preset, seeded
from smallwright.spec import HeadSpec
from smallwright.teacher.language import answer_completions
from smallwright.train.completions import CompletionTask, load_completions
from smallwright.train.loop import train
from smallwright.train.objectives import make_objective
from smallwright.train.options import LoopOptions

CPU = torch.device("cpu")
END = 1
PAIRS = [([5, 6, 7], [8, END]), ([9], [10, 11, 12, END]), ([13, 14], [END]), ([5, 6], [8, 8, END])]


def make_model(vocabulary: int = 16) -> Transformer:
    with seeded(3):
        return Transformer(
            preset(
                "nano",
                vocabulary=vocabulary,
                causal=True,
                heads={"language_model": HeadSpec("language_model", tied=True)},
                context=32,
            )
        )


@pytest.fixture
def completions(tmp_path: Path) -> Completions:
    write_completions(tmp_path / "pairs", PAIRS, 16)
    return Completions.open(tmp_path / "pairs")


def test_the_targets_are_the_completions_and_nothing_else(completions: Completions) -> None:
    batch = load_completions(completions, [0, 1, 2, 3], CPU)
    assert batch.tokens.tolist() == [[5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 0, 0], [5, 6, 8, 8]]
    assert batch.targets.labels.tolist() == [8, END, 10, 11, 12, END, END, 8, 8, END]
    assert batch.positions is not None and batch.positions.tolist() == [2, 3, 4, 5, 6, 7, 9, 13, 14, 15]
    assert completions.target_offsets.tolist() == [0, 2, 6, 7, 10]


def test_logits_of_some_positions_are_rows_of_all(completions: Completions) -> None:
    model, batch = make_model().eval(), load_completions(completions, [0, 1, 2, 3], CPU)
    with torch.inference_mode():
        some = model.logits(batch.tokens, positions=batch.positions)
        torch.testing.assert_close(some, model.logits(batch.tokens).flatten(0, 1)[batch.positions])


def test_the_prompt_has_no_part_in_the_loss(completions: Completions) -> None:
    """The gradient of the summed loss equals that of a plain loop over documents with the prompt's targets left out."""
    model, task = make_model(), CompletionTask(completions, batch_size=4)
    objective = make_objective(("cross_entropy",))
    batch = task.load(0, 0, CPU)
    objective(task.forward(model, batch).logits, batch.targets).sum().backward()
    got = model.embedding.tokens.weight.grad.clone()
    model.zero_grad()
    total = torch.zeros(())
    for prompt, answer in PAIRS:
        document = torch.tensor([[*prompt, *answer]])
        log_probabilities = model.logits(document[:, :-1]).log_softmax(-1)[0]
        total = total - sum(log_probabilities[len(prompt) - 1 + i, token] for i, token in enumerate(answer))
    total.backward()
    torch.testing.assert_close(got, model.embedding.tokens.weight.grad, atol=1e-5, rtol=1e-4)


def test_the_exact_score_is_what_greedy_decoding_answers(completions: Completions, tmp_path: Path) -> None:
    model, task = make_model(), CompletionTask(completions, completions, batch_size=4)
    options = LoopOptions(epochs=120, learning_rate=0.01, dropout=0.0, threads=1)
    result = train(model, task, make_objective(("cross_entropy",)), tmp_path / "run", options, quiet=True)
    right = 0
    for prompt, answer in PAIRS:
        tokens = list(prompt)
        with torch.inference_mode():
            while len(tokens) < len(prompt) + len(answer):
                tokens.append(int(model.logits(torch.tensor([tokens]))[0, -1].argmax()))
        right += tokens[len(prompt) :] == answer
    assert result.scores["exact"] == right / len(PAIRS) == 1.0
    assert CompletionTask(completions, completions).validate(make_model(), "float32")["exact"] < 1.0


def test_a_teacher_answers_every_target_and_is_asked_once(completions: Completions, tmp_path: Path) -> None:
    model = make_model().eval()
    answers = answer_completions(model, completions, tmp_path / "answers", top=3)
    values, tokens = answers.read(np.arange(len(answers)))
    place = 0
    for prompt, answer in PAIRS:
        with torch.inference_mode():
            found = model.logits(torch.tensor([[*prompt, *answer]])).log_softmax(-1)[0]
        for at in range(len(prompt) - 1, len(prompt) + len(answer) - 1):
            best = found[at].topk(3)
            assert tokens[place].tolist() == best.indices.tolist()
            np.testing.assert_allclose(values[place], best.values.numpy(), rtol=1e-3, atol=1e-3)
            place += 1
    assert place == len(values)
    stamp = (tmp_path / "answers" / "answers.npy").stat().st_mtime_ns
    answer_completions(model, completions, tmp_path / "answers", top=3)
    assert (tmp_path / "answers" / "answers.npy").stat().st_mtime_ns == stamp
    task = CompletionTask(completions, batch_size=2, teacher=answers)
    for index in range(task.count_batches(0)):
        batch = task.load(0, index, CPU)
        assert batch.targets.teacher is not None and batch.targets.teacher_classes is not None
        log_probabilities = model.logits(batch.tokens, positions=batch.positions).log_softmax(-1)
        spoken = log_probabilities.gather(-1, batch.targets.teacher_classes)
        torch.testing.assert_close(spoken, batch.targets.teacher, atol=2e-3, rtol=2e-3)


def test_the_fingerprint_knows_where_a_completion_begins(tmp_path: Path) -> None:
    a = write_completions(tmp_path / "a", [([5, 6], [7, END])], 16)
    b = write_completions(tmp_path / "b", [([5], [6, 7, END])], 16)
    assert CompletionTask(a).fingerprint() != CompletionTask(b).fingerprint()


def test_what_cannot_be_learned_is_refused(tmp_path: Path, completions: Completions) -> None:
    with pytest.raises(DataError, match="must have tokens"):
        write_completions(tmp_path / "x", [([], [END])], 16)
    with pytest.raises(DataError, match="at least one prompt"):
        CompletionTask(write_completions(tmp_path / "y", [], 16))
    with pytest.raises(DataError, match="teacher's answers"):
        CompletionTask(completions, teacher=np.zeros((3, 2), np.float16))
    np.save(tmp_path / "pairs" / "starts.npy", np.array([3, 1, 2, 99]))
    with pytest.raises(DataError, match="start inside their documents"):
        Completions.open(tmp_path / "pairs")
