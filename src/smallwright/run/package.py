"""An opened package: classify, generate, stream.

Enters: texts or tokens. Leaves: ``Prediction``, text, logits.
Not here: the arithmetic, the tokenizer and the file format, which are the engine's (``csrc/``).

NumPy is imported where an array is made: generating text needs none, and a small model answers sooner than it loads.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from os import PathLike, fspath
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from smallwright.errors import EngineError
from smallwright.run import _engine
from smallwright.run.completion import Completion
from smallwright.run.options import Options, read_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from smallwright.run.prediction import Prediction

MOST_TEXTS = 32
"""Texts that grow together; more wait for one to end."""


def load(path: str | PathLike[str], threads: int = 0, kv_bits: int = 8, *, in_place: bool = False) -> Package:
    """Open a package.

    Args:
        path: a GGUF file.
        threads: 1 or more; 0 means all cores that this process may use.
        kv_bits: 8, 16 or 32, the precision of a generating model's keys and values (docs/decisions/009: what 8 costs).
        in_place: leave the weights in the file and pack them as they are used: less memory, nothing to load, slower.
            The answers are the same. The file must not change while the package is open.

    Raises:
        PackageError: the file is missing, damaged or of an unknown kind; ``kind`` names how.
        EngineError: an argument is out of range, or SMALLWRIGHT_ISA names kernels that cannot run here.
    """
    return Package(path, threads=threads, kv_bits=kv_bits, in_place=in_place)


def isa() -> str:
    """The kernels that this machine runs, or SMALLWRIGHT_ISA asks for: ``ref``, ``avx2`` or ``avx512``.

    Raises:
        EngineError: SMALLWRIGHT_ISA names kernels that cannot run here.
    """
    return _engine.isa()


class Package:
    """A package in memory with one session. Use one instance per thread; close it, or use it as a context manager."""

    def __init__(
        self, path: str | PathLike[str], *, threads: int = 0, kv_bits: int = 8, in_place: bool = False
    ) -> None:
        for name, value in (("threads", threads), ("kv_bits", kv_bits)):
            if not isinstance(value, int) or not -(2**31) <= value < 2**31:
                raise EngineError(f"{name} must be a whole number. Got {value!r}.")
        if not isinstance(in_place, bool):
            raise EngineError(f"in_place must be True or False. Got {in_place!r}.")
        self.path = fspath(path)
        model = _engine.open(self.path, in_place)
        self._model: Any = model
        self._session: Any = _engine.Session(model, threads, kv_bits)
        self._generator: Any = None
        self._vocabulary_read: Any = None
        self.task: str = model.task
        self.labels: tuple[str, ...] = tuple(model.labels)
        self.context: int = model.context
        self.vocabulary: int = model.vocabulary
        self.temperature: float = model.temperature
        self.description: dict[str, Any] = json.loads(model.description)

    def __enter__(self) -> Package:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory. A closed package refuses every request."""
        self._session = self._model = self._generator = self._vocabulary_read = None

    # ---- classification

    @overload
    def classify(self, texts: str) -> Prediction: ...  # type: ignore[overload-overlap]  # a str is a Sequence[str]
    @overload
    def classify(self, texts: Sequence[str]) -> list[Prediction]: ...
    def classify(self, texts: str | Sequence[str]) -> Prediction | list[Prediction]:
        """The label of a text, or of each of several texts (which share the passes over the weights).

        Raises:
            EngineError: the package generates text, or a text has no tokens.
        """
        from smallwright.run.prediction import read_logits

        many = [texts] if isinstance(texts, str) else list(texts)
        logits, truncated = self._opened().classify_texts(_clean(many))
        out = read_logits(logits, truncated, self.labels, self.temperature)
        return out[0] if isinstance(texts, str) else out

    def classify_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Raw class logits (N, C) float32, not divided by the calibration temperature."""
        logits: NDArray[np.float32] = self._opened().classify_texts(_clean(list(texts)))[0]
        return logits

    def classify_tokens(self, sequences: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Raw class logits (N, C) float32 of sequences of tokens, taken as they are (no special tokens are added)."""
        import numpy as np

        offsets: NDArray[np.int64] = np.zeros(len(sequences) + 1, np.int64)
        offsets[1:] = np.cumsum([len(tokens) for tokens in sequences])
        flat = _tokens([token for tokens in sequences for token in tokens])
        logits: NDArray[np.float32] = self._opened().classify_tokens(flat, offsets)
        return logits

    # ---- tokens

    def tokenize(self, text: str, add_special: bool = True) -> list[int]:
        """Tokens of a text, with the model's prefix and suffix unless ``add_special`` is false."""
        self._opened()
        return list(self._model.encode(_clean([text])[0], add_special))

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Text of tokens; special ones are skipped."""
        self._opened()
        return str(self._model.decode(_tokens(tokens)))

    # ---- generation

    def logits(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Teacher-forced logits (T, V) float32 of tokens (T,), in a fresh state: row t predicts token t + 1."""
        session = self._opened()
        session.truncate(0)
        logits: NDArray[np.float32] = session.append(_tokens(tokens), True)
        return logits

    @overload
    def generate(self, prompts: str, max_tokens: int = 128, **options: Any) -> str: ...
    @overload
    def generate(self, prompts: Sequence[str], max_tokens: int = 128, **options: Any) -> list[str]: ...
    def generate(self, prompts: str | Sequence[str], max_tokens: int = 128, **options: Any) -> str | list[str]:
        """The continuation of a prompt, or of each of several prompts, which share the passes over the weights.

        Args:
            prompts: any text; the model's prefix is put before it.
            max_tokens: most tokens to generate, at least 1.
            **options: the others of ``Options``: ``temperature``, ``top_k``, ``top_p``, ``min_p``,
                ``repetition_penalty``, ``seed``, ``stop``, ``schema``, ``regex``, ``choices``, ``grammar``, ...

        Raises:
            EngineError: the package classifies, an option is out of range, a prompt is longer than the context, a
                constraint does not compile, or (``kind`` ``incomplete``) a limit came before it was satisfied.
        """
        answers = self.complete([prompts] if isinstance(prompts, str) else prompts, max_tokens, **options)
        for index, answer in enumerate(answers):
            if answer.ending == "incomplete":
                raise _incomplete(answer, index)
        return answers[0].text if isinstance(prompts, str) else [answer.text for answer in answers]

    @overload
    def complete(self, prompts: str, max_tokens: int = 128, **options: Any) -> Completion: ...
    @overload
    def complete(self, prompts: Sequence[str], max_tokens: int = 128, **options: Any) -> list[Completion]: ...
    def complete(
        self, prompts: str | Sequence[str], max_tokens: int = 128, **options: Any
    ) -> Completion | list[Completion]:
        """As ``generate``, with all that is known of the answers. One that is cut short says so in its ``ending``."""
        asked = read_options({"max_tokens": max_tokens, **options})
        many = _clean([prompts] if isinstance(prompts, str) else list(prompts))
        generator = self._generating()
        numbers: list[int] = []
        try:
            numbers = [self._submit(asked, prompt, None) for prompt in many]
            generator.run()
        except BaseException:
            _drain(generator, numbers)
            raise
        out = [_completion(generator.take_result(number)) for number in numbers]
        return out[0] if isinstance(prompts, str) else out

    def stream(self, prompt: str, max_tokens: int = 128, **options: Any) -> Iterator[str]:
        """As ``generate``, piece by piece as the tokens come. Dropping the iterator stops the engine."""
        asked, generator = read_options({"max_tokens": max_tokens, **options}), self._generating()
        return _stream(generator, lambda on_text: self._submit(asked, _clean([prompt])[0], on_text))

    def remember(self, beginning: str) -> None:
        """Compute what prompts begin with once; later prompts that begin so copy it (the same answers, sooner).

        Raises:
            EngineError: it is empty or longer than the context.
        """
        self._generating().remember(self._model.encode_prompt(_clean([beginning])[0]))

    def counters(self) -> dict[str, int]:
        """What the engine did since opening: weight_bytes_read, tokens, head_rows, passes, kv_bytes, pair_rows."""
        return dict(self._opened().counters())

    def _opened(self) -> Any:
        if self._session is None:
            raise EngineError(f"a closed package cannot answer. Got a request for {self.path}. Load it again.")
        return self._session

    def _generating(self) -> Any:
        session = self._opened()
        if self._generator is None:
            self._generator = _engine.Generator(session, MOST_TEXTS)
        return self._generator

    def _submit(self, options: Options, prompt: str, on_text: Callable[[str, int], bool | None] | None) -> int:
        constraint = None
        if options.constrained:
            from smallwright.run.constrain import constrain, read_vocabulary

            if self._vocabulary_read is None:
                self._vocabulary_read = read_vocabulary(self._model)
            constraint = constrain(options, self._vocabulary_read)
        number: int = self._generator.submit(
            self._model.encode_prompt(prompt),
            options.sampling,
            _clean(options.stops),
            options.lookup,
            [token for text in _clean(list(options.reference)) for token in self._model.encode(text, False)],
            constraint,
            options.confidence,
            on_text,
        )
        return number


def _incomplete(answer: Completion, index: int) -> EngineError:
    return EngineError(
        f"a constrained answer must be whole. Got the limit of max_tokens or of the context after {len(answer.tokens)} "
        f"tokens of answer {index}. Raise max_tokens, or shorten the prompt.",
        "incomplete",
    )


def _completion(result: dict[str, Any]) -> Completion:
    kind, message = result.pop("error_kind"), result.pop("error")
    if result["ending"] == "failed":
        raise EngineError(message, kind)
    return Completion(**result)


def _drain(generator: Any, numbers: list[int]) -> None:
    # After an error nothing may be left behind for the next request.
    for number in numbers:
        generator.cancel(number)
    generator.run()
    for number in numbers:
        with contextlib.suppress(EngineError):
            generator.take_result(number)


def _stream(generator: Any, submit: Callable[[Callable[[str, int], bool]], int]) -> Iterator[str]:
    # The engine calls back from its own loop; a thread turns that into an iterator.
    pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def hand_over(text: str, _token: int) -> bool:
        pieces.put(text)
        return not stopped.is_set()

    def work() -> None:
        try:
            number = submit(hand_over)
            generator.run()
            answer = _completion(generator.take_result(number))
            if answer.ending == "incomplete":
                raise _incomplete(answer, 0)
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


def _clean(texts: list[str]) -> list[str]:
    """The same texts, lone surrogates (which UTF-8 cannot carry) replaced by '?'."""
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise EngineError(f"a text must be a str. Got {type(text).__name__} at index {index}.")
        if not text.isascii():
            texts[index] = text.encode("utf-8", errors="replace").decode("utf-8")
    return texts


def _tokens(tokens: Sequence[int]) -> NDArray[np.int32]:
    import numpy as np

    array = np.asarray(tokens)
    if array.size == 0:
        return np.zeros(0, np.int32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise EngineError(f"tokens must be a flat list of whole numbers. Got shape {array.shape}, type {array.dtype}.")
    if array.min() < 0 or array.max() > np.iinfo(np.int32).max:
        raise EngineError(f"a token must be from 0 to {np.iinfo(np.int32).max}. Got {array.min()} to {array.max()}.")
    return np.ascontiguousarray(array, np.int32)
