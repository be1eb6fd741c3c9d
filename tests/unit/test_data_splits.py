"""Splits: a partition by content and seed, groups kept together, classes in proportion; leaks found, each one."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smallwright.data.row import Row, SourceRow
from smallwright.data.splits import (
    SPLITS,
    assign_splits,
    choose_rows,
    count_conflicts,
    cut_document,
    find_leaks,
    make_key,
    normalise,
)

ROWS = st.lists(st.tuples(st.integers(0, 60), st.sampled_from("abcd")), min_size=0, max_size=120)
FRACTIONS = st.sampled_from([0.0, 0.05, 0.1, 0.25, 0.4])


def split(pairs: list[tuple[int, str]], validation: float, test: float, seed: int) -> list[str]:
    keys = [make_key(f"text {number}") for number, _ in pairs]
    labels = [label for _, label in pairs]
    return assign_splits(keys, labels, validation_fraction=validation, test_fraction=test, seed=seed)


@given(ROWS, FRACTIONS, FRACTIONS, st.integers(0, 2**63 - 1), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_a_split_is_a_partition_by_content_and_seed_alone(
    pairs: list[tuple[int, str]], validation: float, test: float, seed: int, shuffler: random.Random
) -> None:
    splits = split(pairs, validation, test, seed)
    assert len(splits) == len(pairs) and set(splits) <= set(SPLITS)
    assert splits == split(pairs, validation, test, seed)
    order = list(range(len(pairs)))
    shuffler.shuffle(order)
    assert split([pairs[index] for index in order], validation, test, seed) == [splits[index] for index in order]
    of_text = defaultdict(set)
    for (number, _), name in zip(pairs, splits, strict=True):
        of_text[number].add(name)
    assert all(len(names) == 1 for names in of_text.values())
    trained = {label for (_, label), name in zip(pairs, splits, strict=True) if name == "train"}
    assert {label for _, label in pairs} == trained
    for name, fraction in (("validation", validation), ("test", test)):
        assert splits.count(name) <= round(len(pairs) * fraction)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(15, 90), min_size=1), FRACTIONS, FRACTIONS)
@settings(max_examples=80, deadline=None)
def test_distinct_texts_are_stratified_to_within_a_row(sizes: dict[str, int], validation: float, test: float) -> None:
    labels = [label for label, size in sizes.items() for _ in range(size)]
    keys = [make_key(f"text {index}") for index in range(len(labels))]
    splits = assign_splits(keys, labels, validation_fraction=validation, test_fraction=test, seed=3)
    counts = Counter(zip(labels, splits, strict=True))
    for name, fraction in (("validation", validation), ("test", test)):
        assert splits.count(name) == round(len(labels) * fraction)
        for label, size in sizes.items():
            # The total is rounded to a row before it is shared out, hence not quite 1.
            assert abs(counts[label, name] - size * fraction) < 1.5


def test_another_seed_is_another_split() -> None:
    pairs = [(index, "ab"[index % 2]) for index in range(200)]
    first, second = split(pairs, 0.1, 0.2, 0), split(pairs, 0.1, 0.2, 1)
    assert first != second
    assert Counter(first) == Counter(second) == {"train": 140, "validation": 20, "test": 40}


def test_a_text_under_two_labels_stays_in_train() -> None:
    keys = [make_key(text) for text in ["same", "Same!"] + [f"other {index}" for index in range(40)]]
    labels = ["a", "b"] + ["a", "b"] * 20
    for seed in range(20):
        splits = assign_splits(keys, labels, validation_fraction=0.3, test_fraction=0.3, seed=seed)
        assert splits[:2] == ["train", "train"]


@given(st.text())
@example("\u0345\u03b1")
@example("ǰ. \u0323")
@settings(max_examples=500, deadline=None)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(st.text(alphabet=st.characters(max_codepoint=127)))
@settings(max_examples=200, deadline=None)
def test_ascii_texts_take_a_shorter_way_to_the_same_form(text: str) -> None:
    assert normalise(text + " \u00e9") == f"{normalise(text)} \u00e9".strip() or not any(map(str.isalnum, text))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Turn on the LIGHT!", "turn on  the light", True),
        ("ﬁne", "FINE", True),
        ("Straße", "STRASSE", True),
        ("cafe\u0301", "café", True),
        ("what's up", "what s up", True),
        ("１２３", "123", True),
        ("good 👍", "good 👎", False),
        ("a+b", "a-b", False),
        ("!!!", "???", False),
        ("set to 20", "set to 21", False),
    ],
)
def test_what_counts_as_the_same_text(one: str, other: str, same: bool) -> None:
    assert (make_key(one) == make_key(other)) is same


def rows_of(name: str, texts: list[str]) -> list[SourceRow]:
    return [SourceRow(Row(text, "a"), f"{name}.jsonl", line) for line, text in enumerate(texts, 1)]


def test_planted_leaks_are_all_found_and_nothing_else() -> None:
    base = {name: [f"{name} sentence number {index}" for index in range(300)] for name in SPLITS}
    chooser = random.Random(5)
    planted: set[tuple[str, int, str]] = set()
    plan = (("test", "train", 23, 0), ("validation", "train", 11, 0), ("test", "validation", 7, 150))
    for source, target, count, start in plan:
        for text in chooser.sample(base[source][start : start + 150], count):
            base[target].append(text.upper().replace(" ", ", ") + "!")
            planted.add((target, len(base[target]), source))
    splits = {name: rows_of(name, texts) for name, texts in base.items()}
    keys = {name: [make_key(text) for text in texts] for name, texts in base.items()}
    leaks = find_leaks(splits, keys)
    counts = Counter((leak.split, leak.other) for leak in leaks)
    assert counts[("train", "test")] == 23
    assert counts[("validation", "test")] == 7
    assert counts[("train", "validation")] == 11
    assert {(leak.split, leak.index + 1, leak.other) for leak in leaks} == planted
    assert all(leak.place == f"{leak.split}.jsonl, line {leak.index + 1}" for leak in leaks)


def test_a_text_in_all_three_splits_is_three_leaks() -> None:
    splits = {name: rows_of(name, ["Hello, world"]) for name in SPLITS}
    keys = {name: [make_key("hello world")] for name in SPLITS}
    pairs = [(leak.split, leak.other) for leak in find_leaks(splits, keys)]
    assert pairs == [("train", "validation"), ("train", "test"), ("validation", "test")]


def test_the_same_text_under_another_label_is_a_conflict() -> None:
    rows = [SourceRow(Row(text, label), "f", line) for line, (text, label) in enumerate(["ha", "Hb", "xa", "ha"], 1)]
    keys = [make_key(row.row.text) for row in rows]
    assert [(first.line, row.line) for first, row in count_conflicts(rows, keys)] == [(1, 2)]


@given(ROWS.filter(bool), st.integers(0, 130))
@settings(max_examples=80, deadline=None)
def test_chosen_rows_keep_every_class(pairs: list[tuple[int, str]], extra: int) -> None:
    keys = [make_key(str(number)) for number, _ in pairs]
    labels = [label for _, label in pairs]
    count = len(set(labels)) + extra
    kept = choose_rows(keys, labels, count, 0)
    assert len(kept) == min(count, len(pairs)) and kept == sorted(set(kept))
    assert {labels[index] for index in kept} == set(labels)


@given(
    st.text(alphabet="ab \n", max_size=400),
    st.sampled_from([(0.8, 0.1, 0.1), (0.9, 0.0, 0.1), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0)]),
)
@settings(max_examples=150, deadline=None)
def test_a_cut_document_joins_back_and_has_the_asked_shares(text: str, fractions: tuple[float, ...]) -> None:
    parts = cut_document(text, fractions)
    assert "".join(parts) == text and len(parts) == 3
    slack = 2 * max(1, len(text) // 100) + 1
    for part, fraction in zip(parts, fractions, strict=True):
        assert abs(len(part) - fraction * len(text)) <= slack
        assert fraction or not part


def test_a_document_is_cut_at_a_paragraph() -> None:
    text = "\n\n".join(f"Paragraph {index}. It says something of its own." for index in range(400))
    parts = cut_document(text, (0.8, 0.1, 0.1))
    assert all(part.startswith("Paragraph") for part in parts)
