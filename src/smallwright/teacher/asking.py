"""Many questions to one endpoint: several at once, each answered once for all time.

Enters: texts, questions, an endpoint, a journal. Leaves: log-probabilities (N, C), and what became of each answer.
Not here: one request (endpoint.py), the file of answers (journal.py), what an answer means (reading.py).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from smallwright.errors import RecipeError
from smallwright.teacher.endpoint import Answer, Endpoint, EndpointError, Stopped, write_body
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.journal import Journal, make_key
from smallwright.teacher.questions import Questions
from smallwright.teacher.reading import Reading, read_answer

# A server that answers none of the first questions readably will not answer the others: no more are paid for.
REHEARSAL = 20
_TELL_SECONDS = 10.0


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


def open_endpoint(settings: EndpointSettings) -> Endpoint:
    """A client as the recipe wants it, with the key from the environment.

    Raises:
        RecipeError: the variable that should hold the key is not set.
        EndpointError: the key cannot be sent.
    """
    key = None
    if settings.key_variable is not None:
        key = os.environ.get(settings.key_variable)
        if not key:
            raise RecipeError(
                f"teacher.key_variable must name an environment variable that is set. Got {settings.key_variable}, "
                "which is not. Export it."
            )
    return Endpoint(
        settings.url,
        api=settings.api,
        key=key,
        concurrency=settings.concurrency,
        timeout_seconds=settings.timeout_seconds,
        retries=settings.retries,
        first_wait_seconds=settings.first_wait_seconds,
        longest_wait_seconds=settings.longest_wait_seconds,
    )


def answer_texts(
    texts: Sequence[str],
    questions: Questions,
    *,
    settings: EndpointSettings,
    journal: Journal,
    say: Callable[[str], None] = lambda line: None,
) -> Answered:
    """Have every text answered. What the journal knows is not asked; what is asked goes into it at once.

    Args:
        texts: N of them; equal ones are asked once.
        questions: words them.
        settings: where, how, and how many answers may be unreadable.
        journal: open, and nobody else's.
        say: is given a line of progress now and then.
    Raises:
        EndpointError: the server refuses or cannot be reached; more answers than ``most_unread`` name no class, or all
            of the first ``REHEARSAL`` do not.
        RecipeError: the key's variable is not set.
    """
    place = f"{settings.url} {settings.api}"
    keys = {text: make_key(place, write_body(questions.ask(text))) for text in dict.fromkeys(texts)}
    tally = _Tally(questions, settings, total=len(keys), say=say)
    missing = []
    for text, key in keys.items():
        known = recall(journal, key)
        if known is None:
            missing.append(text)
        else:
            tally.count(text, known)
    say(f"{len(keys)} questions, of which {len(keys) - len(missing)} were answered before")
    first = set(list(keys)[:REHEARSAL])
    with open_endpoint(settings) as endpoint:
        for part in ([text for text in missing if text in first], [text for text in missing if text not in first]):
            _ask([(text, keys[text]) for text in part], questions, endpoint, journal, settings.concurrency, tally.count)
            tally.refuse_rehearsal()
    tally.refuse_unread()
    return _gather([recall(journal, keys[text]) for text in texts], questions, settings)


def recall(journal: Journal, key: str) -> Answer | None:
    """An answer from the journal; None where it has none that is whole."""
    if key not in journal:
        return None
    kept = journal.get(key)
    try:
        top = None if kept["top"] is None else tuple((str(token), float(value)) for token, value in kept["top"])
        return Answer(str(kept["text"]), top, float(kept["call_ms"]))
    except (KeyError, TypeError, ValueError):
        return None  # altered by hand: asked again


def _ask(
    asked: Sequence[tuple[str, str]],
    questions: Questions,
    endpoint: Endpoint,
    journal: Journal,
    concurrency: int,
    count: Callable[[str, Answer], None],
) -> None:
    """Ask about (text, key) pairs by several threads. The first failure ends the others after the calls under way."""
    waiting, lock = iter(asked), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                item = next(waiting, None)
            if item is None:
                return
            text, key = item
            try:
                answer = endpoint.ask(write_body(questions.ask(text)))
            except Stopped:
                return
            journal.keep(key, asdict(answer))
            count(text, answer)

    with ThreadPoolExecutor(max(1, min(concurrency, len(asked)))) as pool:
        workers = [pool.submit(work) for _ in range(min(concurrency, len(asked)))]
        try:
            wait(workers, return_when=FIRST_EXCEPTION)
            for worker in workers:
                if worker.done():
                    worker.result()
        except BaseException:
            endpoint.stop()
            with lock:
                waiting = iter(())
            raise


class _Tally:
    """How many answers could be read. Any thread may count."""

    def __init__(
        self, questions: Questions, settings: EndpointSettings, *, total: int, say: Callable[[str], None]
    ) -> None:
        self.questions, self.settings, self.total, self.say = questions, settings, total, say
        self.read = self.unread = 0
        self.example: tuple[str, str] = ("", "")
        self._lock, self._told = threading.Lock(), time.monotonic()

    def count(self, text: str, answer: Answer) -> None:
        """Count one answer, and refuse as soon as too many could not be read whatever comes."""
        with self._lock:
            if read_answer(answer, self.questions, trust=self.settings.trust) is not None:
                self.read += 1
            else:
                self.unread += 1
                # The same one whatever the order of arrival.
                self.example = min(self.example, (text, answer.text)) if self.unread > 1 else (text, answer.text)
            if time.monotonic() - self._told > _TELL_SECONDS:
                self._told = time.monotonic()
                self.say(f"{self.read + self.unread} of {self.total} answered")
            if self.unread > self.settings.most_unread * self.total:
                raise self._refusal()

    def refuse_rehearsal(self) -> None:
        """Refuse when answers came and none could be read."""
        if self.unread and not self.read:
            raise self._refusal()

    def refuse_unread(self) -> None:
        """Refuse when too many could not be read."""
        if self.unread > self.settings.most_unread * self.total:
            raise self._refusal()

    def _refusal(self) -> EndpointError:
        text, said = (part if len(part) <= 80 else part[:80] + "..." for part in self.example)
        return EndpointError(
            f"at most {self.settings.most_unread:.0%} of a teacher's answers may name no class "
            f"(teacher.most_unread). Got {self.unread} of {self.read + self.unread}, for example {said!r} to {text!r}. "
            "Word teacher.instruction more plainly, show examples, let a model that reasons first have more tokens "
            "(teacher.extra: {max_tokens: 1000}), or use another one."
        )


def _gather(answers: Iterable[Answer | None], questions: Questions, settings: EndpointSettings) -> Answered:
    rows: list[NDArray[np.float32]] = []
    from_tokens, call_ms = [], []
    nothing: NDArray[np.float32] = np.full(len(questions.labels), np.nan, dtype=np.float32)
    for answer in answers:
        found: Reading | None = None
        if answer is not None:
            found = read_answer(answer, questions, trust=settings.trust)
        rows.append(nothing if found is None else found.log_probabilities)
        from_tokens.append(found is not None and found.from_tokens)
        call_ms.append(np.nan if answer is None else answer.call_ms)
    stacked = np.array(rows, dtype=np.float32).reshape(-1, len(questions.labels))
    return Answered(stacked, np.array(from_tokens, dtype=np.bool_), np.array(call_ms, dtype=np.float64))
