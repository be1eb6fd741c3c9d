"""The data stage: sources in, checked splits out.

Enters: settings, the recipe's folder, an output folder. Leaves: train.jsonl, validation.jsonl, test.jsonl,
out_of_scope.jsonl, unlabelled.jsonl, rejects.jsonl, leaks.jsonl, labels.json and report.json in it.
Not here: tokens (shards.py), batches (batches.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from smallwright.data import report as reports
from smallwright.data.inputs import hash_file, list_sources, locate
from smallwright.data.records import Wanted
from smallwright.data.report import DataReport
from smallwright.data.row import Reject, Row, SourceRow
from smallwright.data.settings import DataSettings, SourceSettings
from smallwright.data.sources import read_source
from smallwright.data.splits import (
    SPLITS,
    Leak,
    assign_splits,
    choose_per_class,
    choose_rows,
    count_conflicts,
    cut_document,
    find_leaks,
    make_key,
)
from smallwright.errors import DataError

Kind = Literal["classify", "generate"]


@dataclass(slots=True)
class _Work:
    """What is known so far: rows by split (in the order of SPLITS, then out_of_scope, then unlabelled, which takes what
    no other has), and what to report.

    ``keys`` stand beside ``rows``: the key of each row's normalised text, made once because that is what costs time.
    """

    rows: dict[str, list[SourceRow]]
    given: dict[str, str]
    unlabelled: list[SourceRow] = field(default_factory=list)
    keys: dict[str, list[bytes]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def make_keys(self) -> None:
        self.keys = {split: [make_key(row.row.question) for row in rows] for split, rows in self.rows.items()}

    def keep(self, split: str, indices: Sequence[int]) -> None:
        self.rows[split] = [self.rows[split][index] for index in indices]
        self.keys[split] = [self.keys[split][index] for index in indices]


def prepare(
    settings: DataSettings, *, kind: Kind, root: Path, out: Path, form: Callable[[Any], str | None] | None = None
) -> DataReport:
    """Read, check and split the data of a recipe, and write it as files.

    Args:
        settings: the recipe's data part.
        kind: ``classify`` (rows need a label) or ``generate`` (texts, or prompts with completions).
        root: the recipe's folder, against which relative paths resolve.
        out: the folder to write to; made if missing. Each file is written aside and renamed, report.json last.
        form: writes a completion as the task wants it, or gives None for one that it refuses; see ``Wanted``.
    Returns:
        The report that report.json holds.
    Raises:
        DataError: missing or undecodable files, no usable rows, a label that training lacks, refused leaks.
    Law: same contents, settings and seed give the same bytes.
    """
    work = _read(settings, kind, root, form)
    _handle_leaks(work, settings.on_leak)
    _split_off(work, settings, kind)
    if settings.max_rows is not None:
        _limit(work, settings.max_rows, settings.seed)
    if settings.labels_per_class is not None:
        _forget_labels(work, settings.labels_per_class, settings.seed)
    if settings.unlabelled is not None or settings.labels_per_class is not None:
        _add_unlabelled(work)
    if kind == "classify":
        _check_labels(work)
    for split in SPLITS:
        if not work.rows[split] and work.given[split] != "off":
            work.warnings.append(f"{split} has no rows: there are too few to split off its share")
    result = _report(work, settings, kind, root)
    _write(work, result, kind, out)
    return result


def read_rows(path: Path) -> list[Row]:
    """The rows of a file that ``prepare`` wrote.

    Args:
        path: train.jsonl, validation.jsonl, test.jsonl or out_of_scope.jsonl.
    Raises:
        DataError: the file is missing, or was altered so that a line is no row.
    """
    rows = []
    try:
        with path.open("rb") as stream:
            for line, raw in enumerate(stream, 1):
                try:
                    row = Row(**json.loads(raw))
                    if not isinstance(row.text, str) or not isinstance(row.label, str | None):
                        raise TypeError("a text or label that is no string")
                except (ValueError, TypeError) as error:
                    raise DataError(
                        f"a prepared file holds one row per line. Got {error} in {path}, line {line}. Build it again."
                    ) from error
                rows.append(row)
    except OSError as error:
        raise DataError(
            f"a prepared file must be readable. Got {error.strerror or error} in {path}. Build it again."
        ) from error
    return rows


def _want(role: str, source: SourceSettings, kind: Kind) -> Wanted:
    fields = source.fields
    if kind == "classify":
        if fields.prompt is not None:
            raise DataError(
                f"rows to classify are made of text and label. Got fields.prompt in data.{role}. Name fields.text."
            )
        label = None if role in ("out_of_scope", "unlabelled") else fields.label
        return Wanted(text=fields.text, label=label, names=source.labels)
    if source.labels is not None:
        raise DataError(f"labels are for classify. Got labels in data.{role} of a generate task. Leave them out.")
    return Wanted(text=fields.text, prompt=fields.prompt, completion=fields.completion)


def _read(settings: DataSettings, kind: Kind, root: Path, form: Callable[[Any], str | None] | None) -> _Work:
    if kind == "generate" and (settings.out_of_scope or settings.out_of_scope_label):
        raise DataError(
            "out_of_scope is for classify. Got it in data of a generate task. Leave out out_of_scope and "
            "out_of_scope_label."
        )
    if kind == "generate" and (settings.unlabelled or settings.labels_per_class):
        raise DataError(
            "unlabelled texts are for classify. Got them in data of a generate task. Leave out unlabelled and "
            "labels_per_class."
        )
    work = _Work({split: [] for split in SPLITS}, {split: "off" for split in SPLITS})
    if settings.out_of_scope is not None or settings.out_of_scope_label is not None:
        work.rows["out_of_scope"] = []
    for role, source in list_sources(settings):
        work.given[role] = "given"
        wanted = replace(_want(role, source, kind), form=form)
        before = len(work.rejects)
        taken = work.unlabelled if role == "unlabelled" else work.rows[role]
        for file, path in locate(source, root):
            rows = _read_one(path, file, source, wanted, kind, work)
            if not rows:
                work.warnings.append(f"{file} gave no rows")
            taken += rows
        if not taken:
            _refuse_empty(role, source, work.rejects[before:])
    _move_out_of_scope(work, settings.out_of_scope_label)
    work.make_keys()
    return work


def _read_one(
    path: Path, file: str, source: SourceSettings, wanted: Wanted, kind: Kind, work: _Work
) -> list[SourceRow]:
    rows = []
    for outcome in read_source(path, file, wanted, format=source.format, documents=kind == "generate"):
        if isinstance(outcome, Reject):
            work.rejects.append(outcome)
        else:
            rows.append(outcome)
    return rows


def _refuse_empty(role: str, source: SourceSettings, rejects: Sequence[Reject]) -> None:
    files = ", ".join(source.path)
    if not rejects:
        raise DataError(f"data.{role} must have at least one row. Got none in {files}. Check that the file is the one.")
    first = rejects[0]
    detail = f" ({first.detail})" if first.detail else ""
    raise DataError(
        f"data.{role} must have at least one usable row. Got {len(rejects)} rejected and none left in {files}; the "
        f"first, at {SourceRow(Row(''), first.file, first.line).place}: {first.reason}{detail}. "
        f"Correct the rows, or name the right fields and format."
    )


def _move_out_of_scope(work: _Work, label: str | None) -> None:
    if label is None:
        return
    for split in SPLITS:
        moved = [row for row in work.rows[split] if row.row.label == label]
        work.rows[split] = [row for row in work.rows[split] if row.row.label != label]
        work.rows["out_of_scope"] += [SourceRow(Row(row.row.text), row.file, row.line) for row in moved]
    work.given.setdefault("out_of_scope", "given")
    if not work.rows["train"]:
        raise DataError(
            f"data.train must have rows in scope. Got only {label!r}. Correct out_of_scope_label or add training rows."
        )


def _handle_leaks(work: _Work, on_leak: str) -> None:
    work.leaks = find_leaks(work.rows, work.keys)
    if on_leak == "refuse" and work.leaks:
        leak = work.leaks[0]
        raise DataError(
            f"on_leak: refuse allows no text in two splits. Got {len(work.leaks)}, the first {leak.text[:80]!r} in "
            f"{leak.place} ({leak.split}) and {leak.other_place} ({leak.other}). Remove one, or set on_leak: drop."
        )
    if on_leak != "drop":
        return
    # Out-of-scope texts that stand in train too make that measure harder, not easier: they are reported and kept.
    harmful = [leak for leak in work.leaks if leak.other != "out_of_scope"]
    work.dropped = sorted({f"{leak.split}/{leak.other}" for leak in harmful})
    for split in {leak.split for leak in harmful}:
        gone = {leak.index for leak in harmful if leak.split == split}
        work.keep(split, [index for index in range(len(work.rows[split])) if index not in gone])
        if not work.rows[split]:
            raise DataError(
                f"data.{split} must keep rows that stand in no later split. Got {len(gone)} rows, all of which "
                f"stand in validation or test too. Give other rows, or set on_leak: report."
            )


def _split_off(work: _Work, settings: DataSettings, kind: Kind) -> None:
    fractions = {
        split: fraction
        for split, fraction in (("validation", settings.validation_fraction), ("test", settings.test_fraction))
        if work.given[split] == "off" and fraction > 0
    }
    if not fractions:
        return
    rows, keys = work.rows["train"], work.keys["train"]
    whole = kind == "classify" or any(row.row.prompt is not None for row in rows)
    # Documents are split whole where each split gets at least one; a few long ones are cut, each at its end.
    cut = not whole and len(set(keys)) * min(fractions.values()) < 1
    for split in fractions:
        work.given[split] = "cut" if cut else "split off"
    work.rows["train"], work.keys["train"] = [], []
    if cut:
        shares = {split: fractions.get(split, 0.0) for split in SPLITS[1:]}
        parts = (1 - sum(shares.values()), *shares.values())
        for source in rows:
            for split, text in zip(SPLITS, cut_document(source.row.text, parts), strict=True):
                if text.strip():
                    work.rows[split].append(SourceRow(Row(text), source.file, source.line))
        work.make_keys()
        return
    splits = assign_splits(
        keys,
        [row.row.label for row in rows],
        validation_fraction=fractions.get("validation", 0.0),
        test_fraction=fractions.get("test", 0.0),
        seed=settings.seed,
    )
    for split, source, key in zip(splits, rows, keys, strict=True):
        work.rows[split].append(source)
        work.keys[split].append(key)


def _limit(work: _Work, max_rows: int, seed: int) -> None:
    rows = work.rows["train"]
    classes = len({row.row.label for row in rows})
    if max_rows < classes:
        raise DataError(
            f"max_rows must leave each class a row. Got max_rows={max_rows} for {classes} classes in data.train. "
            f"Use {classes} or more."
        )
    work.keep("train", choose_rows(work.keys["train"], [row.row.label for row in rows], max_rows, seed))


def _forget_labels(work: _Work, per_class: int, seed: int) -> None:
    rows = work.rows["train"]
    labelled = choose_per_class(work.keys["train"], [row.row.label for row in rows], per_class, seed)
    known = set(labelled)
    work.unlabelled += [replace(row, row=Row(row.row.text)) for index, row in enumerate(rows) if index not in known]
    work.keep("train", labelled)


def _add_unlabelled(work: _Work) -> None:
    """Each text once, and none that has a label or is measured on: those must not be learned from."""
    taken = {key for members in work.keys.values() for key in members}
    rows, keys = [], []
    for row in work.unlabelled:
        key = make_key(row.row.text)
        if key not in taken:
            taken.add(key)
            rows.append(row)
            keys.append(key)
    left_out = len(work.unlabelled) - len(rows)
    if left_out:
        work.warnings.append(f"{left_out} unlabelled texts stand in another split or twice: they are left out")
    work.rows["unlabelled"], work.keys["unlabelled"] = rows, keys


def _check_labels(work: _Work) -> None:
    known = reports.count_labels(work.rows["train"])
    if len(known) < 2:
        raise DataError(
            f"classification needs at least two classes. Got {', '.join(map(repr, known))} in data.train. "
            f"Check fields.label, or add rows of another class."
        )
    for split in ("validation", "test"):
        unseen = [row for row in work.rows[split] if row.row.label not in known]
        if unseen:
            first = unseen[0]
            lost = {
                leak.label for leak in work.leaks if leak.split == "train" and f"train/{leak.other}" in work.dropped
            }
            why = "which training lost to on_leak: drop" if first.row.label in lost else "unseen in train"
            raise DataError(
                f"every label of {split} must stand in train too. Got {first.row.label!r}, {why}, in {first.place} "
                f"({len(unseen)} such rows). Add training rows, correct the label, or name it as out_of_scope_label."
            )
    for label, count in known.items():
        if count < 2:
            work.warnings.append(f"class {label!r} has only {count} training row")


def _report(work: _Work, settings: DataSettings, kind: Kind, root: Path) -> DataReport:
    conflicts = count_conflicts(work.rows["train"], work.keys["train"])
    inputs = [
        {"role": role, "file": file, "sha256": hash_file(path)}
        for role, source in list_sources(settings)
        for file, path in locate(source, root)
    ]
    if conflicts:
        work.warnings.append(f"{len(conflicts)} training rows repeat a text with another answer")
    return DataReport(
        kind=kind,
        rows={split: len(rows) for split, rows in work.rows.items()},
        labels={split: reports.count_labels(rows) for split, rows in work.rows.items()} if kind == "classify" else {},
        rejects=reports.count_rejects(work.rejects),
        leaks=reports.count_leaks(work.leaks, work.dropped),
        duplicates=reports.count_duplicates(work.keys),
        conflicts={
            "rows": len(conflicts),
            "examples": [
                {"text": row.row.question[:200], "at": row.place, "label": row.row.label, "also_at": first.place}
                | {"also_label": first.row.label}
                for first, row in conflicts[: reports.EXAMPLES]
            ],
        },
        lengths_chars={split: reports.measure_lengths(rows) for split, rows in work.rows.items()},
        inputs=inputs,
        splits=work.given,
        on_leak=settings.on_leak,
        seed=settings.seed,
        warnings=work.warnings,
    )


def _write(work: _Work, result: DataReport, kind: Kind, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for split in (*SPLITS, "out_of_scope", "unlabelled"):
        if split in work.rows:
            _write_lines(out / f"{split}.jsonl", (row.row.to_json() for row in work.rows[split]))
        else:
            (out / f"{split}.jsonl").unlink(missing_ok=True)
    _write_lines(out / "rejects.jsonl", (reject.to_json() for reject in work.rejects))
    leaks = (
        {"split": leak.split, "other": leak.other, "at": leak.place, "also_at": leak.other_place, "text": leak.text}
        for leak in work.leaks
    )
    _write_lines(out / "leaks.jsonl", (json.dumps(leak, ensure_ascii=False) for leak in leaks))
    if kind == "classify":
        labels = json.dumps(list(result.labels["train"]), ensure_ascii=False, indent=0)
        _write_lines(out / "labels.json", [labels])
    else:
        (out / "labels.json").unlink(missing_ok=True)
    _write_lines(out / "report.json", [result.to_json().rstrip("\n")])


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(f"{line}\n" for line in lines)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
