"""A server's text for prompts: how it is asked, what is kept of the answers, and how a killed call goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.endpoint_under_test import OK, Server, serve

from smallwright.data import Row
from smallwright.errors import RecipeError
from smallwright.recipe import Recipe
from smallwright.teacher.completing import Wording, complete_prompts, make_wording
from smallwright.teacher.endpoint import EndpointError
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.journal import JOURNAL, Journal
from smallwright.teacher.text import WrittenText

ROWS = [Row(f"p{n}c{n}", prompt=f"p{n}", completion=f"c{n}") for n in range(3)]
PROMPTS = [f"Text: note {number}" for number in range(30)]


def _settings(url: str = "http://127.0.0.1:1/v1", **changes: Any) -> EndpointSettings:
    quick = {"retries": 5, "first_wait_seconds": 0.001, "longest_wait_seconds": 0.01}
    return EndpointSettings.model_validate({"from": "endpoint", "url": url, "model": "m", **quick, **changes})


def _complete(server: Server, folder: Path, prompts: list[str] = PROMPTS, **changes: Any) -> list[WrittenText]:
    form = changes.pop("form", None)
    settings = _settings(server.url, **changes)
    with Journal(folder) as journal:
        texts, call_ms = complete_prompts(
            prompts,
            make_wording(settings, ROWS, max_tokens=50),
            settings=settings,
            journal=journal,
            **({} if form is None else {"form": form}),
        )
    assert call_ms > 0
    return texts


def _write(text: str, prompt: str) -> tuple[str, None]:
    return f"<think>hm</think>\n summary of {text} ", None


def test_chat_shows_instruction_and_examples_in_turn() -> None:
    wording = make_wording(_settings(instruction="Sum up.", examples=2), ROWS, max_tokens=50, seed=1)
    assert len(wording.examples) == 2 and set(wording.examples) < {(f"p{n}", f"c{n}") for n in range(3)}
    (first, said), (second, _) = wording.examples
    body = wording.ask("new")
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant"] * 2 + ["user"]
    assert body["messages"][0]["content"] == f"Sum up.\n\n{first}" and body["messages"][1]["content"] == said
    assert (body["messages"][-1]["content"], body["max_tokens"], body["temperature"]) == ("new", 50, 0)
    assert len(wording.ask(second)["messages"]) == 3  # not its own answer
    assert make_wording(_settings(), ROWS, max_tokens=9).ask("new")["messages"] == [{"role": "user", "content": "new"}]


def test_completions_write_one_prompt() -> None:
    extra = {"max_tokens": 70, "stop": None}
    wording = make_wording(_settings(api="completions", instruction="Sum up.", extra=extra), ROWS, max_tokens=50)
    assert wording.ask("new") == {
        "model": "m", "temperature": 0, "max_tokens": 70, "prompt": "Sum up.\n\nInput: new\nOutput:",
    }  # fmt: skip
    shown = Wording("", (("p", "c"),), "completions", {})
    assert shown.ask("new") == {"prompt": "Input: p\nOutput: c\n\nInput: new\nOutput:"}
    assert shown.count_chars("new") == len(shown.ask("new")["prompt"])


def test_every_prompt_is_answered_once_whatever_the_server_does(tmp_path: Path) -> None:
    faults = [OK, None, (429, b"", {"Retry-After": "0"}), (500, b"", {}), OK]
    server = Server(answer=_write, fail=lambda number: faults[number % len(faults)])
    with serve(server):
        texts = _complete(server, tmp_path, [*PROMPTS, PROMPTS[0]], retries=20)
        assert texts[3] == WrittenText("summary of note 3", whole=True, asked=True) and texts[-1] == texts[0]
        assert set(server.answered.values()) == {1} and len(server.answered) == len(PROMPTS)
        before = len(server.requests)
        assert _complete(server, tmp_path) == texts[:-1] and len(server.requests) == before
    assert b"Text: note" not in (tmp_path / JOURNAL).read_bytes()  # answers alone


def test_a_killed_call_goes_on(tmp_path: Path) -> None:
    server = Server(answer=_write, fail=lambda number: OK if number < 13 else (403, b"", {}))
    with serve(server):
        with pytest.raises(EndpointError, match="Got 403"):
            _complete(server, tmp_path, concurrency=2)
        server.fail = lambda number: OK
        assert len(_complete(server, tmp_path)) == len(PROMPTS)
    assert set(server.answered.values()) == {1}


def test_cut_empty_and_refused_answers_are_not_whole_and_too_many_end_it(tmp_path: Path) -> None:
    def answer(text: str, prompt: str) -> tuple[str, None]:
        return {"note 4": "", "note 5": "{"}.get(text, '{"a":   1}'), None

    def form(text: str) -> str | None:
        try:
            return json.dumps(json.loads(text), separators=(",", ":"))
        except ValueError:
            return None

    with serve(Server(answer=answer, cut=lambda text: text == "note 6")) as server:
        texts = _complete(server, tmp_path, form=form)
        assert texts[0] == WrittenText('{"a":1}', whole=True, asked=True)
        assert [n for n, text in enumerate(texts) if not text.whole] == [4, 5, 6]
        assert [texts[n].text for n in (4, 5, 6)] == ["", "{", '{"a":   1}']
        with pytest.raises(EndpointError, match=r"at most 5% .* cut short .* for example .*answer_tokens"):
            _complete(server, tmp_path, form=form, most_unread=0.05)
    with serve(Server(answer=lambda text, prompt: ("", None))) as server:
        with pytest.raises(EndpointError, match="Got 20 of 20"):
            _complete(server, tmp_path / "mute", most_unread=0.9)
        assert len(server.requests) == 20


NOTES: dict[str, Any] = {
    "name": "x",
    "task": {"kind": "generate"},
    "data": {"train": {"path": "rows.jsonl", "fields": {"prompt": "a", "completion": "b"}}},
    "teacher": {"from": "endpoint", "url": "http://127.0.0.1:8080/v1", "model": "m"},
    "distill": {"targets": "teacher", "objectives": ["cross_entropy"]},
}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"distill": {}}, "gives a generator text, no logits"),
        ({"distill": {"targets": "teacher"}}, r"gives a generator text, no logits.*objectives: \[cross_entropy\]"),
        ({"data": {"train": "rows.jsonl"}}, "targets: teacher needs kind: generate, a teacher, and rows"),
        ({"teacher": {**NOTES["teacher"], "trust": 0.8}}, "teacher.trust is for task.kind: classify"),
        (
            {"teacher": {**NOTES["teacher"], "new_rows": {"per_class": 3}}},
            "new_rows is for task.kind: classify",
        ),
        ({"student": {"from": "teacher"}, "tokenizer": {"kind": "teacher"}}, "needs a network"),
        ({"teacher": {**NOTES["teacher"], "url": "https://example.com/v1"}}, "allow_remote"),
    ],
)
def test_what_a_server_cannot_teach_a_generator_is_refused(changes: dict[str, Any], told: str) -> None:
    assert Recipe.from_mapping(NOTES).distill.targets == "teacher"
    with pytest.raises(RecipeError, match=told):
        Recipe.from_mapping({**NOTES, **changes})
