"""A fresh process that opens one subject and answers questions about it, one JSON object a line.

Enters: requests on standard input (``op`` names one of OPERATIONS). Leaves: one answer a line on standard output.
Not here: starting the process and putting rounds of several workers in turn (cost.py); torch, pydantic, scikit-learn.

A subject is a package, opened through ``smallwright.run``, or whatever ``module:function`` below ``smallwright``
returns for JSON arguments: a callable, or an object with ``classify``. Anything printed goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from smallwright.errors import EngineError, SmallwrightError

ALLOWED_PREFIX = "smallwright."


class Worker:
    """The opened subject and its operations; each takes the request and returns the answer as plain JSON values."""

    def __init__(self) -> None:
        self.subject: Any = None
        self.ask: Callable[[str], Any] = _refuse
        self.texts: list[str] = []
        self.imported_peak_bytes: int | None = None
        self.imported_rss_bytes: int | None = None

    def open(self, request: dict[str, Any]) -> dict[str, Any]:
        """Import, open, give the first answer; tell when each was done on the clock that all processes share."""
        from smallwright.evaluate.memory import reset_peak, resident

        opener, arguments = _opener(request)
        imported_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        before = resident()
        self.imported_rss_bytes, self.imported_peak_bytes = before.current_bytes, before.peak_bytes
        reset_peak()
        opened_from_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self.subject = opener(**arguments)
        opened_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self.ask = self._chooser(request)
        answer = self.ask(request["first_text"])
        answered_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        return {
            "imported_ns": imported_ns,
            "open_ns": opened_ns - opened_from_ns,
            "answered_ns": answered_ns,
            "answer": _label(answer),
        }

    def _chooser(self, request: dict[str, Any]) -> Callable[[str], Any]:
        if request["task"] == "answer":
            return lambda prompt: self.subject.complete(prompt, **request["arguments"]).text
        if request["task"] == "generate":
            return lambda prompt: self.subject.generate(prompt, max_tokens=1, temperature=0.0, seed=0)
        chosen: Callable[[str], Any] = self.subject.classify if hasattr(self.subject, "classify") else self.subject
        return chosen

    def classify(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer the texts one at a time and keep them for ``time``."""
        self.texts = list(request["texts"])
        return {"labels": [_label(self.ask(text)) for text in self.texts]}

    def time(self, request: dict[str, Any]) -> dict[str, Any]:
        """One timed pass over the texts of the last ``classify``."""
        from smallwright.evaluate.timing import time_round

        return {"nanoseconds": time_round(self.ask, self.texts)}

    def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        """Logits of all texts, saved as float32 (N, C) in ``.npy``."""
        import numpy as np

        texts, batch = request["texts"], request["batch"]
        parts = [self.subject.classify_logits(texts[start : start + batch]) for start in range(0, len(texts), batch)]
        np.save(request["save"], np.concatenate(parts).astype(np.float32))
        return {"labels": list(self.subject.labels), "temperature": float(self.subject.temperature)}

    def score(self, request: dict[str, Any]) -> dict[str, Any]:
        """Log-probabilities of a text's own tokens (nothing put before or after), saved as float64 in ``.npy``."""
        import numpy as np

        from smallwright.evaluate.metrics import token_log_probs

        tokens = self.subject.tokenize(request["text"], add_special=False)
        cut = tokens[: request["max_tokens"]]
        scored = token_log_probs(self.subject.logits, cut, request["window"], request["stride"])
        np.save(request["save"], scored)
        return {"text_tokens": len(tokens), "scored_tokens": len(cut)}

    def foretell(self, request: dict[str, Any]) -> dict[str, Any]:
        """Log-probabilities of completions' tokens and the end token, each after its prompt, saved as float64 in
        ``.npy``; rows beyond the context are left out, and rows after ``max_tokens`` such tokens."""
        import numpy as np

        from smallwright.evaluate.metrics import log_softmax

        end = self.subject.tokenize_chat(self.subject.special_texts()["eos_token"])
        scored: list[Any] = []
        tokens = text_bytes = 0
        for prompt, completion in zip(request["prompts"], request["completions"], strict=True):
            if tokens >= request["max_tokens"]:
                break
            before = self.subject.tokens_of(prompt)
            after = [*self.subject.tokenize_chat(completion), *end]
            if not before or not after or len(before) + len(after) > self.subject.context:
                continue
            logits = self.subject.logits([*before, *after[:-1]])[len(before) - 1 :]
            scored.append(log_softmax(logits)[np.arange(len(after)), after])
            tokens, text_bytes = tokens + len(after), text_bytes + len(completion.encode("utf-8"))
        np.save(request["save"], np.concatenate(scored) if scored else np.zeros(0))
        return {"rows": len(scored), "text_bytes": text_bytes}

    def generate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Texts generated from prompts."""
        options = {key: request[key] for key in ("max_tokens", "temperature", "seed")}
        return {"texts": [self.subject.generate(prompt, **options) for prompt in request["prompts"]]}

    def complete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Greedy answers to prompts, with what is known of each; a prompt beyond the context gets an empty one."""
        room = self.subject.context - 1
        prompts = [prompt if len(self.subject.tokens_of(prompt)) <= room else None for prompt in request["prompts"]]
        options = {"max_tokens": request["max_tokens"], "free": request["free"], "confidence": True}
        found = iter(self.subject.complete([prompt for prompt in prompts if prompt is not None], **options))
        answers = [None if prompt is None else next(found) for prompt in prompts]
        return {
            "texts": ["" if answer is None else answer.text for answer in answers],
            "whole": [answer is not None and answer.whole for answer in answers],
            "scores": [None if answer is None else sum(answer.chosen) for answer in answers],
            "probabilities": [None if answer is None else answer.probability for answer in answers],
        }

    def speed(self, request: dict[str, Any]) -> dict[str, Any]:
        """Time a prompt with one new token, then with many; the engine's own counters say how many rows passed.

        No token is guessed: a refused guess is a row, too, and the speed would be that of the text, not of the model.
        """

        def run(max_tokens: int) -> tuple[int, int]:
            before = self.subject.counters()["tokens"]
            start = time.perf_counter_ns()
            self.subject.generate(request["prompt"], max_tokens=max_tokens, temperature=0.0, seed=0, lookup=False)
            taken = time.perf_counter_ns() - start
            return taken, self.subject.counters()["tokens"] - before

        (short_ns, short_rows), (long_ns, long_rows) = run(1), run(request["max_tokens"])
        return {"short_ns": short_ns, "short_rows": short_rows, "long_ns": long_ns, "long_rows": long_rows}

    def memory(self, request: dict[str, Any]) -> dict[str, Any]:
        """Resident memory since the imports, in bytes; null where the system does not tell."""
        from smallwright.evaluate.memory import resident

        now = resident()
        peaks = [peak for peak in (now.peak_bytes, self.imported_peak_bytes) if peak is not None]
        return {
            "peak_rss_bytes": max(peaks) if peaks else None,
            "peak_since_import_bytes": now.peak_bytes,
            "import_rss_bytes": self.imported_rss_bytes,
            "anonymous_bytes": now.anonymous_bytes,
            "file_bytes": now.file_bytes,
        }

    def counters(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the engine did since it was opened."""
        return {name: int(value) for name, value in self.subject.counters().items()}


OPERATIONS: dict[str, Callable[[Worker, dict[str, Any]], dict[str, Any]]] = {
    "open": Worker.open,
    "classify": Worker.classify,
    "time": Worker.time,
    "predict": Worker.predict,
    "score": Worker.score,
    "foretell": Worker.foretell,
    "generate": Worker.generate,
    "complete": Worker.complete,
    "speed": Worker.speed,
    "memory": Worker.memory,
    "counters": Worker.counters,
}


def _opener(request: dict[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    if request["kind"] == "package":
        from smallwright import run

        if request["task"] == "classify":  # else the first answer imports NumPy, and the package would pay for it
            importlib.import_module("smallwright.run.prediction")
        if request["task"] == "answer":  # likewise what reads a schema
            importlib.import_module("smallwright.run.constrain")
        return run.load, {"path": request["path"], "threads": request["threads"]}
    module_name, _, function_name = request["target"].partition(":")
    if not module_name.startswith(ALLOWED_PREFIX) or not function_name.isidentifier():
        raise EngineError(
            f"a callable to measure is written module:function, below {ALLOWED_PREFIX}*. Got {request['target']!r}."
        )
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise EngineError(f"a callable to measure must exist. Got {request['target']!r}: {error}.") from error
    return function, dict(request["arguments"])


def _refuse(text: str) -> Any:
    raise EngineError("a worker must open a subject before it answers. Got another request first. Send open.")


def _label(answer: Any) -> str:
    return str(getattr(answer, "label", answer))


def _answer(worker: Worker, line: str) -> dict[str, Any]:
    """One answer; a refusal is an answer too. Any other exception ends the process and is told by standard error."""
    try:
        request = json.loads(line)
        operation = OPERATIONS.get(request.get("op"))
        if operation is None:
            raise EngineError(f"op must be one of {', '.join(OPERATIONS)}. Got {request.get('op')!r}.")
        return {"ok": operation(worker, request)}
    except SmallwrightError as error:
        kind = getattr(error, "kind", None)
        return {"error": {"class": type(error).__name__, "message": str(error), "kind": kind}}


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer until the requests end."""
    worker = Worker()
    for line in requests:
        answers.write(json.dumps(_answer(worker, line)) + "\n")
        answers.flush()


def main() -> None:
    """Keep the real standard output for answers; let everything else that prints write to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # standard input may follow another locale's encoding
    with os.fdopen(os.dup(sys.stdin.fileno()), "r", encoding="utf-8") as requests:
        serve(requests, answers)


if __name__ == "__main__":
    main()
