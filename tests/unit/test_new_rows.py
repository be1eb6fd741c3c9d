"""Rows that a teacher writes: lists read, filtered and labelled again; a killed call goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.endpoint_under_test import OK, Server, serve

from smallwright.data import Row
from smallwright.data.similar import similarity
from smallwright.teacher.endpoint import Answer, EndpointError
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.journal import Journal
from smallwright.teacher.new_rows import NewRows, read_lines, word_request, write_rows
from smallwright.teacher.questions import make_questions

LABELS = ("colour", "off", "question")
SEEDS = [
    Row("make the lamp red", label="colour"),
    Row("paint the hall green", label="colour"),
    Row("switch the lamp off", label="off"),
    Row("is the lamp on", label="question"),
]
HELD_OUT = ["kill the light in the attic!", "does the fan in the bathroom still run tonight"]


def _settings(url: str = "http://127.0.0.1:1/v1", **changes: Any) -> EndpointSettings:
    quick = {"retries": 5, "first_wait_seconds": 0.001, "longest_wait_seconds": 0.01}
    new = {"per_class": 2, "shown": 1, "at_once": 4}
    return EndpointSettings.model_validate(
        {"from": "endpoint", "url": url, "model": "m", **quick, "new_rows": {**new, **changes.pop("new_rows", {})}}
        | changes
    )


def _asked_class(prompt: str) -> str | None:
    """The class whose texts a prompt asks for; None where it asks for the class of a text."""
    found = re.search(r"texts that belong to the class '(\w+)'", prompt)
    return found.group(1) if found else None


def _teacher(lists: dict[str, list[str]], classes: Callable[[str], str]) -> Server:
    """Writes the lists in turn, and answers with the letter of a text's class."""
    turns = {label: 0 for label in lists}

    def answer(text: str, prompt: str) -> tuple[str, None]:
        label = _asked_class(prompt)
        if label is None:
            said = classes(text)
            return ("ABC"[LABELS.index(said)] if said in LABELS else said), None
        turn = turns[label]
        turns[label] += 1
        return lists[label][min(turn, len(lists[label]) - 1)], None

    return Server(answer=answer)


def _write(server: Server, folder: Path, **changes: Any) -> NewRows:
    settings = _settings(server.url, **changes)
    questions = make_questions(settings, LABELS, SEEDS)
    with Journal(folder) as journal:
        return write_rows(SEEDS, questions, held_out=HELD_OUT, settings=settings, journal=journal)


def _by_words(text: str) -> str:
    first = text.split()[0].lower()
    return {"make": "colour", "turn": "off", "kill": "off", "is": "question", "does": "question"}.get(first, "well ...")


LISTS = {
    "colour": [
        "1. Make the LAMP red!\n2. make the garden fence violet\n3. turn the garden fence violet\n4. hm, colours",
        "make my whole office yellow",
    ],
    "off": [
        "- kill the light in the attic\n- turn everything downstairs off now\n- turn the radio off\n- turn it all off",
    ],
    "question": [
        "Here are some:\ndoes the fan in the bathroom still run\nis anybody at home right now\nis "
        + "very " * 30
        + "hot",
        '"is it dark outside yet"\nis the lamp on on',
    ],
}


def test_what_is_known_held_out_or_labelled_otherwise_is_left_out_and_counted(tmp_path: Path) -> None:
    with serve(_teacher(LISTS, _by_words)) as server:
        found = _write(server, tmp_path)
    assert found.rows == [
        Row("make the garden fence violet", label="colour"),
        Row("make my whole office yellow", label="colour"),
        Row("turn everything downstairs off now", label="off"),
        Row("turn the radio off", label="off"),
        Row("is anybody at home right now", label="question"),
        Row("is it dark outside yet", label="question"),
    ]
    # Of "repeated": a seed but for case, a seed's own words. "held_out": one equal, one that shares 8 of 9 words.
    assert found.fates == {
        "repeated": 1, "held_out": 2, "unread": 1, "disagreed": 1, "too_long": 1, "similar": 1, "surplus": 1, "kept": 6,
    }  # fmt: skip
    assert found.requests == 5 and found.missing == {}


def test_held_out_texts_and_kept_rows_never_leave(tmp_path: Path) -> None:
    with serve(_teacher(LISTS, _by_words)) as server:
        _write(server, tmp_path)
    sent = "\n".join(turn["content"] for _, _, body in server.requests for turn in body["messages"])
    assert "bathroom still run tonight" not in sent and "attic" not in sent
    assert "make the garden fence violet" in sent  # asked about, once it was new


def test_a_killed_writing_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    with serve(_teacher(LISTS, _by_words)) as server:
        whole = _write(server, tmp_path / "whole")
    with serve(_teacher(LISTS, _by_words)) as server:
        server.fail = lambda number: OK if number < 6 else (401, b"gone", {})
        with pytest.raises(EndpointError, match="Got 401"):
            _write(server, tmp_path / "killed", concurrency=1)
        server.fail = lambda number: OK
        again = _write(server, tmp_path / "killed", concurrency=1)
        assert again == whole
        different = {json.dumps(body, sort_keys=True) for _, _, body in server.requests}
        assert len(server.requests) == len(different) + 1  # the one that was refused
        before = len(server.requests)
        assert _write(server, tmp_path / "killed") == whole and len(server.requests) == before


def test_a_class_that_gives_too_few_is_told(tmp_path: Path) -> None:
    lists = {**LISTS, "off": ["turn everything downstairs off now"]}
    with serve(_teacher(lists, _by_words)) as server:
        found = _write(server, tmp_path)
        assert found.missing == {"off": 1}
        assert sum(row.label == "off" for row in found.rows) == 1
        assert found.fates["repeated"] == 3  # of its other two lists, and the seed of another class
    with serve(_teacher(LISTS, lambda text: "who knows")) as server:
        told = r"Got none of 9 lists: .*unread.*new_rows\.instruction"
        with pytest.raises(EndpointError, match=told):
            _write(server, tmp_path / "none")


def test_equal_requests_of_two_rounds_are_asked_apart(tmp_path: Path) -> None:
    """Shown rows and seed may be the same; what a server draws is not."""
    with serve(_teacher(LISTS, _by_words)) as server:
        found = _write(server, tmp_path, extra={"seed": None}, new_rows={"shown": 0})
    bodies = [body for _, _, body in server.requests if _asked_class(body["messages"][0]["content"]) == "colour"]
    assert len(bodies) == 2 and bodies[0] == bodies[1] and "seed" not in bodies[0]
    assert found.missing == {}


def test_a_request_names_the_classes_and_shows_rows_of_its_own() -> None:
    settings = _settings(descriptions={"off": "a lamp goes dark"}, new_rows={"instruction": "Commands to a house."})
    prompt = word_request("off", ["switch the\nlamp off"], LABELS, settings)
    assert prompt.startswith("Commands to a house.\n\nThe classes:\n- colour\n- off: a lamp goes dark\n- question\n")
    assert "- switch the lamp off\n" in prompt and "Write 4 other texts" in prompt
    assert "for example" not in word_request("off", [], LABELS, settings)


@pytest.mark.parametrize(
    ("text", "cut", "lines"),
    [
        ("one\n\n two \n", False, ["one", "two"]),
        ("Sure! Here they are:\n1. one\n2) two\n(3) three\nAnything else?", False, ["one", "two", "three"]),
        ("* \u201cone\u201d\n* 'two'\n* 3rd", False, ["one", "two", "3rd"]),
        ("Here you are:\none\ntwo", False, ["one", "two"]),
        ("one\ntwo\nthr", True, ["one", "two"]),
        ("<think>two\nideas</think>\none", False, ["one"]),
        ("12 lamps\n10. one", False, ["12 lamps", "10. one"]),
        ("", False, []),
    ],
)
def test_lists_are_read_line_by_line(text: str, cut: bool, lines: list[str]) -> None:
    assert read_lines(Answer(text, None, 1.0, cut)) == lines


def test_similarity_is_the_jaccard_index_of_words() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(12)]
    texts, others = ([" ".join(rng.choice(words, rng.integers(1, 8))) for _ in range(count)] for count in (150, 40))
    for text, found in zip(texts, similarity(texts, others), strict=True):
        own = set(text.split())
        assert found == pytest.approx(
            max(len(own & set(other.split())) / len(own | set(other.split())) for other in others)
        )
    np.testing.assert_array_equal(similarity(["A b,", "c"], ["a   B"]), [1.0, 0.0])
    assert similarity([], ["a"]).size == 0 and similarity(["a"], [])[0] == 0
