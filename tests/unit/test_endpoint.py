"""A teacher behind an endpoint: requests and tries, the journal of answers, questions, readings, refusals."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.endpoint_under_test import OK, Fault, Server, serve

from smallwright.data.row import Row
from smallwright.errors import RecipeError, SmallwrightError
from smallwright.recipe import Recipe
from smallwright.teacher import endpoint as endpoint_module
from smallwright.teacher.asking import REHEARSAL
from smallwright.teacher.endpoint import Answer, Endpoint, EndpointError, write_body
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.journal import JOURNAL, Journal, make_key
from smallwright.teacher.labelling import Answered, answer_texts
from smallwright.teacher.questions import Questions, choose_examples, make_questions
from smallwright.teacher.reading import FLOOR, find_class, read_answer, read_probabilities

LABELS = ("card_lost", "card_stolen", "top up")
BODY = write_body({"model": "m", "messages": [{"role": "user", "content": "Text: hello"}]})
QUICK = {"retries": 5, "first_wait_seconds": 0.001, "longest_wait_seconds": 0.01, "timeout_seconds": 5.0}


def _say(text: str, top: dict[str, float] | None = None) -> Server:
    return Server(answer=lambda asked, prompt: (text, top))


def _settings(url: str = "http://127.0.0.1:1/v1", **changes: Any) -> EndpointSettings:
    return EndpointSettings.model_validate({"from": "endpoint", "url": url, "model": "m", **QUICK, **changes})


# --- one question -----------------------------------------------------------------------------------------------------


def test_chat_sends_the_body_and_the_key_and_reads_text_and_probabilities() -> None:
    with serve(_say("B", {"B": -0.1, "A": -2.5})) as server, Endpoint(server.url, key="sk-secret") as endpoint:
        answer = endpoint.ask(BODY)
    assert (answer.text, answer.top) == ("B", (("B", -0.1), ("A", -2.5)))
    assert answer.call_ms > 0
    (path, headers, body) = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == "Bearer sk-secret"
    assert body == json.loads(BODY)


@pytest.mark.parametrize("shape", ["content", "legacy"])
def test_completions_read_both_ways_of_writing_probabilities(shape: str) -> None:
    server = _say(" B", {" B": -0.5, " A": -1.0})
    server.shape = shape
    body = write_body({"model": "m", "prompt": "Text: hello\nClass:"})
    with serve(server), Endpoint(server.url, api="completions") as endpoint:
        answer = endpoint.ask(body)
    assert (answer.text, answer.top) == (" B", ((" B", -0.5), (" A", -1.0)))
    assert server.requests[0][0] == "/v1/completions"
    assert "authorization" not in server.requests[0][1]


def test_the_first_token_that_is_not_blank_counts() -> None:
    positions = [
        {"token": "\n", "top_logprobs": [{"token": "\n", "logprob": -0.1}]},
        {"token": "A", "top_logprobs": [{"token": "A", "logprob": -0.2}, {"token": 7, "logprob": -1}, {"token": "x"}]},
    ]
    assert endpoint_module._read_top({"content": positions}) == (("A", -0.2),)
    for nothing in (None, {}, {"content": []}, {"content": None}, {"content": [{"token": "A"}]}, {"tokens": ["A"]}, 3):
        assert endpoint_module._read_top(nothing) is None


FAULTS: dict[str, Fault | str] = {
    "dropped": None,
    "429": (429, b'{"error": {"message": "slow down"}}', {"Retry-After": "0"}),
    "408": (408, b"", {}),
    "409": (409, b"", {}),
    "425": (425, b"", {}),
    "500": (500, b"<html>oh</html>", {}),
    "503": (503, b"", {"Retry-After": "nonsense"}),
    "no JSON": (200, b"<html>a proxy's page</html>", {}),
    "no choice": (200, b'{"error": {"message": "overloaded"}}', {}),
    "an empty list": (200, b'{"choices": []}', {}),
    "slow": 1.0,
}


@pytest.mark.parametrize("name", FAULTS)
def test_passing_failures_are_tried_again(name: str) -> None:
    server = _say("A")
    server.fail = lambda number: FAULTS[name] if number < 2 else OK
    wait = {"retries": 2, "first_wait_seconds": 0.001, "timeout_seconds": 0.3 if name == "slow" else 5.0}
    with serve(server), Endpoint(server.url, **wait) as endpoint:
        assert endpoint.ask(BODY).text == "A"
    assert len(server.requests) == 3


def test_a_server_that_never_answers_is_told_in_one_line() -> None:
    server = _say("A")
    server.fail = lambda number: (500, b'{"error": {"message": "out of\\nmemory"}}', {})
    told = r"Got none in 3 tries from .*500 'out of memory'.*are kept"
    with (
        serve(server),
        Endpoint(server.url, retries=2, first_wait_seconds=0.001) as endpoint,
        pytest.raises(EndpointError, match=told) as caught,
    ):
        endpoint.ask(BODY)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 3
    nobody = Endpoint("http://127.0.0.1:9/v1", retries=1, first_wait_seconds=0.0)
    with nobody, pytest.raises(EndpointError, match="ConnectError"):
        nobody.ask(BODY)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422, 307])
def test_a_refusal_is_final_and_keeps_the_key_secret(status: int) -> None:
    server = _say("A")
    said = b'{"error": {"message": "model m with key sk-secret is unknown"}}'
    server.fail = lambda number: (status, said, {"Location": "http://127.0.0.1:9/elsewhere"})
    with (
        serve(server),
        Endpoint(server.url, key="sk-secret", **QUICK) as endpoint,
        pytest.raises(EndpointError, match=f"Got {status} from .*model m with key ") as caught,
    ):
        endpoint.ask(BODY)
    assert "sk-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1


def test_the_words_that_a_server_asks_to_wait_are_heeded() -> None:
    now = datetime.now(timezone.utc)
    read = endpoint_module._read_pause
    assert (read("0"), read("12"), read("2.5"), read("-3")) == (0.0, 12.0, 2.5, 0.0)
    assert read(None) is read("soon") is read("nan") is None
    later = read(format_datetime(now + timedelta(seconds=100), usegmt=True))
    assert later is not None and 90 < later <= 100
    assert read(format_datetime(now - timedelta(days=1), usegmt=True)) == 0.0

    server, waits = _say("A"), []
    server.fail = lambda number: (429, b"", {"Retry-After": "30"}) if number == 0 else OK
    with serve(server), Endpoint(server.url, first_wait_seconds=0.001) as endpoint:
        endpoint._sleep = waits.append  # type: ignore[method-assign]
        assert endpoint.ask(BODY).text == "A"
    assert 29 < max(waits) <= 30

    server.fail = lambda number: (429, b"come back tomorrow", {"Retry-After": "86400"})
    with (
        serve(server),
        Endpoint(server.url, **QUICK) as endpoint,
        pytest.raises(EndpointError, match=r"Got 86400 s from .*come back tomorrow"),
    ):
        endpoint.ask(BODY)


def test_waits_double_up_to_the_longest_and_differ() -> None:
    with Endpoint("http://127.0.0.1:9/v1", first_wait_seconds=1.0, longest_wait_seconds=5.0) as endpoint:
        for attempt, most in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (100, 5.0)):
            waits = {endpoint._back_off(attempt) for _ in range(20)}
            assert len(waits) > 1
            assert all(most / 2 <= wait <= most for wait in waits)


def test_an_answer_without_end_is_cut_off() -> None:
    server = _say("A")
    server.fail = lambda number: (200, b" " * (17 << 20), {}) if number == 0 else OK
    with serve(server), Endpoint(server.url, **QUICK) as endpoint:
        assert endpoint.ask(BODY).text == "A"
    assert len(server.requests) == 2


def test_loopback_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serve(_say("A")) as server, Endpoint(server.url, retries=0) as endpoint:
        assert endpoint.ask(BODY).text == "A"


@pytest.mark.parametrize("key", ["", " sk", "sk\nx: y", "schlüssel"])
def test_a_key_that_is_no_header_is_refused_unseen(key: str) -> None:
    with pytest.raises(EndpointError, match="printable ASCII") as caught:
        Endpoint("http://127.0.0.1:9/v1", key=key)
    assert not key.strip() or key not in str(caught.value)


# --- the journal ------------------------------------------------------------------------------------------------------

KEYS = [make_key("http://x", str(number).encode()) for number in range(5)]


def test_answers_outlive_the_journal(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for number, key in enumerate(KEYS):
            journal.keep(key, {"text": f"ü{number}\n"})
        assert journal.get(KEYS[3]) == {"text": "ü3\n"}
    with Journal(tmp_path) as again:
        assert len(again) == 5
        assert [again.get(key)["text"] for key in KEYS] == [f"ü{number}\n" for number in range(5)]
        assert make_key("http://y", b"0") not in again
        with pytest.raises(KeyError):
            again.get(make_key("http://y", b"0"))


def test_a_journal_cut_anywhere_keeps_its_whole_lines_and_grows_on(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for key in KEYS[:2]:
            journal.keep(key, {"text": "A"})
    whole = (tmp_path / JOURNAL).read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        (tmp_path / JOURNAL).write_bytes(whole[:cut])
        with Journal(tmp_path) as torn:
            assert len(torn) == sum(end <= cut for end in ends)
            torn.keep(KEYS[4], {"text": "new"})
        with Journal(tmp_path) as again:
            assert len(again) == sum(end <= cut for end in ends) + 1
            assert again.get(KEYS[4]) == {"text": "new"}


def test_lines_that_the_disk_has_spoilt_are_asked_again(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for key in KEYS[:3]:
            journal.keep(key, {"text": "A"})
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    spoilt = [b"\xff\0\n", b"[]\n", b'{"key": "12", "answer": 1}\n', b'{"key": 3}\n', b"\n"]
    (tmp_path / JOURNAL).write_bytes(lines[0] + b"".join(spoilt) + lines[2])
    with Journal(tmp_path) as again:
        assert [key in again for key in KEYS[:3]] == [True, False, True]
        assert again.get(KEYS[2]) == {"text": "A"}


WRITER = """
import sys
from pathlib import Path
from smallwright.teacher.journal import Journal, make_key
with Journal(Path(sys.argv[1])) as journal:
    for number in range(10**9):
        journal.keep(make_key("u", str(number).encode()), {"text": "x" * (number % 97)})
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
"""


def test_what_was_kept_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(200):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    kept = 200 + len([line for line in process.stdout if line.endswith("\n")])
    process.wait()
    with Journal(tmp_path) as journal:
        for number in range(kept):
            assert journal.get(make_key("u", str(number).encode())) == {"text": "x" * (number % 97)}
        assert len(journal) - kept in (0, 1)


# --- questions --------------------------------------------------------------------------------------------------------

ROWS = [Row(f"{label} {number}", label) for label in LABELS for number in range(4)]


def _ask_of(questions: Questions, text: str) -> str:
    body = questions.ask(text)
    return body["prompt"] if "prompt" in body else "\n".join(turn["content"] for turn in body["messages"])


def test_few_classes_get_letters_and_many_are_named() -> None:
    questions = make_questions(_settings(descriptions={"top up": "adding money"}), LABELS, ROWS)
    prompt = _ask_of(questions, "where is it")
    assert questions.codes == ("A", "B", "C")
    assert "A. card_lost\nB. card_stolen\nC. top up: adding money\n" in prompt
    assert prompt.endswith("Text: where is it")
    body = questions.ask("x")
    assert (body["model"], body["temperature"], body["logprobs"], body["top_logprobs"]) == ("m", 0, True, 20)

    many = [f"class_{number}" for number in range(27)]
    named = make_questions(_settings(), many, ROWS)
    assert named.codes == tuple(many)
    assert "logprobs" not in named.ask("x")
    assert "- class_26" in _ask_of(named, "x")
    assert not make_questions(_settings(top_logprobs=None), LABELS, ROWS).by_letters
    assert not make_questions(_settings(), ["B", "C"], ROWS).by_letters  # whose letter would B be?
    assert make_questions(_settings(), ["1", "2"], ROWS).by_letters
    with pytest.raises(RecipeError, match=r"teacher.descriptions must name classes.*Did you mean 'top up'"):
        make_questions(_settings(descriptions={"topup": "x"}), LABELS, ROWS)


def test_completions_end_where_the_class_stands() -> None:
    questions = make_questions(_settings(api="completions", examples=1), LABELS, ROWS)
    body = questions.ask("two\nlines")
    assert body["prompt"].endswith("\n\nText: two lines\nClass:")
    assert (body["stop"], body["logprobs"]) == (["\n"], 20)


def test_examples_come_by_classes_in_turn_and_never_show_a_text_its_own_label() -> None:
    chosen = choose_examples(ROWS, 5, seed=3)
    assert {row.label for row in chosen[:3]} == set(LABELS)
    assert len({row.text for row in chosen}) == 5
    assert chosen == choose_examples(ROWS, 5, seed=3) != choose_examples(ROWS, 5, seed=4)
    assert len(choose_examples(ROWS, 99, seed=0)) == len(ROWS)
    assert choose_examples(ROWS, 0, seed=0) == []
    many = [Row(f"text {number}", label=LABELS[number % 3]) for number in range(300)]
    assert choose_examples(many, 6, seed=0) == choose_examples(
        [*many[:150], Row("one more", LABELS[0]), *many[150:]], 6, seed=0
    )

    questions = make_questions(_settings(examples=6), LABELS, ROWS, seed=1)
    text, code = questions.examples[0]
    turns = questions.ask("a new one")["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 6 + ["user"]
    assert turns[1]["content"] == code
    assert turns[0]["content"].endswith(f"Text: {text}")
    own = questions.ask(text)["messages"]
    assert len(own) == 11
    assert [turn["content"].rpartition("Text: ")[2] for turn in own].count(text) == 1


def test_extra_fields_stand_in_the_body_and_null_takes_one_away() -> None:
    extra = {"max_tokens": None, "max_completion_tokens": 9, "chat_template_kwargs": {"enable_thinking": False}}
    body = make_questions(_settings(extra=extra), LABELS, ROWS).ask("x")
    assert "max_tokens" not in body
    assert (body["max_completion_tokens"], body["chat_template_kwargs"]) == (9, {"enable_thinking": False})


# --- readings ---------------------------------------------------------------------------------------------------------


def test_probabilities_are_the_softmax_over_the_letters() -> None:
    logits = np.array([2.0, 1.0, -1.0])
    softmax = np.exp(logits) / np.exp(logits).sum()
    # The rest of the vocabulary has 20 %; one letter is spelt in two ways.
    whole = np.log(0.8 * softmax)
    top = [("A", whole[0] + math.log(0.75)), (" A", whole[0] + math.log(0.25)), ("B", whole[1]), ("\u2581C", whole[2])]
    found = read_probabilities(top, "ABC")
    assert found is not None
    np.testing.assert_allclose(found, softmax, rtol=1e-6)


def test_letters_that_are_not_shown_share_what_is_left() -> None:
    found = read_probabilities([("A", math.log(0.9)), ("x", math.log(0.04))], "ABCD")
    assert found is not None
    np.testing.assert_allclose(found, np.array([0.9, 0.02, 0.02, 0.02]) / 0.96, rtol=1e-9)
    least = read_probabilities([("A", math.log(0.6)), ("x", math.log(0.001))], "AB")
    assert least is not None
    np.testing.assert_allclose(least, np.array([0.6, 0.001]) / 0.601, rtol=1e-9)  # B is below the least shown
    sure = read_probabilities([("A", 0.0), ("B", -9999.0)], "AB")
    assert sure is not None and sure[1] == pytest.approx(FLOOR)
    assert read_probabilities([("The", -0.1), ("A", -3.0)], "AB") is None
    assert read_probabilities([], "AB") is None


BY_LETTER = {
    "B": 1, " b ": 1, "(B)": 1, "B.": 1, "**B**": 1, "B) card_stolen": 1, "B: because": 1, "Answer: B": 1,
    "The answer is C.": 2, "card_lost": 0, "Card Lost": 0, "`top up`": 2, "top_up": 2, "Class: top up\n\nIt is.": 2,
    "<think>A? B?\nNo.</think>\n\nC": 2, "<think>A": None, "D": None,
    "": None, "A card was lost": None, "I think B": None, "card": None, "A or B": None,
}  # fmt: skip


@pytest.mark.parametrize("text", BY_LETTER)
def test_text_names_a_class_by_letter_or_name(text: str) -> None:
    questions = make_questions(_settings(), LABELS, ROWS)
    assert find_class(text, questions) == BY_LETTER[text]
    read = read_answer(Answer(text, None, 1.0), questions, trust=0.9)
    if BY_LETTER[text] is None:
        assert read is None
    else:
        assert read is not None and not read.from_tokens
        want = np.full(3, 0.05)
        want[BY_LETTER[text]] = 0.9
        np.testing.assert_allclose(np.exp(read.log_probabilities), want, rtol=1e-6)


def test_names_that_differ_only_in_case_are_told_apart_or_not_at_all() -> None:
    questions = make_questions(_settings(top_logprobs=None), ["May", "may", "a_b", "a-b"], ROWS)
    assert [find_class(text, questions) for text in ("May", "may", "MAY", "a_b", "a b", "B")] == [0, 1, None, 2] + [
        None
    ] * 2


def test_probabilities_count_only_where_the_letters_have_them() -> None:
    questions = make_questions(_settings(), LABELS, ROWS)
    sure = read_answer(Answer("whatever", (("C", -0.01), ("A", -5.0)), 1.0), questions, trust=0.9)
    assert sure is not None and sure.from_tokens and sure.log_probabilities.argmax() == 2
    words = read_answer(Answer("The answer is B", (("The", -0.01), ("C", -5.0)), 1.0), questions, trust=0.9)
    assert words is not None and not words.from_tokens and words.log_probabilities.argmax() == 1


# --- many questions ---------------------------------------------------------------------------------------------------


def _answer(server: Server, texts: Sequence[str], folder: Path, **changes: Any) -> Answered:
    settings = _settings(server.url, **changes)
    with Journal(folder) as journal:
        return answer_texts(texts, make_questions(settings, LABELS, ROWS), settings=settings, journal=journal)


TEXTS = [f"text {number}" for number in range(40)]


def test_every_text_is_asked_once_whatever_the_server_does(tmp_path: Path) -> None:
    faults = [OK, None, FAULTS["429"], OK, FAULTS["500"], FAULTS["no JSON"], OK]
    server = Server(
        answer=lambda text, prompt: ("", {"ABC"[int(text.split()[1]) % 3]: -0.1}),
        fail=lambda number: faults[number % len(faults)],
    )
    with serve(server):
        answered = _answer(server, [*TEXTS, *TEXTS[:5]], tmp_path, concurrency=4, retries=20)
        assert answered.log_probabilities.shape == (45, 3)
        np.testing.assert_array_equal(answered.log_probabilities.argmax(axis=1), [*range(40), *range(5)] % np.int64(3))
        assert answered.read.all() and answered.from_tokens.all()
        assert set(server.answered) == set(TEXTS)
        assert set(server.answered.values()) == {1}
        before = len(server.requests)
        again = _answer(server, TEXTS, tmp_path, concurrency=4)
        assert len(server.requests) == before
        np.testing.assert_array_equal(again.log_probabilities, answered.log_probabilities[:40])
        _answer(server, TEXTS[:1], tmp_path, instruction="Another question.", retries=20)
        assert server.answered[TEXTS[0]] == 2


def test_so_many_questions_are_under_way_as_the_recipe_says(tmp_path: Path) -> None:
    together, lock, busy, most = threading.Barrier(3, timeout=60.0), threading.Lock(), 0, 0

    def answer(text: str, prompt: str) -> tuple[str, None]:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        together.wait()  # nobody is answered before three have asked
        with lock:
            busy -= 1
        return "A", None

    with serve(Server(answer=answer)) as server:
        _answer(server, TEXTS[:12], tmp_path, concurrency=3)
    assert most == 3
    assert len(server.requests) == 12


def test_answers_that_say_nothing_are_counted_and_too_many_refused(tmp_path: Path) -> None:
    unread = {"text 3", "text 25", "text 31"}
    server = Server(answer=lambda text, prompt: ("who knows", None) if text in unread else ("A", None))
    with serve(server):
        answered = _answer(server, TEXTS, tmp_path, most_unread=0.075)
        assert [TEXTS[row] for row in np.flatnonzero(~answered.read)] == sorted(unread, key=TEXTS.index)
        assert not answered.from_tokens.any()
        before = len(server.requests)
        with pytest.raises(EndpointError, match=r"at most 5% .*Got 3 of .*'who knows' to 'text \d+'.*instruction"):
            _answer(server, TEXTS, tmp_path, most_unread=0.05)
        assert len(server.requests) == before


def test_a_server_that_answers_none_of_the_first_is_asked_no_more(tmp_path: Path) -> None:
    server = _say("as a language model")
    texts = [f"text {number}" for number in range(400)]
    with serve(server), pytest.raises(EndpointError, match=f"Got {REHEARSAL} of {REHEARSAL}"):
        _answer(server, texts, tmp_path, most_unread=0.9)
    assert len(server.requests) == REHEARSAL


def test_one_refusal_ends_all_and_answers_stay(tmp_path: Path) -> None:
    server = _say("A")
    server.fail = lambda number: (401, b"who are you", {}) if number >= 10 else OK
    with serve(server):
        with pytest.raises(EndpointError, match="Got 401"):
            _answer(server, TEXTS, tmp_path, concurrency=4)
        assert len(server.requests) <= 10 + 4
        server.fail = lambda number: OK
        _answer(server, TEXTS, tmp_path, concurrency=4)
    assert set(server.answered.values()) == {1}


def test_waits_of_others_end_with_the_first_failure(tmp_path: Path) -> None:
    server = _say("A")
    server.fail = lambda number: (503, b"", {}) if number < 3 else (404, b"no such model", {})
    began = time.monotonic()
    with serve(server), pytest.raises(EndpointError, match="no such model"):
        _answer(server, TEXTS, tmp_path, concurrency=4, first_wait_seconds=60.0, longest_wait_seconds=60.0)
    assert time.monotonic() - began < 30  # not a measurement: the waits are of half a minute or more


def test_an_answer_altered_by_hand_is_asked_again(tmp_path: Path) -> None:
    with serve(_say("A")) as server:
        _answer(server, TEXTS[:2], tmp_path)
        path = tmp_path / JOURNAL
        path.write_bytes(path.read_bytes().replace(b'"text"', b'"test"', 1))
        assert _answer(server, TEXTS[:2], tmp_path).read.all()
        assert len(server.requests) == 3


def test_the_key_comes_from_the_environment_and_stays_out_of_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEACHER_KEY", raising=False)
    with serve(_say("A. Your key is sk-secret")) as server:
        with pytest.raises(RecipeError, match=r"Got TEACHER_KEY, which is not. Export it"):
            _answer(server, TEXTS, tmp_path, key_variable="TEACHER_KEY")
        assert not server.requests
        monkeypatch.setenv("TEACHER_KEY", "sk-secret")
        assert _answer(server, TEXTS, tmp_path, key_variable="TEACHER_KEY").read.all()
        assert server.requests[0][1]["authorization"] == "Bearer sk-secret"
    assert b"sk-secret" not in (tmp_path / JOURNAL).read_bytes()
    assert b"text 1" not in (tmp_path / JOURNAL).read_bytes()


# --- what a recipe may say --------------------------------------------------------------------------------------------

BASE: dict[str, Any] = {"name": "x", "task": {"kind": "classify"}, "data": {"train": "rows.jsonl"}}
ENDPOINT: dict[str, Any] = {"from": "endpoint", "url": "http://127.0.0.1:8080/v1", "model": "m"}
FAR = "https://example.com/v1"


def _recipe(teacher: dict[str, Any], **changes: Any) -> Recipe:
    return Recipe.from_mapping({**BASE, "teacher": {**ENDPOINT, **teacher}, **changes})


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "127.8.9.1", "localhost", "[::1]:9"])
def test_loopback_needs_no_permission(host: str) -> None:
    settings = _recipe({"url": f"http://{host}/v1/"}).teacher
    assert isinstance(settings, EndpointSettings)
    assert settings.url == f"http://{host}/v1"
    assert settings.offer.class_probabilities and not settings.offer.network and not settings.offer.hidden_states


@pytest.mark.parametrize(
    "url",
    [FAR, "http://10.0.0.7:8080/v1", "http://127.0.0.1.example.com", "http://localhost.example.com", "http://127.1",
     "http://0.0.0.0:1", "http://[::ffff:8.8.8.8]/v1", "http://2130706433/"],
)  # fmt: skip
def test_texts_leave_this_machine_only_if_the_recipe_says_so(url: str) -> None:
    with pytest.raises(
        RecipeError, match=r"leave this machine only if the recipe says so.*allow_remote: true"
    ) as caught:
        _recipe({"url": url})
    assert "\n" not in str(caught.value)
    assert _recipe({"url": url, "allow_remote": True}).teacher is not None


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a user in the URL": ({"url": "http://127.0.0.1@example.com/v1"}, {}, "without user"),
    "a backslash": ({"url": "http://127.0.0.1\\@example.com"}, {}, "without user"),
    "a query": ({"url": "http://127.0.0.1/v1?key=1"}, {}, "without user, query"),
    "no scheme": ({"url": "127.0.0.1:8080"}, {}, "must be http"),
    "a port that is none": ({"url": "http://127.0.0.1:99999"}, {}, "must be http"),
    "a key without TLS": ({"url": "http://10.0.0.7/v1", "allow_remote": True, "key_variable": "K"}, {}, "https only"),
    "a key itself": ({"key": "sk-secret"}, {}, "only known keys. Got 'key'"),
    "a misspelt key": ({"urll": "x"}, {}, "Did you mean 'url'"),
    "an ensemble": ({"ensemble": {}}, {}, "asked, not loaded: it has no ensemble"),
    "a fine-tune": ({"finetune": {}}, {}, "asked, not loaded: it has no finetune"),
    "our own fields": ({"extra": {"messages": []}}, {}, "must leave messages alone"),
    "what is no JSON": ({"extra": {"x": float("nan")}}, {}, "teacher.extra must be JSON"),
    "its tokenizer": ({}, {"tokenizer": {"kind": "teacher"}}, "tokenizer.kind: teacher needs a network"),
    "its weights": (
        {},
        {"student": {"from": "teacher"}, "tokenizer": {"kind": "teacher"}},
        "student.from: teacher needs a network",
    ),
    "its hidden states": ({}, {"distill": {"match": {}}}, "distill.match"),
    "text": ({}, {"task": {"kind": "generate"}}, "gives a generator text, no logits"),
    "an unknown kind": ({"from": "cloud"}, {}, "hf, scratch, endpoint or package"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_endpoint_cannot_be_is_refused_with_the_recipe(name: str) -> None:
    teacher, changes, words = REFUSED[name]
    with pytest.raises(SmallwrightError, match=words) as caught:
        _recipe(teacher, **changes)
    assert "\n" not in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_a_recipe_with_an_endpoint_survives_being_written() -> None:
    import yaml

    recipe = _recipe({"descriptions": {"a": "b"}, "top_logprobs": None, "extra": {"seed": 1, "max_tokens": None}})
    assert Recipe.from_mapping(yaml.safe_load(recipe.to_yaml())) == recipe
    assert "ensemble" not in recipe.to_yaml()
