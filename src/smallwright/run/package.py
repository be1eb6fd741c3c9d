"""An opened package: classify, generate, stream.

Enters: texts or tokens. Leaves: ``Prediction``, text, logits.
Not here: the arithmetic, the tokenizer and the file format, which are the engine's (``csrc/``).

NumPy is imported where an array is made: generating text needs none, and a small model answers sooner than it loads.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain
from os import PathLike, fspath
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from smallwright.errors import EngineError
from smallwright.run import _engine
from smallwright.run.completion import Completion, demand_whole, read_calibration, read_result
from smallwright.run.options import Options, read_options
from smallwright.run.stream import OnText, forget, stream
from smallwright.spec.package import KEY_ANSWER_CALIBRATION, KEY_CHAT_TEMPLATE, KEY_SCHEMA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from smallwright.run.batch import Batch
    from smallwright.run.chat import Chat
    from smallwright.run.prediction import Prediction

MOST_TEXTS = 32
"""Texts that grow together; more wait for one to end."""


def load(
    path: str | PathLike[str],
    threads: int = 0,
    kv_bits: int = 8,
    *,
    activation_bits: int = 8,
    in_place: bool = False,
) -> Package:
    """Open a package.

    Args:
        path: a GGUF file.
        threads: 1 or more; 0 means all cores that this process may use.
        kv_bits: 8, 16 or 32, the precision of a generating model's keys and values (docs/decisions/009: what 8 costs).
        activation_bits: 8: the same answers on every processor. 16: bf16, for classifiers on a processor with AMX:
            as fast for many texts together, slower for one; logits nearer to float32's.
        in_place: leave the weights in the file and pack them as they are used: less memory, nothing to load, slower.
            The answers are the same. The file must not change while the package is open.

    Raises:
        PackageError: the file is missing, damaged or of an unknown kind; ``kind`` names how.
        EngineError: an argument is out of range, the model or the processor has no 16-bit activations, or
            SMALLWRIGHT_ISA names kernels that cannot run here.
    """
    return Package(path, threads=threads, kv_bits=kv_bits, activation_bits=activation_bits, in_place=in_place)


def isa() -> str:
    """The kernels that this machine runs, or SMALLWRIGHT_ISA asks for: ``ref``, ``avx2``, ``avx512``, ``amx``, ...

    Raises:
        EngineError: SMALLWRIGHT_ISA names kernels that cannot run here.
    """
    return _engine.isa()


class Package:
    """A package in memory with one session. Use one instance per thread; close it, or use it as a context manager."""

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        threads: int = 0,
        kv_bits: int = 8,
        activation_bits: int = 8,
        in_place: bool = False,
    ) -> None:
        for name, value in (("threads", threads), ("kv_bits", kv_bits), ("activation_bits", activation_bits)):
            if not isinstance(value, int) or not -(2**31) <= value < 2**31:
                raise EngineError(f"{name} must be a whole number. Got {value!r}.")
        if not isinstance(in_place, bool):
            raise EngineError(f"in_place must be True or False. Got {in_place!r}.")
        self.path = fspath(path)
        model = _engine.open(self.path, in_place)
        self._model: Any = model
        self._session: Any = _engine.Session(model, threads, kv_bits, activation_bits)
        self._kv_bits = kv_bits
        self._generator: Any = None
        self._batch: Batch | None = None
        self._constraint_vocabulary: Any = None
        self.task: str = model.task
        self.labels: tuple[str, ...] = tuple(model.labels)
        self.context: int = model.context
        self.vocabulary: int = model.vocabulary
        self.temperature: float = model.temperature
        self.description: dict[str, Any] = json.loads(model.description)
        self.schema: str | None = model.find_text(KEY_SCHEMA) or None
        self.chat_template: str | None = model.find_text(KEY_CHAT_TEMPLATE) or None
        self._answer_calibration = read_calibration(model.find_text(KEY_ANSWER_CALIBRATION))

    def __enter__(self) -> Package:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory. A closed package refuses every request."""
        if self._batch is not None:
            self._batch.close()
        self._session = self._model = self._generator = self._constraint_vocabulary = None

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

        many = _listed(texts)
        logits, truncated = self._opened().classify_texts(_clean(many))
        out = read_logits(logits, truncated, self.labels, self.temperature)
        return out[0] if isinstance(texts, str) else out

    def classify_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Raw class logits (N, C) float32, not divided by the calibration temperature."""
        logits: NDArray[np.float32] = self._opened().classify_texts(_clean(list(texts)))[0]
        return logits

    def classify_tokens(self, sequences: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Raw class logits (N, C) float32 of sequences of tokens, taken as they are (no special tokens are added)."""
        # No NumPy here: the engine's weights have pushed it out of the caches, and a short text is answered in no time.
        offsets = array("q", accumulate(map(len, sequences), initial=0))
        try:
            flat: Any = array("i", chain.from_iterable(sequences))
        except (TypeError, OverflowError):
            flat = _tokens([token for tokens in sequences for token in tokens])  # says what is wrong
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
        answers = self.complete(_listed(prompts), max_tokens, **options)
        for index, answer in enumerate(answers):
            demand_whole(answer, index)
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
        many = _clean(_listed(prompts))
        generator = self._generating()
        numbers: list[int] = []
        try:
            numbers += (self._submit(asked, self.tokens_of(prompt), None) for prompt in many)
            generator.run()
        except BaseException:
            forget(generator, numbers)
            raise
        calibration = self._answer_calibration if asked.calibrated else None
        results = [generator.take_result(number) for number in numbers]  # all of them, before one of them raises
        out = [read_result(result, calibration) for result in results]
        return out[0] if isinstance(prompts, str) else out

    def stream(self, prompt: str | Sequence[int], max_tokens: int = 128, **options: Any) -> Iterator[str]:
        """As ``generate``, piece by piece as the tokens come. Dropping the iterator stops the engine.

        Args:
            prompt: any text; or tokens, taken as they are.
            max_tokens: as ``generate``, and so are the options.
            **options: as ``generate``.
        """
        asked, generator = read_options({"max_tokens": max_tokens, **options}), self._generating()
        tokens = self.tokens_of(prompt) if isinstance(prompt, str) else _tokens(prompt).tolist()
        return stream(generator, lambda on_text: self._submit(asked, tokens, on_text))

    def open_batch(self) -> Batch:
        """A running batch that requests of any thread join while others grow (a server's way to generate).

        Until it is closed the package generates nothing else. Use it as a context manager.

        Raises:
            EngineError: the package classifies, or has an open batch.
        """
        from smallwright.run.batch import Batch

        generator = self._generating()
        self._batch = Batch(
            generator,
            lambda options, prompt: self._prepare(options, self.tokens_of(prompt)),
            self._answer_calibration,
            MOST_TEXTS,
        )
        return self._batch

    def chat(self, system: str | None = None, tools: Sequence[Mapping[str, Any]] = ()) -> Chat:
        """A conversation with the package.

        Args:
            system: what the model is told before the first message.
            tools: functions that it may ask for, each as {"name", "description", "parameters": a JSON schema}.

        Raises:
            EngineError: the package has no chat template, or it does not compile.
        """
        from smallwright.run.chat import Chat

        return Chat(self, system, tools)

    def remember(self, beginning: str, cache: str | PathLike[str] | None = None) -> bool:
        """Compute what prompts begin with once; later prompts that begin so copy it (the same answers, sooner).

        Args:
            beginning: a system prompt, for example.
            cache: a file that keeps what was computed for the next process. It is written when it is missing, or of
                another package, beginning or ``kv_bits``, or damaged.

        Returns:
            Whether it came out of the file.

        Raises:
            EngineError: the beginning is empty or longer than the context.
        """
        from smallwright.run.beginning import name_owner, read_saved, write_saved

        generator, tokens = self._generating(), self._encode(beginning, False)
        if cache is None:
            generator.remember(tokens)
            return False
        owner = name_owner(self.path, self._kv_bits, tokens)
        saved = read_saved(cache, owner)
        if saved is not None:
            generator.remember_saved(tokens, saved)
            return True
        generator.remember(tokens)
        write_saved(cache, owner, generator.save_remembered())
        return False

    def special_texts(self) -> dict[str, str]:
        """Spellings of the special tokens that chat templates name: ``bos_token`` and ``eos_token``; empty for none."""
        self._opened()
        return {
            f"{name}_token": self._model.find_token_text(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos")
        }

    def tokenize_chat(self, prompt: str) -> list[int]:
        """Tokens of a prompt that a chat template has made: special tokens are recognised, and the prefix is left out,
        because the template says where it stands."""
        self._opened()
        tokens = self._model.encode_prompt(_clean([prompt])[0])
        return list(tokens[len(self._model.encode_prompt("")) :])

    def tokens_of(self, prompt: str) -> list[int]:
        """Tokens of a prompt as ``generate`` sees it: written as the package learned them, with the model's prefix."""
        return self._encode(prompt, True)

    def _encode(self, prompt: str, whole: bool) -> list[int]:
        self._opened()
        return list(self._model.encode_prompt(self._model.write_prompt(_clean([prompt])[0], whole)))

    def constraint_vocabulary(self) -> Any:
        """The tokens as constraints need them; made once."""
        from smallwright.run.constrain import read_vocabulary

        self._opened()
        if self._constraint_vocabulary is None:
            self._constraint_vocabulary = read_vocabulary(self._model)
        return self._constraint_vocabulary

    def counters(self) -> dict[str, int]:
        """What the engine did since opening: weight_bytes_read, tokens, head_rows, passes, kv_bytes, pair_rows."""
        return dict(self._opened().counters())

    def _opened(self) -> Any:
        if self._session is None:
            raise EngineError(f"a closed package cannot answer. Got a request for {self.path}. Load it again.")
        return self._session

    def _generating(self) -> Any:
        session = self._opened()
        if self._batch is not None and not self._batch.closed:
            raise EngineError("a package with an open batch generates through it alone. Got another request.", "busy")
        if self._generator is None:
            self._generator = _engine.Generator(session, MOST_TEXTS)
        return self._generator

    def _submit(self, options: Options, prompt: list[int], on_text: OnText | None) -> int:
        return self._prepare(options, prompt)(on_text)

    def _prepare(self, options: Options, prompt: list[int]) -> Callable[[OnText | None], int]:
        """A request, its constraint compiled; called with its reader it is queued, and its number returned."""
        constraint = None
        if self.schema is not None and not options.constrained and not options.free:
            options = replace(options, schema=self.schema)
        if options.constrained:
            from smallwright.run.constrain import constrain

            constraint = constrain(options, self.constraint_vocabulary())
        request = (
            prompt,
            options.sampling,
            _clean(options.stops),
            options.lookup,
            [token for text in _clean(list(options.reference)) for token in self._model.encode(text, False)],
            constraint,
            options.confidence,
            options.keep,
        )
        return lambda on_text: int(self._generator.submit(*request, on_text))


def _listed(texts: str | Sequence[str]) -> list[str]:
    if not isinstance(texts, (str, Sequence)):
        raise EngineError(f"a request is a text, or a list of texts. Got {type(texts).__name__}.")
    return [texts] if isinstance(texts, str) else list(texts)


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

    found = np.asarray(tokens)
    if found.size == 0:
        return np.zeros(0, np.int32)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise EngineError(f"tokens must be a flat list of whole numbers. Got shape {found.shape}, type {found.dtype}.")
    if found.min() < 0 or found.max() > np.iinfo(np.int32).max:
        raise EngineError(f"a token must be from 0 to {np.iinfo(np.int32).max}. Got {found.min()} to {found.max()}.")
    return np.ascontiguousarray(found, np.int32)
