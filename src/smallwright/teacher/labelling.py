"""The class of every text, as a teacher behind an endpoint sees it.

Enters: texts, questions, a journal. Leaves: log-probabilities (N, C), and what became of each answer.
Not here: asking (asking.py), the wording of questions (questions.py), what an answer means (reading.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallwright.teacher.asking import Tally, ask_each
from smallwright.teacher.endpoint import write_body
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.journal import Journal
from smallwright.teacher.questions import Questions
from smallwright.teacher.reading import read_answer


@dataclass(frozen=True)
class Answered:
    """What a teacher said to N texts.

    Attributes:
        log_probabilities: (N, C) float32; rows of NaN where the answer named no class.
        from_tokens: (N,) bool: the probabilities are the server's own.
        call_ms: (N,) float64, the time of the call that brought each answer.
    """

    log_probabilities: NDArray[np.float32]
    from_tokens: NDArray[np.bool_]
    call_ms: NDArray[np.float64]

    @property
    def read(self) -> NDArray[np.bool_]:
        """(N,) which answers could be read."""
        return ~np.isnan(self.log_probabilities[:, 0])


def answer_texts(
    texts: Sequence[str],
    questions: Questions,
    *,
    settings: EndpointSettings,
    journal: Journal,
    say: Callable[[str], None] = lambda line: None,
    refuses: bool = True,
) -> Answered:
    """Have every text answered; see ``ask_each``.

    Args:
        texts: N of them; equal ones are asked once.
        questions: words them.
        settings: where, how, and how many answers may be unreadable.
        journal: open, and nobody else's.
        say: is given a line of progress now and then.
        refuses: False lets any number of answers be unreadable.
    Raises:
        EndpointError: the server refuses or cannot be reached; more answers than ``most_unread`` name no class, or all
            of the first ``REHEARSAL`` do not.
        RecipeError: the key's variable is not set.
    """
    tally = Tally(
        lambda answer: read_answer(answer, questions, trust=settings.trust) is not None,
        total=len(set(texts)),
        most_unread=settings.most_unread if refuses else None,
        law=f"at most {settings.most_unread:.0%} of a teacher's answers may name no class (teacher.most_unread)",
        remedy="Word teacher.instruction more plainly, show examples, let a model that reasons first have more tokens "
        "(teacher.extra: {max_tokens: 1000}), or use another one.",
        say=say,
    )

    def write(text: str) -> bytes:
        return write_body(questions.ask(text))

    answers = ask_each(texts, write, tally, settings=settings, journal=journal)
    rows: list[NDArray[np.float32]] = []
    from_tokens, call_ms = [], []
    nothing: NDArray[np.float32] = np.full(len(questions.labels), np.nan, dtype=np.float32)
    for text in texts:
        found = read_answer(answers[text], questions, trust=settings.trust)
        rows.append(nothing if found is None else found.log_probabilities)
        from_tokens.append(found is not None and found.from_tokens)
        call_ms.append(answers[text].call_ms)
    stacked = np.array(rows, dtype=np.float32).reshape(-1, len(questions.labels))
    return Answered(stacked, np.array(from_tokens, dtype=np.bool_), np.array(call_ms, dtype=np.float64))
