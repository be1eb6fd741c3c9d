"""A teacher's text for every prompt, from a server that is asked: what sequence-level distillation learns.

Enters: prompts, their wording, a journal. Leaves: answers in the order of the prompts.
Not here: asking (asking.py), a teacher whose file is here (text.py), rows made of the text (pipeline/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smallwright.data.row import Row
from smallwright.teacher.asking import Tally, ask_each
from smallwright.teacher.endpoint import Answer, write_body
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.journal import Journal
from smallwright.teacher.questions import choose_examples
from smallwright.teacher.reading import strip_reasoning
from smallwright.teacher.text import WrittenText


@dataclass(frozen=True)
class Wording:
    """How a prompt becomes a request.

    Attributes:
        instruction: stands before each; empty: nothing does.
        examples: prompts with the completions that the data has for them.
        api: ``chat`` or ``completions``.
        fields: of the request's body, beside the prompt.
    """

    instruction: str
    examples: tuple[tuple[str, str], ...]
    api: str
    fields: Mapping[str, Any]

    def ask(self, prompt: str) -> dict[str, Any]:
        """The body of the request for one prompt. A prompt that is itself an example is not shown its own answer."""
        shown = [(other, answer) for other, answer in self.examples if other != prompt]
        if self.api == "completions":
            blocks = [f"Input: {other}\nOutput: {answer}" for other, answer in shown]
            parts = [*([self.instruction] if self.instruction else []), *blocks, f"Input: {prompt}\nOutput:"]
            return {"prompt": "\n\n".join(parts), **self.fields}
        # No system message: some models' chat templates refuse one.
        turns = [*(turn for pair in shown for turn in pair), prompt]
        if self.instruction:
            turns[0] = f"{self.instruction}\n\n{turns[0]}"
        roles = ("user", "assistant")
        messages = [{"role": roles[index % 2], "content": turn} for index, turn in enumerate(turns)]
        return {"messages": messages, **self.fields}

    def count_chars(self, prompt: str) -> int:
        """Characters of the request of one prompt."""
        body = self.ask(prompt)
        return len(body["prompt"]) if "prompt" in body else sum(len(turn["content"]) for turn in body["messages"])


def make_wording(settings: EndpointSettings, rows: Sequence[Row], *, max_tokens: int, seed: int = 0) -> Wording:
    """Word the requests for a task.

    Args:
        settings: the recipe's ``teacher``.
        rows: the training rows, of which ``settings.examples`` are shown.
        max_tokens: most tokens of one answer, by the server's count; ``settings.extra`` may say another number.
        seed: chooses the rows.
    """
    fields: dict[str, Any] = {"model": settings.model, "temperature": 0, "max_tokens": max_tokens}
    if settings.api == "completions":
        fields["stop"] = ["\nInput:"]
    examples = choose_examples(rows, settings.examples, seed=seed)
    return Wording(
        instruction=settings.instruction or "",
        examples=tuple((str(row.prompt), str(row.completion)) for row in examples),
        api=settings.api,
        fields={name: value for name, value in {**fields, **settings.extra}.items() if value is not None},
    )


def complete_prompts(
    prompts: Sequence[str],
    wording: Wording,
    *,
    settings: EndpointSettings,
    journal: Journal,
    form: Callable[[str], str | None] = lambda text: text,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[list[WrittenText], float]:
    """Have every prompt answered; see ``ask_each``.

    Args:
        prompts: N of them, at least one; equal ones are asked once.
        settings: where, how, and how many answers may be cut short, empty or (``form``) refused.
        form: writes an answer as the task wants it, or gives None for one that it refuses.
    Returns:
        (N,) answers, and the median time of a call in milliseconds. An answer that the form refuses is not ``whole``.
    Raises:
        EndpointError: the server refuses or cannot be reached; more answers than ``most_unread`` are of no use, or all
            of the first ``REHEARSAL`` are.
        RecipeError: the key's variable is not set.
    """

    def read(answer: Answer) -> WrittenText:
        text = strip_reasoning(answer.text).strip()
        written = form(text) if text and not answer.cut else None
        return WrittenText(text if written is None else written, whole=written is not None, asked=True)

    tally = Tally(
        lambda answer: read(answer).whole,
        total=len(set(prompts)),
        most_unread=settings.most_unread,
        law=f"at most {settings.most_unread:.0%} of a teacher's answers may be empty, cut short or against the schema "
        "(teacher.most_unread)",
        remedy="Raise evaluate.answer_tokens, word teacher.instruction more plainly, show examples, or use another "
        "model.",
        say=say,
    )

    def write(prompt: str) -> bytes:
        return write_body(wording.ask(prompt))

    answers = ask_each(prompts, write, tally, settings=settings, journal=journal)
    texts = [read(answers[prompt]) for prompt in prompts]
    return texts, float(np.median([answer.call_ms for answer in answers.values()]))
