"""Many questions to one endpoint: several at once, each answered once for all time.

Enters: subjects, the requests for them, a journal. Leaves: answers, in the journal and in order.
Not here: one request (endpoint.py), the file of answers (journal.py), what is asked and what an answer means
(labelling.py, completing.py, new_rows.py).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict

from smallwright.errors import RecipeError
from smallwright.teacher.endpoint import Answer, Endpoint, EndpointError, Stopped
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.journal import Journal, make_key

# A server that answers none of the first questions readably will not answer the others: no more are paid for.
REHEARSAL = 20
_TELL_SECONDS = 10.0


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


class Tally:
    """How many answers could be read. Any thread may count.

    Args:
        reads: whether an answer says what was asked for.
        total: answers that will come.
        most_unread: share of them that may say nothing; None: any, it is only counted.
        law: what must be, for the refusal; it goes on "Got 3 of 20, for example ...".
        remedy: a sentence or more behind it.
        say: is given a line of progress now and then.
    """

    def __init__(
        self,
        reads: Callable[[Answer], bool],
        *,
        total: int,
        most_unread: float | None = None,
        law: str = "",
        remedy: str = "",
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.reads, self.total, self.most_unread, self.say = reads, total, most_unread, say
        self.law, self.remedy = law, remedy
        self.read = self.unread = 0
        self._example: tuple[str, str] = ("", "")
        self._lock, self._told = threading.Lock(), time.monotonic()

    def count(self, subject: str, answer: Answer) -> None:
        """Count one answer, and refuse as soon as too many could not be read whatever comes."""
        with self._lock:
            if self.reads(answer):
                self.read += 1
            else:
                self.unread += 1
                # The same one whatever the order of arrival.
                given = (subject, answer.text)
                self._example = min(self._example, given) if self.unread > 1 else given
            if time.monotonic() - self._told > _TELL_SECONDS:
                self._told = time.monotonic()
                self.say(f"{self.read + self.unread} of {self.total} answered")
            self._refuse_unread()

    def refuse_rehearsal(self) -> None:
        """Refuse when answers came and none could be read."""
        if self.most_unread is not None and self.unread and not self.read:
            raise self._refusal()

    def _refuse_unread(self) -> None:
        if self.most_unread is not None and self.unread > self.most_unread * self.total:
            raise self._refusal()

    def _refusal(self) -> EndpointError:
        subject, said = (part if len(part) <= 80 else part[:80] + "..." for part in self._example)
        return EndpointError(
            f"{self.law}. Got {self.unread} of {self.read + self.unread}, for example {said!r} to {subject!r}. "
            f"{self.remedy}"
        )


def ask_each(
    subjects: Sequence[str],
    write: Callable[[str], bytes],
    tally: Tally,
    *,
    settings: EndpointSettings,
    journal: Journal,
    apart: bool = False,
) -> dict[str, Answer]:
    """Have every subject answered. What the journal knows is not asked; what is asked goes into it at once.

    Args:
        subjects: texts, prompts or names; equal ones are asked once.
        write: the body of the request for one of them.
        tally: counts each answer, and may refuse to go on.
        settings: where, and how many at once.
        journal: open, and nobody else's.
        apart: two subjects with the same request are asked twice, as answers drawn at random may differ.
    Returns:
        The answer by subject.
    Raises:
        EndpointError: the server refuses or cannot be reached; or the tally refuses.
        RecipeError: the key's variable is not set.
    """
    place = f"{settings.url} {settings.api}"
    keys = {}
    for subject in dict.fromkeys(subjects):
        keys[subject] = make_key(f"{place} {subject}" if apart else place, write(subject))
    found: dict[str, Answer] = {}
    for subject, key in keys.items():
        known = recall(journal, key)
        if known is not None:
            found[subject] = known
            tally.count(subject, known)
    tally.say(f"{len(keys)} questions, of which {len(found)} were answered before")
    missing, first = [subject for subject in keys if subject not in found], set(list(keys)[:REHEARSAL])
    lock = threading.Lock()

    def hear(subject: str, answer: Answer) -> None:
        journal.keep(keys[subject], asdict(answer))
        with lock:
            found[subject] = answer
        tally.count(subject, answer)

    with open_endpoint(settings) as endpoint:
        for part in ([one for one in missing if one in first], [one for one in missing if one not in first]):
            _ask(part, write, endpoint, settings.concurrency, hear)
            tally.refuse_rehearsal()
    return found


def recall(journal: Journal, key: str) -> Answer | None:
    """An answer from the journal; None where it has none that is whole."""
    if key not in journal:
        return None
    kept = journal.get(key)
    try:
        top = None if kept["top"] is None else tuple((str(token), float(value)) for token, value in kept["top"])
        return Answer(str(kept["text"]), top, float(kept["call_ms"]), bool(kept.get("cut", False)))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None  # altered by hand: asked again


def _ask(
    subjects: Sequence[str],
    write: Callable[[str], bytes],
    endpoint: Endpoint,
    concurrency: int,
    hear: Callable[[str, Answer], None],
) -> None:
    """Ask by several threads. The first failure ends the others after the calls under way."""
    waiting, lock = iter(subjects), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                subject = next(waiting, None)
            if subject is None:
                return
            try:
                answer = endpoint.ask(write(subject))
            except Stopped:
                return
            hear(subject, answer)

    with ThreadPoolExecutor(max(1, min(concurrency, len(subjects)))) as pool:
        workers = [pool.submit(work) for _ in range(min(concurrency, len(subjects)))]
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
