"""The data stage as a whole: files written, rows accounted for, leaks handled, users' mistakes named."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from smallwright.data import DataReport, DataSettings, Row, SourceSettings, hash_inputs, input_files, prepare, read_rows
from smallwright.data.inputs import hash_file
from smallwright.errors import DataError


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def make_rows(name: str, count: int, labels: str = "ab") -> list[dict]:
    return [{"text": f"{name} sentence {index}", "label": labels[index % len(labels)]} for index in range(count)]


def run(tmp_path: Path, settings: dict, kind: str = "classify", out: str = "out") -> DataReport:
    return prepare(DataSettings.model_validate(settings), kind=kind, root=tmp_path, out=tmp_path / out)


def texts(path: Path) -> set[str]:
    return {row.text for row in read_rows(path)}


def test_one_file_becomes_three_splits_and_every_row_is_accounted_for(tmp_path: Path) -> None:
    rows = [*make_rows("train", 200), {"text": "no label"}, {"text": "", "label": "a"}]
    write_jsonl(tmp_path / "data" / "all.jsonl", rows)
    report = run(tmp_path, {"train": "data/all.jsonl"})
    out = tmp_path / "out"
    assert report.rows == {"train": 160, "validation": 20, "test": 20}
    assert report.labels["test"] == {"a": 10, "b": 10}
    assert report.rejects == {"empty text": 1, "missing field": 1}
    assert sum(report.rows.values()) + sum(report.rejects.values()) == len(rows)
    assert report.splits == {"train": "given", "validation": "split off", "test": "split off"}
    written = {path.name for path in out.iterdir()}
    assert written == {
        "train.jsonl",
        "validation.jsonl",
        "test.jsonl",
        "rejects.jsonl",
        "leaks.jsonl",
        "labels.json",
        "report.json",
    }
    assert json.loads((out / "labels.json").read_text()) == ["a", "b"]
    assert json.loads((out / "report.json").read_text()) == json.loads(report.to_json())
    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    assert [(reject["file"], reject["line"]) for reject in rejects] == [
        ("data/all.jsonl", 201),
        ("data/all.jsonl", 202),
    ]
    split = [texts(out / f"{name}.jsonl") for name in ("train", "validation", "test")]
    assert set.union(*split) == {row["text"] for row in rows[:200]} and sum(map(len, split)) == 200
    source = (tmp_path / "data" / "all.jsonl").read_bytes()
    assert report.inputs == [{"role": "train", "file": "data/all.jsonl", "sha256": hashlib.sha256(source).hexdigest()}]
    lengths = sorted(len(text) for text in split[0])
    assert report.lengths_chars["train"]["min"] == lengths[0] and report.lengths_chars["train"]["total"] == sum(lengths)


def test_same_inputs_give_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_jsonl(tmp_path / name / "a.jsonl", make_rows("x", 90, "abc"))
        settings = DataSettings.model_validate({"train": "a.jsonl", "seed": 7})
        prepare(settings, kind="classify", root=tmp_path / name, out=tmp_path / name / "out")
    first, second = tmp_path / "one" / "out", tmp_path / "two" / "out"
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in second.iterdir()
    }
    prepare(settings, kind="classify", root=tmp_path / "two", out=second)
    assert (first / "report.json").read_bytes() == (second / "report.json").read_bytes()


def leaky(tmp_path: Path) -> dict:
    train, validation, test = make_rows("train", 40), make_rows("validation", 20), make_rows("test", 20)
    train += [{"text": row["text"].upper() + "!!", "label": row["label"]} for row in test[:5]]
    train += [{"text": "  " + row["text"], "label": row["label"]} for row in validation[:3]]
    validation += [{"text": row["text"], "label": row["label"]} for row in test[10:12]]
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    return {name: f"{name}.jsonl" for name in ("train", "validation", "test")}


def test_leaks_are_dropped_from_train_and_validation_and_never_from_test(tmp_path: Path) -> None:
    report = run(tmp_path, leaky(tmp_path))
    assert report.rows == {"train": 40, "validation": 20, "test": 20}
    assert {pair: (leak["rows"], leak["dropped"]) for pair, leak in report.leaks.items()} == {
        "train/validation": (3, 3),
        "train/test": (5, 5),
        "validation/test": (2, 2),
    }
    example = report.leaks["train/test"]["examples"][0]
    assert example == {"text": "TEST SENTENCE 0!!", "at": "train.jsonl, line 41", "also_at": "test.jsonl, line 1"}
    assert texts(tmp_path / "out" / "train.jsonl") == {f"train sentence {index}" for index in range(40)}
    assert len((tmp_path / "out" / "leaks.jsonl").read_text().splitlines()) == 10


def test_leaks_are_only_reported_or_refused_when_asked(tmp_path: Path) -> None:
    sources = leaky(tmp_path)
    report = run(tmp_path, {**sources, "on_leak": "report"})
    assert report.rows == {"train": 48, "validation": 22, "test": 20}
    assert {pair: (leak["rows"], leak["dropped"]) for pair, leak in report.leaks.items()} == {
        "train/validation": (3, 0),
        "train/test": (5, 0),
        "validation/test": (2, 0),
    }
    with pytest.raises(DataError, match=r"no text in two splits\. Got 10, the first .* in train\.jsonl, line 46"):
        run(tmp_path, {**sources, "on_leak": "refuse"})


def test_a_training_set_that_is_the_test_set_is_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", make_rows("x", 10))
    with pytest.raises(DataError, match=r"data\.train must keep rows.*Got 10 rows, all of which"):
        run(tmp_path, {"train": "a.jsonl", "test": "a.jsonl"})


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_label_unseen_in_training_is_named_with_file_and_line(tmp_path: Path, split: str) -> None:
    write_jsonl(tmp_path / "train.jsonl", make_rows("train", 40))
    write_jsonl(tmp_path / "other.jsonl", [*make_rows("other", 10), {"text": "strange", "label": "zebra"}])
    with pytest.raises(
        DataError, match=rf"label of {split} must.*Got 'zebra', unseen in train, in other\.jsonl, line 11"
    ):
        run(tmp_path, {"train": "train.jsonl", split: "other.jsonl"})
    assert not (tmp_path / "out").exists()
    report = run(tmp_path, {"train": "train.jsonl", split: "other.jsonl", "out_of_scope_label": "zebra"})
    assert report.rows["out_of_scope"] == 1
    assert read_rows(tmp_path / "out" / "out_of_scope.jsonl") == [Row("strange")]


def test_a_label_lost_to_a_leak_says_so(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [*make_rows("train", 40), {"text": "rare one", "label": "rare"}])
    write_jsonl(tmp_path / "test.jsonl", [*make_rows("test", 10), {"text": "Rare one.", "label": "rare"}])
    with pytest.raises(DataError, match="Got 'rare', which training lost to on_leak: drop"):
        run(tmp_path, {"train": "train.jsonl", "test": "test.jsonl"})


def test_small_classes_and_contradictions_are_warned_of(tmp_path: Path) -> None:
    rows = [*make_rows("train", 40), {"text": "alone", "label": "lonely"}, {"text": "Train Sentence 0.", "label": "b"}]
    write_jsonl(tmp_path / "train.jsonl", rows)
    report = run(tmp_path, {"train": "train.jsonl"})
    assert "class 'lonely' has only 1 training row" in report.warnings
    assert "1 training rows repeat a text with another answer" in report.warnings
    assert report.conflicts["examples"][0]["at"] == "train.jsonl, line 42"
    assert report.labels["train"]["lonely"] == 1


def test_out_of_scope_texts_need_no_label_and_stay_when_they_stand_in_train(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", make_rows("train", 40))
    write_jsonl(tmp_path / "test.jsonl", make_rows("test", 10))
    (tmp_path / "oos.txt").write_text("what is love\ntrain sentence 3\n", encoding="utf-8")
    report = run(tmp_path, {"train": "train.jsonl", "test": "test.jsonl", "out_of_scope": "oos.txt"})
    assert report.rows["out_of_scope"] == 2 and report.rows["train"] + report.rows["validation"] == 40
    assert report.leaks["train/out_of_scope"]["rows"] == 1 and report.leaks["train/out_of_scope"]["dropped"] == 0
    run(tmp_path, {"train": "train.jsonl", "test": "test.jsonl"})
    assert not (tmp_path / "out" / "out_of_scope.jsonl").exists()


def test_several_files_and_a_limit(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_jsonl(tmp_path / f"{name}.jsonl", make_rows(name, 100, "abcd"))
    report = run(tmp_path, {"train": ["a.jsonl", "b.jsonl"], "max_rows": 21})
    assert report.rows["train"] == 21 and set(report.labels["train"]) == set("abcd")
    assert max(report.labels["train"].values()) - min(report.labels["train"].values()) <= 1
    with pytest.raises(DataError, match=r"Got max_rows=3 for 4 classes.*Use 4 or more"):
        run(tmp_path, {"train": ["a.jsonl", "b.jsonl"], "max_rows": 3})


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"train": "missing.jsonl"}, "classify", r"must exist\. Got missing\.jsonl, which is not in .*relative to"),
        ({"train": "empty.jsonl"}, "classify", r"data\.train must have at least one row\. Got none in empty\.jsonl"),
        (
            {"train": "bad.jsonl"},
            "classify",
            r"Got 2 rejected and none left in bad\.jsonl; the first, at bad\.jsonl, lin",
        ),
        ({"train": "single.jsonl"}, "classify", r"at least two classes\. Got 'a' in data\.train"),
        ({"train": "good.jsonl", "test": "empty.jsonl"}, "classify", r"data\.test must have at least one row"),
        ({"train": "good.jsonl", "out_of_scope": "good.jsonl"}, "generate", "out_of_scope is for classify"),
        (
            {"train": {"path": "good.jsonl", "labels": {"a": "x"}}},
            "generate",
            r"Got labels in data\.train of a generate",
        ),
        (
            {"train": {"path": "good.jsonl", "fields": {"prompt": "p", "completion": "c"}}},
            "classify",
            r"Got fields\.prompt in data\.train",
        ),
        ({"train": "good.jsonl", "out_of_scope_label": "a"}, "classify", "at least two classes. Got 'b'"),
    ],
)
def test_mistakes_get_one_clear_line_and_leave_nothing_behind(
    tmp_path: Path, settings: dict, kind: str, message: str
) -> None:
    write_jsonl(tmp_path / "good.jsonl", make_rows("x", 20))
    write_jsonl(tmp_path / "empty.jsonl", [])
    write_jsonl(tmp_path / "bad.jsonl", [{"sentence": "x"}, {"sentence": "y"}])
    write_jsonl(tmp_path / "single.jsonl", make_rows("x", 20, "a"))
    with pytest.raises(DataError, match=message) as caught:
        run(tmp_path, settings, kind)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_too_few_rows_to_split_is_warned_of(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", make_rows("x", 4))
    report = run(tmp_path, {"train": "a.jsonl"})
    assert report.rows == {"train": 4, "validation": 0, "test": 0}
    assert [warning for warning in report.warnings if "too few" in warning] == [
        "validation has no rows: there are too few to split off its share",
        "test has no rows: there are too few to split off its share",
    ]
    report = run(tmp_path, {"train": "a.jsonl", "validation_fraction": 0.0, "test_fraction": 0.25})
    assert report.rows == {"train": 3, "validation": 0, "test": 1}
    assert not any("too few" in warning for warning in report.warnings)


def test_one_long_document_is_cut_and_many_are_not(tmp_path: Path) -> None:
    document = "\n\n".join(f"Paragraph {index} says what it says." for index in range(500))
    (tmp_path / "book.txt").write_text(document, encoding="utf-8")
    report = run(tmp_path, {"train": "book.txt"}, "generate")
    assert report.splits == {"train": "given", "validation": "cut", "test": "cut"}
    parts = [read_rows(tmp_path / "out" / f"{name}.jsonl") for name in ("train", "validation", "test")]
    assert "".join(part[0].text for part in parts) == document
    assert abs(len(parts[2][0].text) - 0.1 * len(document)) < 0.02 * len(document)
    assert not (tmp_path / "out" / "labels.json").exists() and report.labels == {}
    (tmp_path / "book").mkdir()
    for index in range(50):
        (tmp_path / "book" / f"{index}.txt").write_text(f"Document {index}.", encoding="utf-8")
    report = run(tmp_path, {"train": "book"}, "generate")
    assert report.rows == {"train": 40, "validation": 5, "test": 5}
    assert report.splits["test"] == "split off"


def test_hashes_follow_contents_and_not_paths(tmp_path: Path) -> None:
    def digest(name: str) -> str:
        settings = DataSettings.model_validate({"train": f"{name}/texts", "test": f"{name}/test.jsonl"})
        return hash_inputs(input_files(settings, tmp_path))

    write_jsonl(tmp_path / "one" / "test.jsonl", make_rows("x", 3))
    for label in "ab":
        write_jsonl(tmp_path / "one" / "texts" / label / "1.txt", [{"x": label}])
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    before = digest("one")
    assert before == digest("two") == digest("one")
    assert (
        hash_file(tmp_path / "one" / "test.jsonl")
        == hashlib.sha256((tmp_path / "one" / "test.jsonl").read_bytes()).hexdigest()
    )
    (tmp_path / "two" / "texts" / "a").rename(tmp_path / "two" / "texts" / "c")
    renamed = digest("two")
    assert renamed != before
    write_jsonl(tmp_path / "two" / "test.jsonl", make_rows("x", 4))
    assert digest("two") != renamed
    with pytest.raises(DataError, match=r"must exist\. Got three/texts"):
        digest("three")


def test_prepared_files_that_were_altered_are_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "train.jsonl", [{"text": "x", "label": "a"}])
    assert read_rows(path) == [Row("x", "a")]
    for line in ('{"text": 1', '{"texts": "x"}', '["x"]', "7", '{"label": "a"}', '{"text": 3}'):
        path.write_text('{"text": "x"}\n' + line + "\n", encoding="utf-8")
        with pytest.raises(DataError, match=r"one row per line\. Got .*line 2\. Build it again"):
            read_rows(path)
    with pytest.raises(DataError, match="must be readable"):
        read_rows(tmp_path / "missing.jsonl")


def test_settings_accept_plain_paths_and_refuse_typos() -> None:
    settings = DataSettings.model_validate(
        {"train": "a.jsonl", "test": ["b.csv", "c.csv"], "validation": {"path": "d", "labels": {0: "no", "1": "yes"}}}
    )
    assert settings.train == SourceSettings(path=("a.jsonl",))
    assert settings.test is not None and settings.test.path == ("b.csv", "c.csv")
    assert settings.validation is not None and settings.validation.labels == {"0": "no", "1": "yes"}
    again = DataSettings.model_validate(settings.model_dump(mode="json"))
    assert again == settings
    for wrong, message in (
        ({"train": "a", "tset": "b"}, "tset"),
        ({"train": {"path": "a", "field": {}}}, "field"),
        ({"train": {"path": "a", "fields": {"txt": "b"}}}, "txt"),
        ({"train": {"path": "a", "fields": {"prompt": "b"}}}, "given together"),
        ({"train": {"path": "a", "format": "xml"}}, "format"),
        ({"train": "a", "validation_fraction": 0.5, "test_fraction": 0.5}, "must be below 1"),
        ({"train": "a", "on_leak": "ignore"}, "on_leak"),
        ({"train": []}, "path"),
        ({"train": 5}, "train"),
        ({}, "train"),
    ):
        with pytest.raises(ValidationError, match=message):
            DataSettings.model_validate(wrong)


def test_unlabelled_texts_are_new_ones_only(tmp_path: Path) -> None:
    train = [{"text": f"turn on lamp {number}", "label": "on"} for number in range(6)]
    train += [{"text": f"turn off lamp {number}", "label": "off"} for number in range(6)]
    write_jsonl(tmp_path / "train.jsonl", train)
    write_jsonl(tmp_path / "test.jsonl", [{"text": "lamp on", "label": "on"}, {"text": "lamp off", "label": "off"}])
    given = ["Lamp on", "turn on lamp 3", "dim the lamp", "dim  the lamp", "blue lamp"]
    write_jsonl(tmp_path / "more.jsonl", [{"text": text} for text in given])
    settings = DataSettings(
        train="train.jsonl", test="test.jsonl", unlabelled="more.jsonl", validation_fraction=0, labels_per_class=2
    )
    report = prepare(settings, kind="classify", root=tmp_path, out=tmp_path / "out")
    rows = read_rows(tmp_path / "out" / "train.jsonl")
    unlabelled = read_rows(tmp_path / "out" / "unlabelled.jsonl")
    assert Counter(row.label for row in rows) == {"on": 2, "off": 2}
    texts = {row.text for row in unlabelled}
    assert {"dim the lamp", "blue lamp"} <= texts and len(unlabelled) == len(texts)
    assert all(row.label is None for row in unlabelled)
    # Every training text is there once, labelled or not, and none that is measured on.
    assert {row.text for row in rows} | texts == {row["text"] for row in train} | {"dim the lamp", "blue lamp"}
    assert report.rows["unlabelled"] == 10 and report.duplicates["unlabelled"] == 0
    assert any("3 unlabelled texts stand in another split or twice" in warning for warning in report.warnings)
    again = prepare(settings, kind="classify", root=tmp_path, out=tmp_path / "again")
    assert again == report
    other = settings.model_copy(update={"seed": 1})
    prepare(other, kind="classify", root=tmp_path, out=tmp_path / "other")
    assert read_rows(tmp_path / "other" / "train.jsonl") != rows
    with pytest.raises(DataError, match="unlabelled texts are for classify"):
        prepare(settings, kind="generate", root=tmp_path, out=tmp_path / "no")
