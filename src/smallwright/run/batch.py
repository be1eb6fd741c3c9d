"""Requests that join a running batch and leave it, from any thread.

Enters: prompts with options. Leaves: a future ``Completion`` for each. Not here: which rows share a pass, which is the
engine's (``csrc/engine/generator``), and what a request may ask (``options``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from smallwright.errors import EngineError
from smallwright.run.completion import AnswerCalibration, Completion, read_result
from smallwright.run.options import Options, read_options
from smallwright.run.stream import OnText, forget

Submit = Callable[[Options, str, "OnText | None"], int]
OnPiece = Callable[[str], "bool | None"]


@dataclass
class _Request:
    options: Options
    prompt: str
    on_text: OnPiece | None
    future: Future[Completion] = field(default_factory=Future)
    raised: BaseException | None = None

    def read(self, text: str, _token: int) -> bool:
        """Hand a piece over; the batch goes on whatever its reader does."""
        try:
            return self.on_text is None or self.on_text(text) is not False
        except BaseException as error:  # the request's future raises it
            self.raised = error
            return False


class Batch:
    """One thread steps the engine; each step is a pass for all texts that grow. Made by ``Package.open_batch``."""

    def __init__(self, generator: Any, submit: Submit, calibration: AnswerCalibration | None) -> None:
        self._generator, self._submit, self._calibration = generator, submit, calibration
        self._changed = threading.Condition()
        self._waiting: list[_Request] = []
        self._growing: dict[int, _Request] = {}
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="smallwright-batch", daemon=True)
        self._worker.start()

    def submit(
        self, prompt: str, max_tokens: int = 128, *, on_text: OnPiece | None = None, **options: Any
    ) -> Future[Completion]:
        """Let a request join at the next pass. Its text is the one that it would get alone.

        Args:
            prompt: any text.
            max_tokens: most tokens to generate.
            on_text: called in the batch's thread with every piece of text; returning False ends the text (its
                ``ending`` is ``cancelled``). Every text waits while it runs.
            **options: those of ``Package.generate``.

        Returns:
            What ``Package.complete`` returns, later. A future that has not begun can be cancelled.

        Raises:
            EngineError: there is no such option, or the batch is closed. What is found later (a prompt longer than
                the context, a temperature below 0, a constraint that does not compile) the future raises.
        """
        request = _Request(read_options({"max_tokens": max_tokens, **options}), prompt, on_text)
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
        self.close()

    def close(self) -> None:
        """Answer what has been asked, then stop. The package is free for other requests afterwards."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._worker.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._growing or self._closed):
                    self._changed.wait()
                if not (self._waiting or self._growing):
                    return
                joining, self._waiting = self._waiting, []
            for request in joining:
                self._join(request)
            try:
                self._generator.step()
                self._hand_out()
            except BaseException as error:
                self._fail(error)

    def _join(self, request: _Request) -> None:
        if not request.future.set_running_or_notify_cancel():
            return
        try:
            reader = request.read if request.on_text is not None else None
            number = self._submit(request.options, request.prompt, reader)
        except BaseException as error:  # the caller's, who waits for the future
            request.future.set_exception(error)
        else:
            self._growing[number] = request

    def _hand_out(self) -> None:
        for number in self._generator.ended():
            request = self._growing.pop(number)
            try:
                calibration = self._calibration if request.options.calibrated else None
                completion = read_result(self._generator.take_result(number), calibration)
            except EngineError as error:
                request.future.set_exception(error)
                continue
            if request.raised is not None:
                request.future.set_exception(request.raised)
            else:
                request.future.set_result(completion)

    def _fail(self, error: BaseException) -> None:
        """The engine itself refused, the package being in use elsewhere for example: nobody waits for ever."""
        failed, self._growing = self._growing, {}
        for request in failed.values():
            request.future.set_exception(error)
        forget(self._generator, list(failed))
