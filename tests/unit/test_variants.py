"""Variants of rows: new texts, the same labels, never a held-out text; each change does what its name says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from smallwright.data import Row
from smallwright.data.augment import make_variants
from smallwright.errors import RecipeError
from smallwright.pipeline.enlarge import augmented_stage, describe_added
from smallwright.pipeline.plan import make_plan
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.shared import data_stage
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe

ROWS = [
    Row(f"{verb} the {thing} in the {room}", label=verb)
    for verb in ("open", "close", "dim")
    for thing in ("blinds", "ceiling lamp")
    for room in ("kitchen", "bedroom", "attic")
]


def _words(text: str) -> Counter[str]:
    return Counter(text.split())


def test_each_row_has_its_variants_which_are_new_and_keep_the_label() -> None:
    made = make_variants(ROWS, copies=3, typos=0.2, casing=0.2, dropping=0.2, seed=1)
    assert Counter(row.label for row in made) == {"open": 18, "close": 18, "dim": 18}
    texts = [row.text for row in made]
    assert len(set(texts)) == len(texts) and not set(texts) & {row.text for row in ROWS}
    assert made == make_variants(ROWS, copies=3, typos=0.2, casing=0.2, dropping=0.2, seed=1)
    assert made != make_variants(ROWS, copies=3, typos=0.2, casing=0.2, dropping=0.2, seed=2)


def test_held_out_texts_never_come_out() -> None:
    free = make_variants(ROWS, copies=2, dropping=0.3, seed=0)
    banned = {f"{row.text.upper()}!" for row in free}
    made = make_variants(ROWS, copies=2, dropping=0.3, seed=0, avoid=banned)
    assert not {row.text for row in made} & {row.text for row in free}


def test_dropping_leaves_words_out_at_its_rate_and_one_at_least() -> None:
    long = [Row(" ".join(f"word{number}" for number in range(1000)), label="a")]
    (made,) = make_variants(long, copies=1, dropping=0.3)
    assert len(made.text.split()) == pytest.approx(700, abs=60)  # 4 standard deviations
    assert made.text.split() == sorted(made.text.split(), key=lambda word: int(word[4:]))
    assert all(row.text for row in make_variants([Row("one two", label="a")] * 20, copies=1, dropping=0.99))


def test_a_typo_changes_one_place_of_a_word_and_spares_short_words_and_blanks() -> None:
    long = Row("an Ohm-meter\n  in 2024 is to be repaired", label="a")
    made = make_variants([long] * 40, copies=1, typos=1.0, seed=3)
    assert len(made) == 40
    for row in made:
        first, rest = row.text.split("\n")
        assert rest.startswith("  in 2024 is to be ") and first.startswith("an ")
        word = rest.rsplit(" ", 1)[1]
        assert word != "repaired" or first != "an Ohm-meter"
        assert _edits(word, "repaired") <= 1 and _edits(first, "an Ohm-meter") <= 1


def _edits(one: str, other: str) -> int:
    """Damerau's distance, where it is 0 or 1; else 2."""
    if one == other:
        return 0
    if len(one) == len(other):
        apart = [at for at in range(len(one)) if one[at] != other[at]]
        swapped = len(apart) == 2 and apart[1] == apart[0] + 1 and one[apart[0]] == other[apart[1]]
        return 1 if len(apart) == 1 or (swapped and one[apart[1]] == other[apart[0]]) else 2
    short, long = sorted((one, other), key=len)
    gone = [long[:at] + long[at + 1 :] for at in range(len(long))]
    return 1 if len(long) - len(short) == 1 and short in gone else 2


def test_casing_changes_nothing_else() -> None:
    made = make_variants(ROWS, copies=2, casing=1.0)
    originals = {row.text for row in ROWS}
    assert made and all(row.text.lower() in originals for row in made)


def test_mixing_joins_a_start_and_an_end_of_one_class() -> None:
    rows = [Row(" ".join(f"{label}{number}.{place}" for place in range(5)), label=label)
            for label in "ab" for number in range(8)]  # fmt: skip
    made = make_variants(rows, copies=3, mixing=1.0)
    assert len(made) > 20
    for row in made:
        words = row.text.split()
        assert [word.split(".")[1] for word in words] == list("01234")
        sources = [word.split(".")[0] for word in words]
        assert all(source.startswith(str(row.label)) for source in sources)
        assert sources == sorted(sources, key=sources.index) and len(set(sources)) == 2


def test_of_a_prompt_only_the_prompt_changes() -> None:
    rows = [Row("turn on the lamp=on", prompt="turn on the lamp=", completion="on")]
    (made,) = make_variants(rows, copies=1, dropping=0.5, seed=1)
    assert made.completion == "on" and made.prompt != "turn on the lamp=" and made.text == f"{made.prompt}on"


def _recipe(folder: Path, **augment: Any) -> Recipe:
    lines = [json.dumps({"text": row.text, "label": row.label}) for row in ROWS]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    document = {
        "name": "blinds",
        "task": {"kind": "classify"},
        "data": {"train": "rows.jsonl", "validation_fraction": 0.2, "test_fraction": 0.2, "augment": augment},
        "tokenizer": {"kind": "train", "vocabulary": 300},
        "distill": {"epochs": 1},
    }
    return Recipe.from_mapping(document, root=folder)


def test_the_stage_adds_training_rows_and_leaves_all_else(tmp_path: Path) -> None:
    recipe, shop = _recipe(tmp_path, copies=2, dropping=0.3), Workshop(tmp_path / "stages", quiet=True)
    data = data_stage(recipe, shop)
    more = augmented_stage(recipe, shop, data)
    given, rows = read_split(data, "train"), read_split(more, "train")
    assert rows[: len(given)] == given and len(rows) == len(given) + more.facts["variants"] > 2 * len(given)
    for split in ("validation", "test"):
        assert read_split(more, split) == read_split(data, split) != []
    assert describe_added(shop) == [
        f"The networks learned from {more.facts['variants']} variants of the {len(given)} training rows too "
        "(data.augment); a linear baseline did not, for variants make it worse."
    ]
    assert make_plan(recipe).training_rows == 3 * len(given)
    # What the data stage itself leaves does not depend on it.
    other = _recipe(tmp_path, copies=1, casing=0.5)
    assert data_stage(other, shop).key == data.key


def test_nothing_asked_for_nothing_done(tmp_path: Path) -> None:
    recipe, shop = _recipe(tmp_path, copies=1), Workshop(tmp_path / "stages", quiet=True)
    plain = recipe.model_copy(update={"data": recipe.data.model_copy(update={"augment": None})})
    data = data_stage(plain, shop)
    assert augmented_stage(plain, shop, data) is data and describe_added(shop) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"data": {"train": "a", "augment": {"typos": 0, "casing": 0, "dropping": 0}}}, "must change something"),
        ({"task": {"kind": "generate"}, "data": {"train": "a", "augment": {}}}, "data.augment needs labels, or rows"),
        (
            {
                "task": {"kind": "generate"},
                "data": {
                    "train": {"path": "a", "fields": {"prompt": "p", "completion": "c"}},
                    "augment": {"mixing": 0.1},
                },
            },
            "mixing is for task.kind: classify",
        ),
    ],
)
def test_what_cannot_be_augmented_is_refused_with_the_recipe(changes: dict[str, Any], told: str) -> None:
    document = {"name": "x", "task": {"kind": "classify"}, "data": {"train": "a"}, **changes}
    with pytest.raises(RecipeError, match=told):
        Recipe.from_mapping(document)
