"""A teacher that reads other tokens: where it is aligned, what it says there, and what a student loses by it."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import wasserstein_distance
from tokenizers import Tokenizer, normalizers

from smallwright.data import Shard, write_shard
from smallwright.data.cross_answers import CrossAnswers
from smallwright.errors import CheckpointError, DataError, RecipeError
from smallwright.model import LANGUAGE_MODEL, Transformer, preset, save_model, seeded
from smallwright.pipeline.generate import make_generator
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.spec import HeadSpec
from smallwright.teacher.cross_tokenizer import answer_across
from smallwright.teacher.language import answer_next_tokens
from smallwright.tokenizer.alignment import Alignment, align, read_alphabet
from smallwright.tokenizer.train import END_OF_TEXT, train_bpe, train_wordpiece
from smallwright.train.alignment import likelihood_divergence, sorted_distance
from smallwright.train.cross_tokenizer import CrossTokenizerTask
from smallwright.train.objectives import OBJECTIVES, Targets, make_objective
from smallwright.train.settings import CROSS_TOKENIZER
from smallwright.train.tasks import LanguageModelTask

TEXTS = ["the cat sat on the mat, and the dog näht on the log.\n" * 3, "a log is a log — the mat is flat\n" * 4, "ok"]
OTHER = ["there is the other theme of these otters, and a thesis on mathematics\n" * 5]
CONTEXT, TOP = 16, 5
CPU = torch.device("cpu")


def read(tokenizer: Tokenizer, texts: list[str]) -> list[np.ndarray]:
    end = tokenizer.token_to_id(END_OF_TEXT)
    return [np.array([*tokenizer.encode(text, add_special_tokens=False).ids, end]) for text in texts]


def make_model(tokenizer: Tokenizer, seed: int = 0) -> Transformer:
    heads = {LANGUAGE_MODEL: HeadSpec(kind="language_model", tied=True)}
    size = tokenizer.get_vocab_size()
    with seeded(seed):
        return Transformer(preset("pico", vocabulary=size, causal=True, heads=heads, context=CONTEXT)).eval()


@pytest.fixture(scope="module")
def mine() -> Tokenizer:
    return train_bpe(TEXTS, vocabulary=275)


@pytest.fixture(scope="module")
def theirs() -> Tokenizer:
    return train_bpe([*OTHER, TEXTS[1]], vocabulary=310)


def ask(folder: Path, theirs: Tokenizer, mine: Tokenizer, top: int = TOP) -> tuple[Shard, CrossAnswers, Alignment]:
    """The student's shard, a random teacher's answers at its positions, and how both lie."""
    given, own = read(theirs, TEXTS), read(mine, TEXTS)
    alignment = align(given, own, (read_alphabet(theirs), read_alphabet(mine)))
    shard = write_shard(folder / "mine", own, mine.get_vocab_size())
    answers = answer_across(
        make_model(theirs),
        write_shard(folder / "theirs", given, theirs.get_vocab_size()),
        alignment,
        folder / "answers",
        vocabulary=shard.vocabulary,
        context=CONTEXT,
        top=top,
    )
    return shard, answers, alignment


def test_bytes_are_what_the_tokenizer_decodes_to(mine: Tokenizer) -> None:
    alphabet = read_alphabet(mine)
    for text in (*TEXTS, "ß\x00\u00ad\u00a0\U0001f600"):
        tokens = mine.encode(text, add_special_tokens=False).ids
        assert b"".join(alphabet.token_bytes[token] for token in tokens) == text.encode("utf-8")
    assert len({word for word in alphabet.token_bytes if len(word) == 1}) == 256
    assert not alphabet.plain[alphabet.end] and alphabet.token_bytes[alphabet.end] == END_OF_TEXT.encode()
    with pytest.raises(CheckpointError, match=r"between byte-level tokenizers .* Got wordpiece"):
        read_alphabet(train_wordpiece(TEXTS, vocabulary=200))


def test_places_are_those_where_the_decoded_texts_are_equal(mine: Tokenizer, theirs: Tokenizer) -> None:
    """Against the obvious way: every prefix of every document in both, as bytes."""
    alphabets = read_alphabet(theirs), read_alphabet(mine)
    given, own = read(theirs, TEXTS), read(mine, TEXTS)
    found = align(given, own, alphabets)
    expected, begin = [], 0
    for one, other in zip(given, own, strict=True):
        prefixes = [
            [b"".join(alphabet.token_bytes[t] for t in tokens[: n + 1]) for n in range(len(tokens))]
            for tokens, alphabet in zip((one, other), alphabets, strict=True)
        ]
        places = {prefix: begin + n for n, prefix in enumerate(prefixes[0])}
        expected += [places.get(prefix, -1) for prefix in prefixes[1]]
        begin += len(one)
    assert found.at.tolist() == expected
    assert 0.3 < (found.at >= 0).mean() < 1 and not found.torn.any()
    numbers = {alphabets[1].token_bytes[n]: n for n in range(mine.get_vocab_size()) if alphabets[1].plain[n]}
    for number, word in enumerate(alphabets[0].token_bytes):
        wanted = alphabets[1].end if number == alphabets[0].end else numbers.get(word, -1)
        assert found.shared[number] == wanted
    assert (found.shared < 0).any()


def test_a_document_that_a_normaliser_changed_is_left_out(mine: Tokenizer) -> None:
    changing = Tokenizer.from_str(mine.to_str())
    changing.normalizer = normalizers.NFC()
    texts = ["e\u0301 and so on", "plain"]
    alphabets = read_alphabet(changing), read_alphabet(mine)
    found = align(read(changing, texts), read(mine, texts), alphabets)
    first = len(read(mine, texts)[0])
    assert found.torn.tolist() == [True] * first + [False] * (len(found.at) - first)
    assert (found.at[:first] == -1).all() and (found.at[first:] >= 0).all()
    with pytest.raises(DataError, match="must read the same bytes as its student"):
        align(read(changing, texts[:1]), read(mine, texts[:1]), alphabets)
    with pytest.raises(DataError, match=r"on the same documents\. Got 1 and 2"):
        align(read(changing, texts[:1]), read(mine, texts), alphabets)


def test_answers_are_the_teachers_own_where_both_end_a_token(
    tmp_path: Path, mine: Tokenizer, theirs: Tokenizer
) -> None:
    shard, answers, alignment = ask(tmp_path, theirs, mine)
    stored = Shard.open(tmp_path / "theirs")
    plain = answer_next_tokens(make_model(theirs), stored, tmp_path / "plain", context=CONTEXT, top=TOP)
    aligned = np.flatnonzero(alignment.at >= 0)
    assert np.array_equal(np.flatnonzero(answers.records["aligned"]), aligned)
    values, tokens = answers.top.read(aligned)
    theirs_values, theirs_tokens = plain.read(alignment.at[aligned])
    assert np.array_equal(values, theirs_values)
    named = alignment.shared[theirs_tokens]
    assert np.array_equal(tokens, np.where(named < 0, shard.vocabulary, named))
    assert answers.records.dtype.itemsize == 4 * TOP + 5


def test_spans_have_the_likelihood_of_their_bytes(tmp_path: Path, mine: Tokenizer, theirs: Tokenizer) -> None:
    """Summed by hand over the teacher's tokens between two aligned places."""
    _, answers, alignment = ask(tmp_path, theirs, mine)
    tokens, model = Shard.open(tmp_path / "theirs").tokens.astype(np.int64), make_model(theirs)
    logs = []
    for start in range(0, len(tokens), CONTEXT):
        with torch.inference_mode():
            logs.append(torch.log_softmax(model.logits(torch.from_numpy(tokens[None, start : start + CONTEXT])), -1)[0])
    log = torch.cat(logs)
    aligned = np.flatnonzero(alignment.at >= 0)
    for left, right in pairwise(aligned):
        begin, end = alignment.at[left], alignment.at[right]
        expected = sum(float(log[place, tokens[place + 1]]) for place in range(begin, end))
        assert answers.records["span"][right - 1] == pytest.approx(expected, abs=1e-3)
    assert np.isnan(answers.records["span"]).sum() == len(answers) - len(aligned) + 1


def test_no_span_crosses_a_document_that_differs(tmp_path: Path, mine: Tokenizer) -> None:
    changing = Tokenizer.from_str(mine.to_str())
    changing.normalizer = normalizers.NFC()
    texts = ["the cat", "e\u0301 and so on", "the dog"]
    given, own = read(changing, texts), read(mine, texts)
    alignment = align(given, own, (read_alphabet(changing), read_alphabet(mine)))
    answers = answer_across(
        make_model(changing),
        write_shard(tmp_path / "theirs", given, changing.get_vocab_size()),
        alignment,
        tmp_path / "answers",
        vocabulary=mine.get_vocab_size(),
        context=CONTEXT,
    )
    known = ~np.isnan(answers.records["span"])
    first, second = len(own[0]), len(own[0]) + len(own[1])
    assert known[: first - 1].all() and known[second : len(answers) - 1].all()
    assert not known[first - 1 : second].any() and not answers.records["aligned"][first:second].any()


def test_spans_of_a_block_are_whole_and_not_torn() -> None:
    answers = CrossAnswers.empty(10, 1, 4)
    answers.records["aligned"] = [True, False, True, True, False, False, True, True, False, True]
    answers.records["span"][[1, 2, 5, 6, 8]] = [-1.0, -2.0, -3.0, math.nan, -5.0]
    blocks = np.array([[0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [5, 6, 7, 8, 9]])
    spans, values = answers.find_spans(blocks)
    # 0>1>2 is a span, 2>3 too; that of 3 ends outside. In the others what began outside, and what is torn, is none.
    assert spans.tolist() == [[0, 0, 1, -1], [-1, -1, -1, -1], [-1, -1, 2, 2]]
    assert values.tolist() == [-1.0, -2.0, -5.0]


def test_equal_tokenizers_give_plain_distillation_to_the_bit(tmp_path: Path, mine: Tokenizer) -> None:
    shard, answers, alignment = ask(tmp_path, mine, mine)
    assert np.array_equal(alignment.at, np.arange(shard.tokens.size))
    plain = answer_next_tokens(make_model(mine), shard, tmp_path / "plain", context=CONTEXT, top=TOP)
    how: dict[str, Any] = {"context": CONTEXT, "batch_size": 2, "seed": 3}
    tasks = LanguageModelTask(shard, teacher=plain, **how), CrossTokenizerTask(shard, answers=answers, **how)
    student = make_model(mine, seed=1)
    for options in ({}, {"tail": True, "divergence": "reverse", "temperature": 1.0}, {"weight": 1.0}):
        losses = []
        for name, task in zip(("soft_targets", "shared_vocabulary"), tasks, strict=True):
            passed = task.forward(student, task.load(0, 1, CPU))
            losses.append(make_objective([name], **options)(passed.logits, passed.targets))
        assert torch.equal(losses[0], losses[1]) and float(losses[0].detach().abs().sum()) > 0


def test_equal_tokenizers_give_the_likelihood_loss_of_the_label_against_the_rest(
    tmp_path: Path, mine: Tokenizer
) -> None:
    shard, answers, _ = ask(tmp_path, mine, mine)
    task = CrossTokenizerTask(shard, answers=answers, context=CONTEXT, batch_size=2)
    batch = task.load(0, 0, CPU)
    passed = task.forward(make_model(mine, seed=1), batch)
    assert batch.targets.spans is not None and batch.targets.span_likelihoods is not None
    assert batch.targets.spans.tolist() == list(range(2 * CONTEXT))
    known = batch.targets.span_likelihoods[:, None]
    top = Targets(passed.targets.labels, known, passed.targets.labels[:, None])
    ours = make_objective(["aligned_likelihood"], temperature=1.0, weight=0.6)(passed.logits, passed.targets)
    plain = make_objective(["soft_targets"], temperature=1.0, weight=0.6, tail=True)(passed.logits, top)
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-4)


def test_shared_tokens_are_a_closed_form(tmp_path: Path, mine: Tokenizer, theirs: Tokenizer) -> None:
    """In float64: both distributions over the shared ones of the teacher's best, or with all others as one more."""
    shard, answers, _ = ask(tmp_path, theirs, mine, top=20)
    task = CrossTokenizerTask(shard, answers=answers, context=CONTEXT, batch_size=3)
    passed = task.forward(make_model(mine, seed=1), task.load(0, 0, CPU))
    targets, weight = passed.targets, 0.7
    assert targets.teacher is not None and targets.teacher_classes is not None and targets.heard is not None
    q = F.softmax(passed.logits.detach().double(), -1).numpy()
    for tail in (False, True):
        objective = make_objective(["shared_vocabulary"], temperature=1.0, weight=weight, tail=tail)
        found = objective(passed.logits.detach(), targets)
        for row in range(len(q)):
            hard = -math.log(q[row, int(targets.labels[row])])
            classes = targets.teacher_classes[row].numpy()
            known = classes >= 0
            if not (bool(targets.heard[row]) and known.any()):
                assert float(found[row]) == pytest.approx(hard, rel=1e-4)
                continue
            p, own = np.exp(targets.teacher[row].double().numpy()[known]), q[row, classes[known]]
            if tail:
                p, own = np.append(p, 1 - p.sum()), np.append(own, 1 - own.sum())
            p, own = p / p.sum(), own / own.sum()
            expected = weight * float((p * np.log(p / own)).sum()) + (1 - weight) * hard
            assert float(found[row]) == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert 0 < int(targets.heard.sum()) < len(q) and bool((targets.teacher_classes == -1).any())


def test_sorted_distance_is_scipys() -> None:
    """The paper's distance is V times the Wasserstein distance of the probabilities as values, shorter sides padded."""
    generator = torch.Generator().manual_seed(0)
    for mine, theirs in ((9, 9), (5, 12), (12, 5)):
        student, teacher = torch.randn(4, mine, generator=generator), torch.randn(4, theirs, generator=generator)
        found = sorted_distance(student * 2, F.log_softmax(teacher * 2, -1))
        size = max(mine, theirs)
        for row in range(4):
            sides = [
                np.pad(F.softmax(x[row].double() * 2, -1).numpy(), (0, size - x.shape[1])) for x in (student, teacher)
            ]
            if mine > theirs:  # what the student has beyond the teacher's count is one rest
                sides[0] = np.append(np.sort(sides[0])[::-1][:theirs], np.sort(sides[0])[::-1][theirs:].sum())
                sides[1] = np.append(np.sort(sides[1])[::-1][:theirs], 0.0)
                assert float(found[row]) == pytest.approx(np.abs(sides[0] - sides[1]).sum(), abs=1e-5)
            else:
                assert float(found[row]) == pytest.approx(size * wasserstein_distance(*sides), abs=1e-5)
    same = torch.randn(3, 7, generator=generator)
    order = torch.randperm(7, generator=generator)
    assert float(sorted_distance(same, F.log_softmax(same[:, order], -1)).abs().max()) < 1e-6
    best = F.log_softmax(same, -1).topk(3, dim=-1).values
    assert float(sorted_distance(same, best).abs().max()) < 1e-6, "what is left over is one more"


@pytest.mark.parametrize("temperature", [1.0, 3.0, 50.0])
def test_likelihood_divergence_is_a_closed_form(temperature: float) -> None:
    teacher, student = torch.tensor([-0.3, -4.0, -25.0, -1.0]), torch.tensor([-1.2, -3.0, -25.0, -1.0])
    found = likelihood_divergence(student, teacher, temperature)
    p, q = (np.exp(side.double().numpy() / temperature) for side in (teacher, student))
    expected = temperature * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-5)
    assert float(found[2:].abs().max()) < 1e-6 and float(found[:2].min()) > 1e-3
    sure = torch.zeros(1, requires_grad=True)
    loss = likelihood_divergence(sure, torch.zeros(1), temperature)
    loss.sum().backward()
    assert float(loss.detach()) == 0.0 and sure.grad is not None and bool(torch.isfinite(sure.grad).all())


def test_the_teacher_is_asked_once(
    tmp_path: Path, mine: Tokenizer, theirs: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, answers, _ = ask(tmp_path, theirs, mine)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(Transformer, "logits", refuse)
    _, again, _ = ask(tmp_path, theirs, mine)
    assert again.records.tobytes() == answers.records.tobytes()
    with pytest.raises(AssertionError, match="asked again"):
        ask(tmp_path, theirs, mine, top=TOP - 1)


def make_recipe(folder: Path, theirs: Tokenizer, **changes: Any) -> Recipe:
    """Whole texts, a random teacher of other tokens as a folder on disk, a student with a vocabulary of its own."""
    (folder / "text").mkdir(exist_ok=True)
    for number, text in enumerate(TEXTS * 2):
        (folder / f"text/{number}.txt").write_text(text * 4 + str(number), encoding="utf-8")
    theirs.save(str(folder / "tokenizer.json"))
    save_model(make_model(theirs), folder / "teacher", folder / "tokenizer.json")
    document = {
        "name": "cats",
        "task": {"kind": "generate"},
        "data": {"train": "text"},
        "teacher": {"from": "hf", "path": "teacher"},
        "tokenizer": {"kind": "train", "vocabulary": 270},
        "student": {"from": "scratch", "preset": "pico", "context": CONTEXT},
        "distill": {"objectives": ["shared_vocabulary"]},
        "threads": 1,
    }
    return Recipe.from_mapping({**document, **changes}, root=folder)


def test_a_recipe_with_a_teacher_of_other_tokens(tmp_path: Path, theirs: Tokenizer) -> None:
    students, keys = set(), set()
    for name in CROSS_TOKENIZER:
        learn = {"epochs": 1, "batch_size": 4, "precision": "float32", "objectives": [name]}
        recipe = make_recipe(tmp_path, theirs, distill=learn)
        shop = Workshop(tmp_path / "out", threads=1, quiet=True)
        made = make_generator(recipe, shop)
        students.add(made.student.key)
        asked = shop.outcomes["cross-answers"]
        keys.add(asked.key)
        assert 0.3 < asked.facts["aligned"] < 1 and asked.facts["torn"] == 0
        assert 256 < asked.facts["shared_tokens"] < theirs.get_vocab_size()
        assert made.teacher_package is not None
        with load(str(made.teacher_package.folder / "model.gguf"), threads=1) as package:
            assert package.tokenize("the otters") == theirs.encode("the otters").ids, "the teacher keeps its tokens"
    assert len(students) == 3 and len(keys) == 1, "one asking serves every objective"


REFUSED = {
    "the same tokens": ({"tokenizer": {"kind": "teacher"}}, "shared_vocabulary needs kind: generate, whole texts"),
    "no teacher": ({"teacher": None}, "shared_vocabulary needs .* Use soft_targets"),
    "a teacher from scratch": ({"teacher": {"from": "scratch", "preset": "pico"}}, "needs .* teacher.path"),
    "classes": ({"task": {"kind": "classify"}}, "shared_vocabulary needs kind: generate"),
    "pairs": (
        {"data": {"train": {"path": "text", "fields": {"prompt": "p", "completion": "c"}}}},
        "shared_vocabulary needs kind: generate, whole texts",
    ),
    "other tokens as if they were the student's": (
        {"distill": {"objectives": ["soft_targets"]}},
        r"answers in its own tokens, .* Got distill.objectives: soft_targets. Use objectives: \[shared_vocabulary\]",
    ),
    "both at once": ({"distill": {"objectives": ["soft_targets", "universal_logit"]}}, "answers in its own tokens"),
    "a look inside": (
        {"distill": {"objectives": ["shared_vocabulary"], "match": {}}},
        "need a teacher that reads the student's tokens",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_when_the_recipe_is_read(tmp_path: Path, theirs: Tokenizer, name: str) -> None:
    changes, words = REFUSED[name]
    with pytest.raises(RecipeError, match=words) as caught:
        make_recipe(tmp_path, theirs, **changes)
    assert "\n" not in str(caught.value)


def test_the_names_are_those_of_the_table() -> None:
    assert {name for name, row in OBJECTIVES.items() if row.crosses} == set(CROSS_TOKENIZER)
