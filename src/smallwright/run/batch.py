"""Requests that join a running batch and leave it, from any thread.

Enters: requests, prepared. Leaves: a future ``Completion`` for each. Not here: which rows share a pass, which is the
engine's (``csrc/engine/generator``), and what a request may ask (``options``).
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from smallwright.errors import EngineError
from smallwright.run.completion import AnswerCalibration, Completion, read_result
from smallwright.run.options import Options, read_options
from smallwright.run.stream import OnText, forget

Submit = Callable[["OnText | None"], int]
Prepare = Callable[[Options, str], Submit]
OnPiece = Callable[[str], "bool | None"]
T = TypeVar("T")
PATIENCE_SECONDS = 0.001
"""Between two tries while another call has the engine."""


@dataclass
class _Request:
    options: Options
    submit: Submit
    on_text: OnPiece | None
    future: Future[Completion] = field(default_factory=Future)
    raised: BaseException | None = None

    def read(self, text: str, _token: int) -> bool:
        """Hand a piece over; the batch goes on whatever its reader does."""
        try:
            return self.on_text is None or not text or self.on_text(text) is not False
        except BaseException as error:  # the request's future raises it
            self.raised = error
            return False

    def fail(self, error: BaseException) -> None:
        with contextlib.suppress(InvalidStateError):  # cancelled meanwhile
            self.future.set_exception(error)


class Batch:
    """One thread steps the engine; each step is a pass for all texts that grow. Made by ``Package.open_batch``."""

    def __init__(
        self, generator: Any, prepare: Prepare, calibration: AnswerCalibration | None, most_texts: int
    ) -> None:
        self._generator, self._prepare = generator, prepare
        self._calibration, self._most_texts = calibration, most_texts
        self._changed = threading.Condition()
        self._waiting: deque[_Request] = deque()
        self._growing: dict[int, _Request] = {}  # by the engine's number; the worker's alone
        self._closed = self._cancelled = False
        self._worker = threading.Thread(target=self._work, name="smallwright-batch", daemon=True)
        self._worker.start()
        atexit.register(self._stop)  # a thread inside the engine would outlive the interpreter

    @property
    def closed(self) -> bool:
        """Whether it takes no requests and has answered all."""
        return self._closed and not self._worker.is_alive()

    def submit(
        self, prompt: str, max_tokens: int = 128, *, on_text: OnPiece | None = None, **options: Any
    ) -> Future[Completion]:
        """Let a request join at the next pass that has room. Its text is the one that it would get alone.

        Args:
            prompt: any text.
            max_tokens: most tokens to generate.
            on_text: called in the batch's thread with every piece of text; returning False ends the text (its
                ``ending`` is ``cancelled``). Every text waits while it runs.
            **options: those of ``Package.generate``.

        Returns:
            What ``Package.complete`` returns, later. A future that has not begun can be cancelled.

        Raises:
            EngineError: there is no such option, a constraint does not compile, or the batch is closed. What the engine
                finds (a prompt longer than the context, a temperature below 0) the future raises.
        """
        asked = read_options({"max_tokens": max_tokens, **options})
        request = _Request(asked, self._prepare(asked, prompt), on_text)
        with self._changed:
            if self._closed:
                raise EngineError("a closed batch takes no requests. Got one. Open another.")
            self._waiting.append(request)
            self._changed.notify()
        return request.future

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._stop()

    def close(self) -> None:
        """Answer what has been asked, then stop. The package is free for other requests afterwards."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._worker:  # who reads a text may close the batch
            self._worker.join()
        atexit.unregister(self._stop)

    def _stop(self) -> None:
        """Close without answering: what waits is cancelled, what grows ends as ``cancelled``."""
        with self._changed:
            self._cancelled = True
            for request in self._waiting:
                request.future.cancel()
        self.close()

    def _work(self) -> None:
        try:
            while self._go_on():
                continue
        except BaseException as error:  # the engine refused, or memory ran out: nobody waits for ever
            self._end(error)

    def _go_on(self) -> bool:
        with self._changed:
            while not (self._waiting or self._growing or self._closed):
                self._changed.wait()
            if not (self._waiting or self._growing):
                return False
            room = min(len(self._waiting), self._most_texts - len(self._growing))
            joining = [self._waiting.popleft() for _ in range(room)]
        for request in joining:
            self._join(request)
        if self._cancelled:
            for number in self._growing:
                self._patiently(partial(self._generator.cancel, number))
        self._patiently(self._generator.step)
        self._hand_out()
        return True

    def _join(self, request: _Request) -> None:
        if not request.future.set_running_or_notify_cancel():
            return
        reader = request.read if request.on_text is not None else None
        try:
            self._growing[self._patiently(partial(request.submit, reader))] = request
        except BaseException as error:  # the caller's, who waits for the future
            request.fail(error)

    def _hand_out(self) -> None:
        for number in self._patiently(self._generator.ended):
            if number not in self._growing:
                continue
            result = self._patiently(partial(self._generator.take_result, number))
            request = self._growing.pop(number)
            try:
                completion = read_result(result, self._calibration if request.options.calibrated else None)
            except BaseException as error:  # the request's own, of the engine's words
                request.fail(error)
                continue
            if request.raised is not None:
                request.fail(request.raised)
            else:
                request.future.set_result(completion)

    def _patiently(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except EngineError as error:
                if error.kind != "busy":  # ``Package.logits`` of another thread, which ends
                    raise
                time.sleep(PATIENCE_SECONDS)

    def _end(self, error: BaseException) -> None:
        with self._changed:
            self._closed = True
            waiting, self._waiting = list(self._waiting), deque()
        numbers, growing = list(self._growing), list(self._growing.values())
        self._growing.clear()
        for request in [*growing, *waiting]:
            request.fail(error)
        with contextlib.suppress(Exception):
            forget(self._generator, numbers)
