"""Requests that join a running batch: the texts they would get alone, whoever else grows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_package import decoder, write

from smallwright.errors import EngineError
from smallwright.run import Package, load
from smallwright.run.batch import Batch
from smallwright.run.package import MOST_TEXTS

PROMPTS = ["turn on the", "it is dark", "lights", "the the the the the", "play some music in the kitchen now"]
WAYS: list[dict[str, Any]] = [{}, {"temperature": 1.5, "seed": 3}, {"regex": "[a-z]{3,9}", "temperature": 1.0}]


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Package]:
    with load(write(tmp_path / "text.gguf", decoder(context=64), "gpt2").path, threads=1) as opened:
        yield opened


def test_texts_are_those_they_would_be_alone(package: Package) -> None:
    cases = [(prompt, way) for prompt in PROMPTS for way in WAYS]
    expected = [package.complete(prompt, 20, **way).text for prompt, way in cases]
    with package.open_batch() as batch:
        futures = [batch.submit(prompt, 20, **way) for prompt, way in cases]
        assert [future.result(60).text for future in futures] == expected
    assert package.complete(PROMPTS[0], 20).text == expected[0]  # free again


def test_a_request_joins_while_another_grows(package: Package) -> None:
    with package.open_batch() as batch:
        begun, joined = threading.Event(), threading.Event()

        def read(_piece: str) -> None:
            begun.set()
            assert joined.wait(60)  # the long text stands still until the short one has been asked for

        before = package.counters()["passes"]
        long = batch.submit(PROMPTS[0], 40, on_text=read, temperature=1.0, seed=1)
        assert begun.wait(60)
        short = batch.submit(PROMPTS[1], 5, temperature=1.0, seed=1)
        done_before: list[bool] = []
        short.add_done_callback(lambda _: done_before.append(long.done()))  # in the batch's own thread
        joined.set()
        short.result(60)
        taken = len(long.result(60).tokens)
    assert done_before == [False]  # it joined and left while the long one grew
    passes = package.counters()["passes"] - before
    assert passes <= taken + 2, (passes, taken)  # its passes were those of the long text


def test_many_threads_ask(package: Package) -> None:
    expected = {prompt: package.complete(prompt, 16).text for prompt in PROMPTS}
    found: list[tuple[str, str]] = []
    with package.open_batch() as batch:

        def ask(turn: int) -> None:
            for prompt in PROMPTS[turn:] + PROMPTS[:turn]:
                found.append((prompt, batch.submit(prompt, 16).result(60).text))

        threads = [threading.Thread(target=ask, args=(turn,)) for turn in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(found) == 4 * len(PROMPTS)
    assert all(expected[prompt] == text for prompt, text in found)


def test_pieces_come_as_the_text_grows_and_can_end_it(package: Package) -> None:
    alone = package.complete(PROMPTS[0], 20, temperature=1.0, seed=4)
    pieces: list[str] = []
    with package.open_batch() as batch:
        whole = batch.submit(PROMPTS[0], 20, on_text=pieces.append, temperature=1.0, seed=4)
        assert whole.result(60).text == "".join(pieces) == alone.text
        ended = batch.submit(PROMPTS[0], 20, on_text=lambda _: False, temperature=1.0, seed=4)
        assert ended.result(60).ending == "cancelled"


def test_one_request_that_fails_leaves_the_others_alone(package: Package) -> None:
    expected = package.complete(PROMPTS[0], 20).text

    def read(_piece: str) -> None:
        raise KeyError("a reader's own fault")

    with package.open_batch() as batch:
        fine = batch.submit(PROMPTS[0], 20)
        late = batch.submit("light " * 200)
        with pytest.raises(EngineError, match="must compile"):
            batch.submit("a", regex="[")
        raises = batch.submit(PROMPTS[1], 20, on_text=read)
        with pytest.raises(EngineError, match="at most 64 tokens"):
            late.result(60)
        with pytest.raises(KeyError):
            raises.result(60)
        with pytest.raises(EngineError, match="temperature"):
            batch.submit("a", temperature=-1.0).result(60)
        with pytest.raises(EngineError, match="warmth"):
            batch.submit("a", warmth=1.0)
        assert fine.result(60).text == expected


def test_the_package_generates_nothing_else_meanwhile(package: Package) -> None:
    with package.open_batch() as batch:
        growing = batch.submit(PROMPTS[0], 40)
        for refused in (lambda: package.generate("a"), package.open_batch, lambda: package.remember("a")):
            with pytest.raises(EngineError, match="open batch") as caught:
                refused()
            assert caught.value.kind == "busy"
        assert growing.result(60).text == batch.submit(PROMPTS[0], 40).result(60).text


def test_what_waits_can_be_cancelled(package: Package) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def read(_piece: str) -> None:
        begun.set()
        assert go_on.wait(60)

    with package.open_batch() as batch:
        first = [batch.submit(PROMPTS[0], 30, on_text=read, temperature=1.0) for _ in range(MOST_TEXTS)]
        assert begun.wait(60)
        late = batch.submit(PROMPTS[1], 30)
        assert late.cancel()
        go_on.set()
        assert all(future.result(60).tokens for future in first)
    assert late.cancelled()


def test_an_error_of_the_caller_ends_what_grows(package: Package) -> None:
    begun = threading.Event()
    with pytest.raises(KeyError), package.open_batch() as batch:
        growing = batch.submit(PROMPTS[0], 50, on_text=lambda _: begun.set(), temperature=1.0, seed=2)
        assert begun.wait(60)
        raise KeyError("the caller's own fault")
    assert growing.result(0).ending in ("cancelled", "max_tokens", "context")
    assert package.generate(PROMPTS[0], 5)


def test_an_engine_that_fails_leaves_nobody_waiting() -> None:
    class Failing:
        def __getattr__(self, name: str) -> Any:
            raise MemoryError("no memory for " + name)

    batch = Batch(Failing(), lambda _options, _prompt: lambda _on_text: 0, None, MOST_TEXTS)
    with pytest.raises(MemoryError):
        batch.submit("a").result(60)
    batch.close()
    assert batch.closed
    with pytest.raises(EngineError, match="closed batch"):
        batch.submit("a")


def test_a_reader_may_close_the_batch(package: Package) -> None:
    batch = package.open_batch()
    future = batch.submit(PROMPTS[0], 10, on_text=lambda _: batch.close())
    future.result(60)
    batch.close()
    assert package.complete(PROMPTS[0], 10).text == future.result(0).text


def test_an_answer_that_failed_leaves_nothing_behind(package: Package) -> None:
    with package.open_batch() as batch, pytest.raises(EngineError):
        batch.submit("light " * 200).result(60)
    with pytest.raises(EngineError):
        package.complete([PROMPTS[0], "light " * 200])
    with package.open_batch() as batch:
        assert batch.submit(PROMPTS[0], 5).result(60).tokens


def test_closing_answers_what_was_asked_and_takes_no_more(package: Package) -> None:
    batch = package.open_batch()
    futures = [batch.submit(prompt, 30) for prompt in PROMPTS]
    batch.close()
    assert not wait(futures, 0).not_done
    with pytest.raises(EngineError, match="closed batch"):
        batch.submit("a")
    batch.close()
