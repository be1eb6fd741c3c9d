"""ROUGE-L beside the package of its name and a plain recursion; intervals beside closed forms; baselines that copy."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from smallwright.errors import DataError
from smallwright.evaluate.answers import are_right
from smallwright.evaluate.copying import (
    count_lead,
    most_frequent,
    open_constant,
    open_lead,
)
from smallwright.evaluate.free_text import (
    choose_samples,
    compare_means,
    mean_score,
    median_words,
    rouge_l,
    rouge_l_scores,
    split_words,
)
from smallwright.evaluate.nearest import fit_nearest, open_nearest
from smallwright.evaluate.worker import Worker

PAIRS = [
    ("The patient has no known drug allergies.", "No known drug allergies."),
    ("the cat sat on the mat", "the mat sat on the cat"),
    ("He takes 20 mg of Lipitor, twice a day; 1/2 tablet.", "Lipitor 20mg twice-a-day (1/2 tablet)"),
    ("same", "same"),
    ("nothing", "shared"),
    ("", "something"),
    ("...", "..."),
]
words = st.lists(st.sampled_from(["a", "b", "c", "DD", "3"]), max_size=9).map(" ".join)


@pytest.mark.parametrize(("expected", "written"), PAIRS)
def test_rouge_l_is_that_of_the_rouge_score_package(expected: str, written: str) -> None:
    theirs = RougeScorer(["rougeL"]).score(expected, written)["rougeL"].fmeasure
    assert rouge_l(expected, written) == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(words, words)
def test_rouge_l_is_that_of_the_rouge_score_package_on_any_words(expected: str, written: str) -> None:
    theirs = RougeScorer(["rougeL"]).score(expected, written)["rougeL"].fmeasure
    assert rouge_l(expected, written) == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(words, words)
def test_rouge_l_is_the_longest_common_subsequence_by_its_definition(expected: str, written: str) -> None:
    a, b = split_words(expected), split_words(written)

    @cache
    def common(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return 0
        return 1 + common(i + 1, j + 1) if a[i] == b[j] else max(common(i + 1, j), common(i, j + 1))

    length = common(0, 0)
    wanted = 0.0
    if length:
        precision, recall = length / len(b), length / len(a)
        wanted = 2 * precision * recall / (precision + recall)
    assert rouge_l(expected, written) == pytest.approx(wanted, abs=1e-12)


def test_words_are_of_every_alphabet() -> None:
    assert split_words("Él tomó 2_pastillas — MÜDE, 苹果") == ["él", "tomó", "2", "pastillas", "müde", "苹果"]
    assert rouge_l("Él está cansado", "él está CANSADO!") == 1.0


def test_white_space_does_not_make_an_answer_wrong() -> None:
    expected, written = ["no  known\ndrug allergies.", "None."], [" no known drug\tallergies. ", "none."]
    assert are_right(expected, written, [True, True]) == [True, False]
    assert are_right(expected, written, [False, True]) == [False, False]


def test_a_mean_and_its_interval() -> None:
    generator = np.random.default_rng(3)
    scores = generator.beta(2, 5, 400)
    found = mean_score(scores, resamples=4000, seed=1)
    error = 1.96 * scores.std() / 20
    assert found.rows == 400 and found.mean == pytest.approx(scores.mean())
    assert found.low == pytest.approx(scores.mean() - error, abs=0.15 * error)
    assert found.high == pytest.approx(scores.mean() + error, abs=0.15 * error)
    assert found == mean_score(scores, resamples=4000, seed=1)
    same = mean_score([0.25] * 7)
    assert (same.mean, same.low, same.high) == (0.25, 0.25, 0.25)


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    generator = np.random.default_rng(4)
    theirs = generator.uniform(0, 0.8, 300)
    ours = theirs + generator.normal(0.05, 0.02, 300)
    found = compare_means(ours, theirs, name="them", resamples=2000)
    assert found.against == "them" and found.difference == pytest.approx((ours - theirs).mean())
    assert 0 < found.low < 0.05 < found.high < 0.06
    assert mean_score(ours, resamples=2000).low < mean_score(theirs, resamples=2000).high  # they overlap


def test_samples_go_from_the_best_to_the_worst() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.9, 0.0])
    texts = [f"row {row}" for row in range(5)]
    assert [sample.prompt for sample in choose_samples(texts, texts, texts, scores, 3)] == ["row 1", "row 2", "row 4"]
    assert [sample.rouge_l for sample in choose_samples(texts, texts, texts, scores, 9)] == [0.9, 0.9, 0.5, 0.1, 0.0]
    assert choose_samples(texts, texts, texts, scores, 0) == ()


@pytest.mark.parametrize(
    "call",
    [
        lambda: rouge_l_scores(["a"], []),
        lambda: rouge_l_scores([], []),
        lambda: mean_score([]),
        lambda: compare_means([0.1], [0.1, 0.2], name="x"),
        lambda: median_words([]),
        lambda: count_lead([]),
        lambda: most_frequent([]),
        lambda: fit_nearest(["a"], []),
        lambda: fit_nearest(["!?"], ["a"]),
    ],
)
def test_nothing_to_judge_is_an_error(call: object) -> None:
    with pytest.raises(DataError, match=r"Got|needs texts with words"):
        call()  # type: ignore[operator]


def test_the_nearest_row_is_that_of_an_exhaustive_cosine(tmp_path: Path) -> None:
    things = ("my knee hurts", "i take aspirin", "my father smoked", "no allergies at all")
    prompts = [f"{who}: {what}" for who, what in itertools.product(("doctor", "patient", "nurse"), things)]
    nearest = fit_nearest(prompts, [f"answer {row}" for row in range(len(prompts))])
    asked = ["patient: the knee hurts much", "nurse my dad and father smoked", "zzz", *prompts]
    features = nearest.features.toarray()
    for prompt, answer in zip(asked, nearest.answer(asked), strict=True):
        one = nearest.vectorizer.transform([prompt]).toarray()[0]
        cosines = features @ one  # every row has the same length
        assert answer == f"answer {int(cosines.argmax())}"
    assert np.ptp(np.linalg.norm(features, axis=1)) < 1e-6
    assert nearest.answer(prompts) == list(nearest.completions)
    size, sha256 = nearest.save(tmp_path / "nearest.pickle")
    assert size == (tmp_path / "nearest.pickle").stat().st_size
    assert open_nearest(str(tmp_path / "nearest.pickle"), sha256)(prompts[5]) == "answer 5"
    with pytest.raises(DataError, match="must be the one that was written"):
        open_nearest(str(tmp_path / "nearest.pickle"), "0" * 64)


def test_the_lead_and_the_constant() -> None:
    assert count_lead(["one", "one two three", "one two three four five"]) == 3
    assert count_lead([""]) == 1
    assert open_lead(3)("Doctor:  what\nis it then") == "Doctor: what is"
    assert open_lead(3)("short") == "short"
    assert most_frequent(["b", "a", "a", "b"]) == "b"
    assert open_constant("None.")("anything") == "None."


class Package:
    """Two letters are a token; the next token is the one before plus one with the probability 3/4."""

    context = 8

    def special_texts(self) -> dict[str, str]:
        return {"eos_token": "~"}

    def tokenize_chat(self, text: str) -> list[int]:
        return [9] if text == "~" else [int(text[at : at + 2]) for at in range(0, len(text), 2)]

    def tokens_of(self, prompt: str) -> list[int]:
        return [0, *self.tokenize_chat(prompt)]

    def logits(self, tokens: list[int]) -> np.ndarray:
        found = np.full((len(tokens), 10), 0.25 / 9)
        for row, token in enumerate(tokens):
            found[row, (token + 1) % 10] = 0.75
        return np.log(found) + 5.0  # logits are known up to a constant


def test_references_are_foretold_after_their_prompts_end_token_included(tmp_path: Path) -> None:
    worker = Worker()
    worker.subject = Package()
    request = {
        "prompts": ["0102", "01020304050607", "", "01"],
        "completions": ["0304", "08", "08", "02"],
        "max_tokens": 100,
        "save": str(tmp_path / "found.npy"),
    }
    told = worker.foretell(request)
    likely, unlikely = np.log(0.75), np.log(0.25 / 9)
    wanted = [likely, likely, unlikely, unlikely, likely, likely, unlikely]  # 9 follows 8, but 9 after 4 or 2 does not
    assert told == {"rows": 3, "text_bytes": 8}  # the second row has 10 tokens, more than the context
    assert np.load(tmp_path / "found.npy") == pytest.approx(wanted)
    assert worker.foretell({**request, "max_tokens": 3}) == {"rows": 1, "text_bytes": 4}
    assert worker.foretell({**request, "prompts": ["01020304050607"] * 4}) == {"rows": 0, "text_bytes": 0}
    assert np.load(tmp_path / "found.npy").size == 0
