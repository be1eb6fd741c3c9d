"""A client of an OpenAI-compatible server: one question, one answer, however often it takes.

Enters: the body of a request. Leaves: an ``Answer``, or one error line with the server's own words.
Not here: what is asked (questions.py), many questions at once and keeping answers (asking.py, journal.py).

Redirects are not followed and a loopback server is never reached through a proxy: texts go where the recipe says.
"""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

import httpx2

from smallwright.errors import SmallwrightError
from smallwright.teacher.endpoint_settings import is_loopback

# Try again: the request timed out there, met a lock, came too early, or too often. So does every 5xx.
PASSING = frozenset({408, 409, 425, 429})
MOST_PAUSE_SECONDS = 900.0
_MOST_BYTES = 16 << 20
_PATHS = {"chat": "/chat/completions", "completions": "/completions"}
_MESSAGE_CHARS = 300


class EndpointError(SmallwrightError):
    """A teacher's server cannot be reached, refuses, or does not answer the question."""

    exit_code = 5


class Stopped(Exception):
    """Asking was ended while this question waited."""


class _Passing(Exception):
    """This try failed in a way that another may not. ``pause_seconds``: what the server asked for."""

    def __init__(self, problem: str, pause_seconds: float | None = None) -> None:
        super().__init__(problem)
        self.pause_seconds = pause_seconds


@dataclass(frozen=True)
class Answer:
    """What the server said.

    Attributes:
        text: of the answer; may be empty.
        top: the most probable tokens in place of the first one that is not blank, with natural log-probabilities; None
            where the server does not tell.
        call_ms: from sending the question to having the whole answer, the successful try alone.
        cut: a limit ended the text, as the server says (``finish_reason: length``).
    """

    text: str
    top: tuple[tuple[str, float], ...] | None
    call_ms: float
    cut: bool = False


def write_body(body: Mapping[str, Any]) -> bytes:
    """A request's body as bytes; equal bodies give equal bytes."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


class Endpoint:
    """A server that is asked by several threads. A context manager.

    Args:
        url: of the API, without the last part of the path.
        api: ``chat`` or ``completions``.
        key: of the API, sent as a bearer token; None: none is sent. It is in no message and no file.
        concurrency: questions under way at once.
        timeout_seconds: longest wait for one answer, all of it.
        retries: further tries after the first.
        first_wait_seconds, longest_wait_seconds: of the exponential back-off; each wait is drawn from its upper half.
    Raises:
        EndpointError: the key cannot stand in a header.
    """

    def __init__(
        self,
        url: str,
        *,
        api: str = "chat",
        key: str | None = None,
        concurrency: int = 8,
        timeout_seconds: float = 120.0,
        retries: int = 8,
        first_wait_seconds: float = 0.5,
        longest_wait_seconds: float = 60.0,
    ) -> None:
        if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key and key):
            raise EndpointError(
                "an API key must be printable ASCII without blanks around it. Got another one from the environment. "
                "Set it again."
            )
        self.url, self._key = url + _PATHS[api], key
        self._timeout_seconds, self._retries = timeout_seconds, retries
        self._first_wait_seconds, self._longest_wait_seconds = first_wait_seconds, longest_wait_seconds
        self._stopped, self._not_before = threading.Event(), 0.0
        headers = {"content-type": "application/json", "accept": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        self._client = httpx2.Client(
            headers=headers,
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=not is_loopback(url),
            limits=httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        )

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def stop(self) -> None:
        """End all waits between tries; calls under way still return."""
        self._stopped.set()

    def ask(self, body: bytes) -> Answer:
        """Ask one question until it is answered.

        Args:
            body: from ``write_body``.
        Raises:
            EndpointError: the server refuses the question, or every try failed.
            Stopped: ``stop`` was called.
        """
        problem = ""
        for attempt in range(self._retries + 1):
            if attempt:
                self._sleep(self._back_off(attempt))
            self._sleep(self._not_before - time.monotonic())
            try:
                return self._try(body)
            except _Passing as passing:
                problem = str(passing)
                self._pause(passing)
        raise EndpointError(
            f"a teacher's server must answer. Got none in {self._retries + 1} tries from {self.url}; the last: "
            f"{problem}. See that it runs, then build again: answers that came are kept."
        )

    def _try(self, body: bytes) -> Answer:
        began = time.monotonic()
        try:
            status, headers, content = self._post(body, began)
        except httpx2.RequestError as error:
            raise _Passing(_clean(f"{type(error).__name__} {error}")) from error
        if status == 200:
            text, top, cut = _read_choice(content)
            return Answer(text, top, round(1000 * (time.monotonic() - began), 3), cut)
        said = _read_message(content)
        if status in PASSING or status >= 500:
            raise _Passing(f"{status} {said}", _read_pause(headers.get("retry-after")))
        raise EndpointError(self._refusal(status, said))

    def _post(self, body: bytes, began: float) -> tuple[int, httpx2.Headers, bytes]:
        parts, size = [], 0
        with self._client.stream("POST", self.url, content=body) as response:
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > _MOST_BYTES:
                    raise _Passing(f"an answer of more than {_MOST_BYTES >> 20} MiB")
                # A client's own time-out is of each read: a server that drips would never meet it.
                if time.monotonic() - began > self._timeout_seconds:
                    raise _Passing(f"no whole answer in {self._timeout_seconds:g} s")
        content = b"".join(parts)
        if self._key is not None:
            content = content.replace(self._key.encode(), b"***")
        return response.status_code, response.headers, content

    def _refusal(self, status: int, said: str) -> str:
        remedies = {401: "Set the right key in teacher.key_variable's variable", 404: "Check teacher.url and model"}
        remedies[403] = remedies[401]
        remedy = remedies.get(status, "Check teacher.model, api, top_logprobs and extra")
        if 300 <= status < 400:
            remedy = "Redirects are not followed, so that texts go nowhere else: give the final teacher.url"
        return f"a teacher's server must take the question. Got {status} from {self.url}: {said}. {remedy}."

    def _back_off(self, attempt: int) -> float:
        """Seconds before a further try: doubling, and never at the same time as everyone else."""
        most = min(self._longest_wait_seconds, self._first_wait_seconds * 2.0 ** (attempt - 1))
        return most * random.uniform(0.5, 1.0)

    def _pause(self, passing: _Passing) -> None:
        """What one question is told to wait, all others wait too."""
        if passing.pause_seconds is None:
            return
        if passing.pause_seconds > MOST_PAUSE_SECONDS:
            raise EndpointError(
                f"a teacher's server may ask to wait {MOST_PAUSE_SECONDS:g} s at most. Got {passing.pause_seconds:.0f} "
                f"s from {self.url}: {passing}. Build again then: answers that came are kept."
            )
        self._not_before = max(self._not_before, time.monotonic() + passing.pause_seconds)

    def _sleep(self, seconds: float) -> None:
        if self._stopped.wait(max(0.0, seconds)):
            raise Stopped


def _read_choice(content: bytes) -> tuple[str, tuple[tuple[str, float], ...] | None, bool]:
    """Text, first probabilities and whether a limit ended the first choice, of both APIs and of both ways to write
    log-probabilities.
    """
    try:
        choice = json.loads(content)["choices"][0]
        said = choice["message"]["content"] if "message" in choice else choice["text"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise _Passing(f"200 without a choice: {_read_message(content)}") from error
    cut = choice.get("finish_reason") == "length"
    return said if isinstance(said, str) else "", _read_top(choice.get("logprobs")), cut


def _read_top(given: Any) -> tuple[tuple[str, float], ...] | None:
    if not isinstance(given, Mapping):
        return None
    if isinstance(given.get("content"), list):
        positions = [
            (part.get("token"), part.get("top_logprobs")) for part in given["content"] if isinstance(part, Mapping)
        ]
    elif isinstance(given.get("tokens"), list) and isinstance(given.get("top_logprobs"), list):
        positions = list(zip(given["tokens"], given["top_logprobs"], strict=False))
    else:
        return None
    for token, others in positions:
        if isinstance(token, str) and token.strip("\u2581\u0120\u010a \t\r\n"):
            return _read_tokens(others)
    return None


def _read_tokens(given: Any) -> tuple[tuple[str, float], ...] | None:
    """``[{token, logprob}, ...]`` or ``{token: logprob, ...}``, the most probable first; None where there is none."""
    if isinstance(given, Mapping):
        pairs: list[tuple[Any, Any]] = list(given.items())
    elif isinstance(given, list):
        pairs = [(part.get("token"), part.get("logprob")) for part in given if isinstance(part, Mapping)]
    else:
        return None
    numbers = [(token, float(value)) for token, value in pairs if isinstance(token, str) and _is_number(value)]
    return tuple(sorted(numbers, key=lambda pair: -pair[1])) or None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _read_message(content: bytes) -> str:
    """The server's own words, on one line."""
    text = content[:4096].decode("utf-8", "replace")
    try:
        found = json.loads(content)
        error = found.get("error", found)
        said = error if isinstance(error, str) else error.get("message", error.get("detail", text))
    except (ValueError, AttributeError):
        said = text
    return _clean(said if isinstance(said, str) else json.dumps(said))


def _clean(text: str) -> str:
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return repr(line if len(line) <= _MESSAGE_CHARS else line[:_MESSAGE_CHARS] + "...") if line else "nothing"


def _read_pause(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date; None where it says neither."""
    if value is None:
        return None
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    when = when if when.tzinfo is not None else when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())
