"""Learning the teacher's text: asked once, killed half way and gone on with; and the task of free text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from smallwright.data.completions import write_completions
from smallwright.errors import RecipeError
from smallwright.evaluate.cost import Answers
from smallwright.model import Transformer, preset, seeded
from smallwright.recipe import Recipe
from smallwright.spec import HeadSpec
from smallwright.teacher import text as teacher_text
from smallwright.teacher.text import TEXTS, WrittenText, write_texts
from smallwright.train.completions import CompletionTask
from smallwright.train.free_text import FreeTextTask

PROMPTS = [f"prompt {number}" for number in range(7)]


class Killed(Exception):
    """Stands for a process that ends in the middle."""


class Teacher:
    """Answers two prompts at a time in place of the engine, and remembers what it was asked."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.dies_after = dies_after

    def __call__(self, package: Path, prompts: Sequence[str], **options: Any) -> Iterator[Answers]:
        for start in range(0, len(prompts), 2):
            if self.dies_after is not None and len(self.asked) >= self.dies_after:
                raise Killed
            some = prompts[start : start + 2]
            self.asked += some
            fits = [prompt != "prompt 3" for prompt in some]
            texts = tuple(f"answer to\n{prompt} é" if fit else "" for prompt, fit in zip(some, fits, strict=True))
            whole = tuple(prompt not in ("prompt 3", "prompt 5") for prompt in some)
            yield Answers(texts, whole, tuple(-1.0 if fit else None for fit in fits), (None,) * len(some))


def ask(folder: Path, teacher: Teacher, monkeypatch: pytest.MonkeyPatch) -> list[WrittenText]:
    monkeypatch.setattr(teacher_text, "answer_batches", teacher)
    return write_texts(folder / "teacher.gguf", PROMPTS, folder, max_tokens=9, timeout_seconds=1.0)


def test_every_prompt_has_its_answer_and_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = Teacher()
    found = ask(tmp_path, teacher, monkeypatch)
    assert teacher.asked == PROMPTS
    assert found[0] == WrittenText("answer to\nprompt 0 é", whole=True, asked=True)
    assert found[3] == WrittenText("", whole=False, asked=False)
    assert found[5] == WrittenText("answer to\nprompt 5 é", whole=False, asked=True)
    again = Teacher()
    assert ask(tmp_path, again, monkeypatch) == found and again.asked == []


@pytest.mark.parametrize("torn", [b"", b'{"text": "answ', b'{"text": "answer", "whole": true, "asked": true}', b"[]\n"])
def test_a_killed_teacher_goes_on_after_its_last_whole_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bytes
) -> None:
    whole = ask(tmp_path, Teacher(), monkeypatch)
    content = (tmp_path / TEXTS).read_bytes()
    (tmp_path / TEXTS).unlink()
    with pytest.raises(Killed):
        ask(tmp_path, Teacher(dies_after=4), monkeypatch)
    with (tmp_path / TEXTS).open("ab") as file:
        file.write(torn)
    rest = Teacher()
    assert ask(tmp_path, rest, monkeypatch) == whole
    assert rest.asked == PROMPTS[4:]
    assert (tmp_path / TEXTS).read_bytes() == content


def test_free_text_chooses_its_weights_by_the_loss(tmp_path: Path) -> None:
    pairs = [([5, 6, 7], [8, 1]), ([9], [10, 11, 12, 1]), ([13, 14], [1])]
    completions = write_completions(tmp_path / "pairs", pairs, 16)
    heads = {"language_model": HeadSpec("language_model", tied=True)}
    with seeded(3):
        model = Transformer(preset("nano", vocabulary=16, causal=True, heads=heads, context=16)).eval()
    task = FreeTextTask(completions, completions, batch_size=2)
    found = task.validate(model, "float32")
    losses = []
    for prompt, answer in pairs:
        document = torch.tensor([*prompt, *answer])
        with torch.inference_mode():
            logits = model.logits(document[None, :-1])[0, len(prompt) - 1 :]
        losses.append(torch.nn.functional.cross_entropy(logits, document[len(prompt) :], reduction="none"))
    mean = float(torch.cat(losses).mean())
    assert found["loss"] == pytest.approx(mean, rel=1e-5)
    assert found["score"] == -found["loss"] and found["perplexity"] == pytest.approx(torch.tensor(mean).exp().item())
    assert FreeTextTask(completions).validate(model, "float32") == {}
    assert task.fingerprint() != CompletionTask(completions, completions, batch_size=2).fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"teacher": None},
        {"task": {"kind": "classify"}, "data": {"train": "rows.jsonl"}},
        {"data": {"train": "rows.jsonl"}},
    ],
)
def test_learning_a_teachers_text_needs_a_teacher_and_prompts(changes: dict[str, Any]) -> None:
    document = {
        "name": "x",
        "task": {"kind": "generate"},
        "data": {"train": {"path": "rows.jsonl", "fields": {"prompt": "a", "completion": "b"}}},
        "teacher": {"from": "scratch", "preset": "nano"},
        "distill": {"targets": "teacher"},
    }
    assert Recipe.from_mapping(document).distill.targets == "teacher"
    with pytest.raises(RecipeError, match="targets: teacher needs kind: generate, a teacher, and rows with"):
        Recipe.from_mapping({**document, **changes})
    with pytest.raises(RecipeError, match=r"distill\.targets"):
        Recipe.from_mapping({**document, "distill": {"targets": "pupil"}})
