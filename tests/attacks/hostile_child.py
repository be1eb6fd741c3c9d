"""Run as a program in a child process: opens mutated files and asks each a question.

Enters (argv): a folder with valid packages, a seed, the first number and the count of the mutations.
Leaves: one line of JSON, outcome -> count. Before each file its number is written to ``<folder>/at``, so that a
crash, which ends this process, can be played again.
"""

from __future__ import annotations

import json
import random
import resource
import sys
from collections import Counter
from pathlib import Path

from tests.attacks.mutations import mutate, read_layout
from tests.engine_under_test import use_engine_under_test

use_engine_under_test()

from smallwright.errors import EngineError, PackageError  # noqa: E402
from smallwright.run import Package, load  # noqa: E402

TEXTS = ["turn on the lights", "", "\x00 <|begin|>[SEP] naïve 你好 12345 👩‍👩‍👧", "a" * 300]
MEMORY_BYTES = 6 << 30  # a hostile count must not be able to ask for more: the request then fails by name


def ask(path: Path, in_place: bool = False) -> str:
    """Open a file and let it answer. The outcome: ``answered``, or the kind of the error that says why not."""
    try:
        with load(path, threads=1, kv_bits=32, in_place=in_place) as package:
            refusals = [refusal for text in TEXTS if (refusal := _answer(package, text))]
            return "answered" if len(refusals) < len(TEXTS) else f"request: {refusals[0]}"
    except PackageError as error:
        _check_message(error)
        return f"file: {error.kind}"
    except EngineError as error:
        _check_message(error)
        return f"session: {_kind(error)}"


def _answer(package: Package, text: str) -> str | None:
    """None when the text was answered, else the kind of the refusal."""
    try:
        if package.task == "classify":
            package.classify(text)
        else:
            package.logits([0, package.vocabulary - 1])
            package.generate(text, max_tokens=3)
    except EngineError as error:
        _check_message(error)
        return _kind(error)
    return None


def _kind(error: EngineError) -> str:
    return str(getattr(error, "kind", "unnamed"))


def _check_message(error: Exception) -> None:
    message = str(error)
    if "\n" in message or len(message) < 20:
        raise AssertionError(f"the message is not one readable line: {message!r}") from error


def main() -> None:
    folder, seed, first, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if not use_engine_under_test():  # sanitizers reserve terabytes of addresses
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    packages = [path.read_bytes() for path in sorted(folder.glob("*.gguf"))]
    layouts = [read_layout(data) for data in packages]
    target = folder / f"hostile_{first}.bin"
    outcomes: Counter[str] = Counter()
    for number in range(first, first + count):
        (folder / "at").write_text(f"{seed} {number}")
        source = random.Random(f"{seed} {number}")
        which = number % len(packages)
        target.write_bytes(mutate(packages[which], layouts[which], source))
        outcomes[ask(target, in_place=number // len(packages) % 2 == 1)] += 1
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main()
