"""A build whose teacher is a server that drops connections, refuses and is slow, and which is killed half way."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.endpoint_under_test import OK, Fault, Server, serve

from smallwright.cli import main
from smallwright.pipeline.classify import make_classifier
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.teacher.journal import JOURNAL

COLOURS = ("red", "green", "blue", "white")
ROOMS = ("kitchen", "hall", "bedroom", "garden", "office")
FIRST_WORDS = {"make": "colour", "is": "question", "please": "off"}
LETTERS = {"colour": "A", "off": "B", "question": "C"}
FAULTS: tuple[Fault | str, ...] = (
    OK,
    None,
    (429, b'{"error": {"message": "too many"}}', {"Retry-After": "0"}),
    OK,
    (500, b"", {}),
    (200, b"<html>not JSON</html>", {}),
    0.02,
    OK,
)
TRANSFER_ROWS, UNREADABLE = 30, "is the white lamp in the office on"


def _rows() -> list[dict[str, str]]:
    rows = []
    for room in ROOMS:
        for colour in COLOURS:
            rows.append({"text": f"make the {room} lamp {colour}", "label": "colour"})
            rows.append({"text": f"is the {colour} lamp in the {room} on", "label": "question"})
            rows.append({"text": f"please switch the {colour} {room} lamp off", "label": "off"})
    return rows


def _recipe(folder: Path, url: str, **teacher: object) -> Path:
    document: dict[str, Any] = {
        "name": "lamps",
        "task": {"kind": "classify"},
        "data": {"train": "rows.jsonl"},
        "teacher": {
            "from": "endpoint",
            "url": url,
            "model": "big",
            "examples": 3,
            "concurrency": 3,
            "retries": 20,
            "first_wait_seconds": 0.001,
            "longest_wait_seconds": 0.01,
            **teacher,
        },
        "tokenizer": {"kind": "train", "vocabulary": 300},
        "student": {"from": "scratch", "preset": "pico", "context": 32},
        "distill": {"epochs": 3, "batch_size": 16, "learning_rate": 3e-3, "transfer_rows": TRANSFER_ROWS},
        "evaluate": {"latency_rounds": 1, "cold_starts": 1, "bootstrap_resamples": 100, "baseline": False},
    }
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _rows()), encoding="utf-8")
    path = folder / "lamps.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def _know(text: str, prompt: str) -> tuple[str, dict[str, float] | None]:
    """A teacher that knows the label where it knows the first word, and doubts otherwise."""
    if text == UNREADABLE:
        return "I would rather not say.", None
    label = FIRST_WORDS.get(text.split()[0]) if text else None
    if label is None:
        return "A", {"A": -0.9, "B": -1.1, "C": -1.6}
    others = [letter for letter in LETTERS.values() if letter != LETTERS[label]]
    return LETTERS[label], {LETTERS[label]: -0.05, others[0]: -4.0, others[1]: -5.0}


def _build(*arguments: object) -> tuple[int, str, str]:
    """The command in this process: exit status, standard output, standard error."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(["build", *map(str, arguments)])
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
    assert "Traceback" not in err.getvalue()
    return status, out.getvalue(), err.getvalue()


def _count_lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.is_file() else 0


class _KillHalfWay:
    """Lets ``answers`` answers through, waits until the build has kept them, and kills it."""

    def __init__(self, server: Server, journal: Path, answers: int) -> None:
        self.server, self.journal, self.answers = server, journal, answers
        self.process: subprocess.Popen[bytes] | None = None
        self.gate, self.given = threading.Lock(), 0

    def fail(self, number: int) -> Fault | str:
        fault = FAULTS[number % len(FAULTS)]
        answers = fault == OK or isinstance(fault, float)
        with self.gate:
            if answers and self.given >= self.answers:
                self._kill()
                return None
            self.given += answers
        return fault

    def _kill(self) -> None:
        assert self.process is not None
        while self.process.poll() is None and _count_lines(self.journal) < self.answers:
            time.sleep(0.005)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A build killed after 25 answers, and finished by a second call: its folder, the server, what each call saw."""
    folder = tmp_path_factory.mktemp("lamps")
    journal = folder / "out/lamps/teacher-answers" / JOURNAL
    with serve(Server(answer=_know)) as server:
        recipe = _recipe(folder, server.url)
        plan = _build(recipe, "--out", folder / "out", "--plan")
        planned = len(server.requests)
        killer = _KillHalfWay(server, journal, answers=25)
        server.fail = killer.fail
        killer.process = subprocess.Popen(
            [sys.executable, "-m", "smallwright", "build", str(recipe), "--out", str(folder / "out")],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stderr=subprocess.DEVNULL,
        )
        code = killer.process.wait(timeout=300)
        kept = _count_lines(journal)
        with journal.open("ab") as file:
            file.write(b'{"key":"0123')  # and the line that the kill tore
        server.fail = lambda number: FAULTS[number % len(FAULTS)]
        first = Counter(server.answered)
        done = _build(recipe, "--out", folder / "out")
        yield {
            "folder": folder, "server": server, "recipe": recipe, "plan": plan, "planned": planned, "code": code,
            "kept": kept, "first": first, "done": done, "answered": Counter(server.answered), "journal": journal,
        }  # fmt: skip


def _answers_card(folder: Path) -> tuple[Path, dict[str, Any]]:
    (stage,) = [path.parent for path in folder.glob("out/lamps/stages/answers-*/card.json")]
    return stage, json.loads((stage / "card.json").read_text(encoding="utf-8"))["facts"]


def test_the_plan_says_how_many_questions_and_asks_none(killed: Any) -> None:
    status, out, err = killed["plan"]
    assert status == 0, err
    assert killed["planned"] == 0
    _, facts = _answers_card(killed["folder"])
    assert f"at most {facts['questions']} questions of about " in out
    assert f"to big at {killed['server'].url}" in out


def test_a_killed_build_asks_nothing_twice_and_loses_nothing(killed: Any) -> None:
    assert killed["code"] == -signal.SIGKILL
    assert killed["kept"] == 25 == sum(killed["first"].values())
    status, _, err = killed["done"]
    assert status == 0, err
    assert f"of which {25} were answered before" in err
    _, facts = _answers_card(killed["folder"])
    assert set(killed["answered"].values()) == {1}
    assert len(killed["answered"]) == facts["questions"] == _count_lines(killed["journal"])


def test_the_validation_rows_are_never_sent(killed: Any) -> None:
    (data,) = killed["folder"].glob("out/lamps/stages/data-*")
    texts = {
        split: {json.loads(line)["text"] for line in (data / f"{split}.jsonl").read_text().splitlines()}
        for split in ("train", "validation", "test")
    }
    assert texts["validation"] and not texts["validation"] & set(killed["answered"])
    assert texts["train"] | texts["test"] <= set(killed["answered"])


def test_the_report_holds_the_teacher_without_a_size_or_a_latency(killed: Any) -> None:
    report = json.loads((killed["folder"] / "out/lamps/report.json").read_text(encoding="utf-8"))
    lines = {line["kind"]: line for line in report["neighbours"]}
    assert set(lines) == {"package", "teacher", "majority"}
    teacher = lines["teacher"]
    assert teacher["name"] == "teacher (endpoint)"
    assert teacher["accuracy"] >= 0.8
    assert teacher["size_bytes"] is teacher["latency_p50_ms"] is None
    assert "big, asked; median call" in teacher["note"]
    assert report["quality"]["retention"] is not None
    assert not list(killed["folder"].glob("out/lamps/stages/teacher-package*"))
    assert "student" not in [step["name"] for step in report["compression"]]


def test_an_answer_that_says_nothing_is_counted_and_the_label_stands_in(killed: Any) -> None:
    stage, facts = _answers_card(killed["folder"])
    assert sum(facts["unread"].values()) == 1
    report = json.loads((killed["folder"] / "out/lamps/report.json").read_text(encoding="utf-8"))
    assert any("named no class: 1 of training" in note for note in report["notes"])
    (data,) = killed["folder"].glob("out/lamps/stages/data-*")
    rows = [json.loads(line) for line in (data / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = np.exp(np.load(stage / "train.npy"))
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    for row, answer in zip(rows, answers, strict=True):
        assert answer.argmax() == list(LETTERS).index(row["label"])
        assert row["text"] != UNREADABLE or answer.max() == pytest.approx(0.9)


def test_a_changed_student_asks_nothing_and_a_changed_question_asks_again(killed: Any) -> None:
    server, folder = killed["server"], killed["folder"]
    before = len(server.requests)
    recipe, out = killed["recipe"], folder / "out"

    def answer_again(*changes: str) -> Outcome:
        shop = Workshop(out / "lamps/stages", quiet=True)
        answers = make_classifier(Recipe.load(recipe, changes), shop).answers
        assert answers is not None
        return answers

    travel = ("teacher.concurrency=1", "teacher.retries=0", "distill.epochs=1")
    assert not answer_again(*travel).ran
    # Another reading of the same answers needs no new ones; the stage alone runs again.
    assert answer_again(*travel, "teacher.trust=0.8").ran
    assert len(server.requests) == before

    refuse = ["--set", "teacher.instruction=Another.", "--set", "teacher.concurrency=1", "--set", "teacher.retries=0"]
    server.fail = lambda number: (404, b'{"error": {"message": "no model big"}}', {})
    status, _, err = _build(recipe, "--out", out, *refuse)
    assert status == 5
    assert [line for line in err.splitlines() if line.startswith("smallwright: ")] == [
        f"smallwright: a teacher's server must take the question. Got 404 from {server.url}/chat/completions: "
        "'no model big'. Check teacher.url and model."
    ]
    assert len(server.requests) == before + 1


def test_texts_that_the_teacher_does_not_answer_are_left_out(tmp_path: Path) -> None:
    """Named classes, over /completions; a share of the transfer texts cannot be read."""

    def know(text: str, prompt: str) -> tuple[str, None]:
        label = FIRST_WORDS.get(text.split()[0]) if text else None
        return (f" {label.upper()}" if label else " hm"), None

    with serve(Server(answer=know)) as server:
        recipe = _recipe(tmp_path, server.url, api="completions", top_logprobs=None, most_unread=0.5)
        status, _, err = _build(recipe, "--out", tmp_path / "out", "--set", "distill.epochs=1")
        assert status == 0, err
        assert all(path == "/v1/completions" for path, _, _ in server.requests)
    stage, facts = _answers_card(tmp_path)
    transfer = np.load(stage / "transfer.npy")
    left_out = int(np.isnan(transfer).any(axis=1).sum())
    assert 0 < left_out == facts["unread"]["transfer"] < len(transfer)
    assert facts["from_tokens"] == 0
    report = json.loads((tmp_path / "out/lamps/report.json").read_text(encoding="utf-8"))
    assert any(f"{left_out} without a label (left out)" in note for note in report["notes"])
    assert any("came without probabilities" in note for note in report["notes"])
    (student,) = tmp_path.glob("out/lamps/stages/student-*/student/model.safetensors")
    assert student.stat().st_size > 0


def test_rows_that_the_teacher_writes_are_learned_by_everyone(tmp_path: Path) -> None:
    """New rows, then their answers: what was labelled again is not asked a second time."""
    lists = {
        "colour": "make the attic lamp pink\nmake the garage door sign orange\nis the sign pink",
        "off": "please switch everything off\nplease let the cellar go dark",
        "question": "is anybody home\nis the porch light still burning",
    }

    def know(text: str, prompt: str) -> tuple[str, dict[str, float] | None]:
        label = next((name for name in lists if f"belong to the class '{name}'" in prompt), None)
        return _know(text, prompt) if label is None else (lists[label], None)

    with serve(Server(answer=know)) as server:
        recipe = _recipe(tmp_path, server.url, new_rows={"per_class": 2, "at_once": 3})
        changes = [
            "--set",
            "distill.epochs=1",
            "--set",
            "evaluate.baseline=true",
            "--set",
            "data.augment={copies: 1}",
            "--set",
            "distill.transfer_rows=0",
        ]
        status, out, err = _build(recipe, "--out", tmp_path / "out", "--plan", *changes)
        assert status == 0 and not server.requests, err
        status, _, err = _build(recipe, "--out", tmp_path / "out", *changes)
        assert status == 0, err
        asked = [json.dumps(body, sort_keys=True) for _, _, body in server.requests]
        assert len(asked) == len(set(asked))
    (new,) = tmp_path.glob("out/lamps/stages/new-rows-*")
    card = json.loads((new / "card.json").read_text(encoding="utf-8"))["facts"]
    assert card["fates"]["kept"] == 6 and card["fates"]["disagreed"] == 1 and card["missing"] == {}
    lines = [json.loads(line) for line in (new / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    written = [line for line in lines[-6:]]
    assert written[0] == {"text": "make the attic lamp pink", "label": "colour"} and len(lines) == card["rows"] + 6
    report = json.loads((tmp_path / "out/lamps/report.json").read_text(encoding="utf-8"))
    assert any(
        "The teacher wrote 7 texts in 3 lists, of which 6 became training rows" in note for note in report["notes"]
    )
    (planned,) = [line for line in out.splitlines() if line.startswith("training data")]
    assert planned.split()[2] == str(2 * (card["rows"] + 6))
    (linear,) = tmp_path.glob("out/lamps/stages/linear-*/card.json")
    assert json.loads(linear.read_text(encoding="utf-8"))["inputs"]["data"] == new.name.removeprefix("new-rows-")
    (augmented,) = tmp_path.glob("out/lamps/stages/augmented-*/train.jsonl")
    assert len(augmented.read_text(encoding="utf-8").splitlines()) > len(lines)
