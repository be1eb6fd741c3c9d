"""Text as it comes: the engine's call-backs as an iterator, and what an error leaves behind.

Enters: a generator of the engine and a request. Leaves: pieces of text. Not here: what is asked (``package``).
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from smallwright.errors import EngineError
from smallwright.run.completion import demand_whole, read_result

OnText = Callable[[str, int], "bool | None"]


def stream(generator: Any, submit: Callable[[OnText], int]) -> Iterator[str]:
    """Pieces of one request's text. The engine calls back from its own loop; a thread turns that into an iterator.

    Args:
        generator: of the engine.
        submit: queues the request with its reader, and returns its number.

    Raises:
        EngineError: the request failed, or its text is constrained and was cut short.
    """
    pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def hand_over(text: str, _token: int) -> bool:
        pieces.put(text)
        return not stopped.is_set()

    def work() -> None:
        try:
            number = submit(hand_over)
            generator.run()
            demand_whole(read_result(generator.take_result(number)))
            pieces.put(None)
        except BaseException as error:  # handed to the consumer, who raises it
            pieces.put(error)

    worker = threading.Thread(target=work, name="smallwright-stream", daemon=True)
    worker.start()
    try:
        while (piece := pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            if piece:
                yield piece
    finally:
        stopped.set()
        worker.join()


def forget(generator: Any, numbers: list[int]) -> None:
    """End requests whose answers nobody will take, so that the next ones find nothing of them."""
    for number in numbers:
        generator.cancel(number)
    generator.run()
    for number in numbers:
        with contextlib.suppress(EngineError):
            generator.take_result(number)
