"""A teacher beside the student: what it answers, what may be copied from inside it, and that a kill changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax

from smallwright.data.shards import write_shard
from smallwright.errors import RecipeError
from smallwright.model import Transformer, preset, seeded
from smallwright.spec import HeadSpec
from smallwright.train.loop import METRICS, WEIGHTS, TrainResult, train
from smallwright.train.matching import Matching, record, spread_layers
from smallwright.train.objectives import NO_LABEL, Objective, add_terms, make_objective
from smallwright.train.options import LoopOptions
from smallwright.train.predict import predict_logits
from smallwright.train.sampling import continue_texts
from smallwright.train.tasks import Batch, ClassificationTask, LanguageModelTask
from smallwright.train.tutor import TutoredTask

VOCABULARY, CONTEXT = 40, 24
CPU = torch.device("cpu")
OPTIONS = LoopOptions(
    epochs=2, learning_rate=3e-3, precision="float32", dropout=0.1, threads=1, checkpoint_seconds=1e-9
)


def make_model(size: str = "nano", *, causal: bool = False, seed: int = 0) -> Transformer:
    heads = {"words": HeadSpec("language_model")} if causal else {}
    heads = heads or {"classes": HeadSpec("classifier", pooling="mean", labels=tuple("abc"))}
    with seeded(seed):
        return Transformer(preset(size, vocabulary=VOCABULARY, causal=causal, heads=heads, context=CONTEXT)).eval()


def make_texts(count: int = 40) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, VOCABULARY, rng.integers(2, CONTEXT)).astype(np.int32) for _ in range(count)]
    return texts, rng.integers(0, 3, count)


def make_language_task(folder: Path, batch_size: int = 4) -> LanguageModelTask:
    rng = np.random.default_rng(1)
    shard = write_shard(folder, [rng.integers(0, VOCABULARY, 500).tolist()], VOCABULARY)
    return LanguageModelTask(shard, context=16, batch_size=batch_size)


def match(student: Transformer, teacher: Transformer, **changes: object) -> Matching:
    layers = spread_layers(len(student.spec.layers), len(teacher.spec.layers))
    settings = {"hidden_states": 1.0, "attention_relations": 1.0, "layers": layers, "relation_layers": layers[-1]}
    return Matching(student.spec, teacher.spec, **{**settings, **changes})


def compare(matching: Matching, student: Transformer, teacher: Transformer, texts: list[list[int]]) -> torch.Tensor:
    lengths = torch.tensor([len(text) for text in texts])
    tokens = torch.zeros(len(texts), int(lengths.max()), dtype=torch.int64)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = torch.tensor(text)
    with record(student, matching.names(0)) as mine, record(teacher, matching.names(1)) as theirs:
        student.classify(tokens, lengths), teacher.classify(tokens, lengths)
    return add_terms(matching(mine, theirs, lengths))


def test_layer_maps_end_where_the_teacher_does() -> None:
    assert spread_layers(3, 6) == ((0, 1), (1, 3), (2, 5))
    assert spread_layers(2, 2) == ((0, 0), (1, 1))
    assert spread_layers(4, 6) == ((0, 1), (1, 2), (2, 4), (3, 5))
    assert spread_layers(1, 6) == ((0, 5),)


def test_a_student_like_its_teacher_loses_nothing() -> None:
    teacher, texts = make_model(), [[1, 2, 3], [4, 5, 6, 7, 8]]
    same = compare(match(teacher, teacher), teacher, teacher, texts)
    torch.testing.assert_close(same, torch.zeros(2), atol=1e-6, rtol=0)
    other = make_model(seed=1)
    assert float(compare(match(other, teacher), other, teacher, texts).detach().min()) > 0.1


def test_padding_and_company_change_nothing() -> None:
    teacher, student = make_model("micro"), make_model("nano", seed=2)
    matching = match(student, teacher)
    texts = [[1, 2, 3], [4, 5, 6, 7, 8], [9]]
    together = compare(matching, student, teacher, texts)
    alone = torch.cat([compare(matching, student, teacher, [text]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_losses_are_those_of_the_papers() -> None:
    """In numpy and scipy, from the equations, of one text."""
    teacher, student = make_model("micro"), make_model("nano", seed=2)
    text = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    matching = match(student, teacher, hidden_states=1.0, attention_relations=0.0)
    with record(student, matching.names(0)) as mine, record(teacher, matching.names(1)) as its:
        student.classify(text), teacher.classify(text)
    expected = 0.0
    for (ours, given), projection in zip(matching.layers, matching.projections, strict=True):
        mapped = mine[f"layers.{ours}"][0].detach().numpy() @ projection.weight.detach().numpy().T
        wanted = its[f"layers.{given}"][0].detach().numpy()
        expected += np.mean(((mapped - wanted) ** 2).mean(1) / (wanted**2).mean(1)) / len(matching.layers)
    found = compare(matching, student, teacher, text.tolist())
    assert float(found.detach()) == pytest.approx(expected, rel=1e-4)

    matching = match(student, teacher, hidden_states=0.0, attention_relations=1.0)
    with record(student, matching.names(0)) as mine, record(teacher, matching.names(1)) as its:
        student.classify(text), teacher.classify(text)
    expected = 0.0
    for part in "qkv":
        relations = []
        for seen, layer in ((its, matching.relation_layers[1]), (mine, matching.relation_layers[0])):
            vectors = seen[f"layers.{layer}.mixer.{part}"][0].detach().numpy().astype(np.float64)
            heads = np.split(vectors, matching.relation_heads[part], axis=1)
            relations.append(np.stack([softmax(one @ one.T / np.sqrt(one.shape[1]), axis=1) for one in heads]))
        expected += rel_entr(*relations).sum(-1).mean() / 3
    found = compare(matching, student, teacher, text.tolist())
    assert float(found.detach()) == pytest.approx(expected, rel=1e-4)


def test_a_layer_that_is_not_there_is_refused() -> None:
    teacher = make_model()
    with pytest.raises(RecipeError, match=r"student's layers 0 to 1 .* Got \[0, 7\] in distill.match"):
        match(teacher, teacher, layers=((0, 7),))


def test_answers_of_the_moment_teach_what_kept_ones_do(tmp_path: Path) -> None:
    teacher, (texts, labels) = make_model("micro"), make_texts()
    kept = predict_logits(teacher, texts)
    results = {}
    for name in ("kept", "online"):
        task = ClassificationTask(texts, labels, teacher=kept if name == "kept" else None, batch_size=8)
        tutored = task if name == "kept" else TutoredTask(task, teacher)
        student = make_model(seed=3)
        train(student, tutored, make_objective(["soft_targets"]), tmp_path / name, OPTIONS, quiet=True)
        results[name] = student.state_dict()
    for name, tensor in results["kept"].items():
        torch.testing.assert_close(results["online"][name], tensor, atol=2e-4, rtol=1e-3)


def test_a_student_learns_to_be_like_its_teacher_inside(tmp_path: Path) -> None:
    """And leaves what it wore behind."""
    teacher, (texts, labels) = make_model("micro"), make_texts()
    student, plain = make_model(seed=3), make_model(seed=3)
    names = list(student.state_dict())
    before = compare(match(student, teacher), student, teacher, [text.tolist() for text in texts]).mean().item()
    task = ClassificationTask(texts, labels, teacher=predict_logits(teacher, texts), batch_size=8)
    tutored = TutoredTask(task, teacher, matching=match(student, teacher), answers=False)
    options = replace(OPTIONS, epochs=6, dropout=0.0)
    with tutored.worn_by(student):
        train(student, tutored, make_objective(["soft_targets"]), tmp_path / "matched", options, quiet=True)
        assert "matching.projections.0.weight" in student.state_dict()
        after = compare(student.matching, student, teacher, [text.tolist() for text in texts]).mean().item()
    assert after < 0.7 * before
    assert list(student.state_dict()) == names
    train(plain, task, make_objective(["soft_targets"]), tmp_path / "plain", options, quiet=True)
    assert not torch.equal(plain.layers[0].mixer.q.weight, student.layers[0].mixer.q.weight)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("own_texts", [0.0, 0.5, (0.0, 1.0)])
def test_interrupted_equals_uninterrupted(tmp_path: Path, own_texts: float | tuple[float, float]) -> None:
    teacher = make_model("micro", causal=True)
    wanted = None
    for name, stops in (("whole", []), ("broken", [3, 5, 7])):
        for stop in [*stops, 10**9]:
            student = make_model(causal=True, seed=3)
            language = make_language_task(tmp_path / "shard")
            tutored = TutoredTask(language, teacher, matching=match(student, teacher), own_texts=own_texts)
            left, load = [stop], language.load

            def counted(*where: object, left: list[int] = left, load: object = load) -> object:
                left[0] -= 1
                if left[0] < 0:
                    raise Interrupted
                return load(*where)

            language.load = counted  # type: ignore[method-assign]
            try:
                with tutored.worn_by(student):
                    objective = make_objective(["soft_targets"], divergence="jensen_shannon", skew=0.5)
                    train(student, tutored, objective, tmp_path / name, OPTIONS, quiet=True)
            except Interrupted:
                continue
        found = (tmp_path / name / WEIGHTS).read_bytes()
        wanted = wanted or found
        assert found == wanted


def test_continuations_are_drawn_from_the_models_own_probabilities() -> None:
    model = make_model(causal=True)
    for weight in model.parameters():
        weight.data *= 8  # so that it has opinions
    start = torch.tensor([[1, 2, 3], [4, 5, 6]])
    greedy = continue_texts(model, start, 6, temperature=0)
    by_hand = start
    with torch.no_grad():
        for _ in range(6):
            by_hand = torch.cat((by_hand, model.logits(by_hand)[:, -1].argmax(-1, keepdim=True)), 1)
        probabilities = torch.softmax(model.logits(start)[0, -1] / 2.0, -1)
    assert torch.equal(greedy, by_hand)
    with seeded(5):
        drawn = continue_texts(model, start[:1].expand(4000, -1), 1, temperature=2.0)[:, -1]
    counts = torch.bincount(drawn, minlength=VOCABULARY).double()
    expected = probabilities.double() * 4000
    often = expected > 5
    chi = float(((counts - expected) ** 2 / expected)[often].sum())
    degrees = int(often.sum())
    assert chi < degrees + 6 * (2 * degrees) ** 0.5
    with seeded(5):
        assert torch.equal(continue_texts(model, start[:1].expand(4000, -1), 1, temperature=2.0)[:, -1], drawn)


def test_own_texts_are_answered_by_the_teacher_and_have_no_labels(tmp_path: Path) -> None:
    teacher, student = make_model("micro", causal=True), make_model(causal=True, seed=3)
    task = TutoredTask(make_language_task(tmp_path / "shard"), teacher, own_texts=1.0)
    batch = task.load(0, 0, CPU)
    assert batch.targets.count() == 4 * 16
    with seeded(1):
        passed = task.forward(student, batch)
    labels = passed.targets.labels.view(4, 16)
    assert bool((labels[:, 3:] == NO_LABEL).all()) and torch.equal(labels[:, :3], batch.tokens[:, 1:4])
    with seeded(1):
        torch.rand(())
        written = continue_texts(student, batch.tokens[:, :4], 12)
    with torch.no_grad():
        torch.testing.assert_close(passed.logits, student.logits(written).flatten(0, 1))
        torch.testing.assert_close(passed.targets.teacher, teacher.logits(written).flatten(0, 1).float())
    never = TutoredTask(task.task, teacher).forward(student, batch)
    assert torch.equal(never.targets.labels, batch.targets.labels)


@pytest.mark.parametrize("share", [0.5, (0.0, 1.0), (0.9, 0.2)])
def test_a_schedule_mixes_in_a_straight_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float | tuple[float, float]
) -> None:
    """Against the draws made anew from the run's seeds: the first step has the start's share, the last the end's."""
    language = make_language_task(tmp_path / "shard", batch_size=1)
    task, written, steps = TutoredTask(language, make_model("micro", causal=True), own_texts=share), [], 60
    options = replace(OPTIONS, epochs=2, max_steps=steps, seed=5, checkpoint_seconds=1e9)

    def note(model: Transformer, batch: Batch) -> Batch:
        written.append(batch.progress)
        return batch

    monkeypatch.setattr(task, "_let_write", note)
    train(
        make_model(causal=True, seed=3), task, make_objective(["soft_targets"]), tmp_path / "out", options, quiet=True
    )
    start, end = share if isinstance(share, tuple) else (share, share)
    expected = []
    for step in range(steps):
        torch.manual_seed(int(np.random.SeedSequence([5, step, 0]).generate_state(1)[0]))
        if float(torch.rand(())) < start + (end - start) * step / (steps - 1):
            expected.append(step / (steps - 1))
    assert written == expected and 10 < len(expected) < 50
    assert (task.own_share(0.0), task.own_share(1.0)) == (start, end)
    assert task.fingerprint() != TutoredTask(language, task._teacher, own_texts=0.3).fingerprint()


def test_own_texts_of_a_classifier_are_refused() -> None:
    texts, labels = make_texts()
    with pytest.raises(RecipeError, match="own_texts"):
        TutoredTask(ClassificationTask(texts, labels), make_model("micro"), own_texts=0.5)


def learn(
    out: Path, objective: Objective, options: LoopOptions = OPTIONS, stop: int | None = None
) -> tuple[Transformer, TrainResult]:
    teacher, student, (texts, labels) = make_model("micro"), make_model(seed=3), make_texts()
    task = ClassificationTask(texts, labels, teacher=predict_logits(teacher, texts), batch_size=8)
    load, left = task.load, [stop]

    def counted(*where: object, load: Callable = load) -> object:
        if left[0] is not None:
            left[0] -= 1
            if left[0] < 0:
                raise Interrupted
        return load(*where)

    task.load = counted  # type: ignore[method-assign]
    matching = match(student, teacher, hidden_states=0.5, attention_relations=2.0)
    tutored = TutoredTask(task, teacher, matching=matching, answers=False)
    with tutored.worn_by(student):
        result = train(student, tutored, objective, out, options, quiet=True)
    return student, result


def balanced() -> Objective:
    return make_objective(["soft_targets"], weight=0.8, balance="uncertainty")


def test_the_loop_balances_all_terms_and_says_what_they_came_to(tmp_path: Path) -> None:
    student, result = learn(tmp_path / "a", balanced())
    plain, unbalanced = learn(tmp_path / "b", make_objective(["soft_targets"], weight=0.8))
    assert set(result.balance) == {"hidden_states", "attention_relations", "soft_targets", "cross_entropy"}
    assert unbalanced.balance == {}
    assert sum(one["factor"] for one in result.balance.values()) == pytest.approx(4)
    products = [one["factor"] * one["mean"] for one in result.balance.values()]
    assert products == pytest.approx([products[0]] * 4)
    lines = [json.loads(line) for line in (tmp_path / "a" / METRICS).read_text().splitlines()]
    assert lines[-1]["balance"] == result.balance and "balance" not in (tmp_path / "b" / METRICS).read_text()
    assert not torch.equal(student.layers[0].mixer.q.weight, plain.layers[0].mixer.q.weight)
    assert list(student.state_dict()) == list(make_model().state_dict())  # what ships has nothing of it
    assert learn(tmp_path / "a", balanced())[1] == result  # a finished run is read


def test_the_first_step_is_the_fixed_one(tmp_path: Path) -> None:
    options = replace(OPTIONS, max_steps=1, warmup_fraction=0.0)
    one = learn(tmp_path / "a", balanced(), options)[0]
    other = learn(tmp_path / "b", make_objective(["soft_targets"], weight=0.8), options)[0]
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(tensor, other.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_an_interrupted_balanced_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = learn(tmp_path / "whole", balanced())[1]
    for stop in (3, 1, 4):
        with pytest.raises(Interrupted):
            learn(tmp_path / "broken", balanced(), stop=stop)
    broken = learn(tmp_path / "broken", balanced())[1]
    assert (tmp_path / "broken" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    assert broken.balance == whole.balance
