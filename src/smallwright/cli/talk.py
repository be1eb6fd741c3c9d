"""The verb ``chat``: a conversation in the terminal. It needs the base install only."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from smallwright.cli.arguments import number, whole
from smallwright.errors import EngineError

if TYPE_CHECKING:
    from argparse import Namespace

    from smallwright.cli.arguments import CommandLine
    from smallwright.run.chat import Chat

COMMANDS = "/reset forgets the conversation, /system TEXT says what the model is, /speed tells tokens/s, /quit ends"


def register(command_line: CommandLine) -> None:
    """Add the verb."""
    add = command_line.add_verb(chat).add_argument
    add("file", metavar="FILE", help="A package (.gguf) with a chat template.")
    add("--system", metavar="TEXT", help="What the model is told first.")
    add(
        "--max-tokens", metavar="N", type=whole(1), default=512, help="Most tokens of an answer [default: %(default)s]."
    )
    add("--temperature", metavar="X", type=number(0), default=0.7, help="0 is greedy [default: %(default)s].")
    add("--top-p", metavar="X", type=number(0, 1), default=0.95, help="0 to 1; 1 is off [default: %(default)s].")
    add("--min-p", metavar="X", type=number(0, 1), default=0.0, help="0 is off [default: %(default)s].")
    add("--repetition-penalty", metavar="X", type=number(0), default=1.0, help="1 is off [default: %(default)s].")
    add("--seed", metavar="N", type=whole(0), default=0, help="Of sampling [default: %(default)s].")
    add("--threads", metavar="N", type=whole(0), default=0, help="0 is every core [default: %(default)s].")


def chat(asked: Namespace) -> None:
    """Talk with a package: answers stream, /reset and /system begin anew, /speed tells tokens per second."""
    from smallwright.run import load

    with load(asked.file, threads=asked.threads) as package:
        conversation = package.chat(asked.system)
        if sys.stdin.isatty():
            print(f"{COMMANDS}.", file=sys.stderr)
        names = ("max_tokens", "temperature", "top_p", "min_p", "repetition_penalty", "seed")
        options = {name: getattr(asked, name) for name in names}
        tells_speed = False
        for line in _lines():
            if line == "/quit":
                return
            if line == "/speed":
                tells_speed = not tells_speed
            elif line == "/reset":
                conversation.reset()
            elif line == "/system" or line.startswith("/system "):
                conversation.system = line.removeprefix("/system").strip() or None
                conversation.reset()
            elif line.startswith("/"):
                print(f"A command is one of: {COMMANDS}. Got {line.split()[0]}.", file=sys.stderr)
            elif line:
                _answer(conversation, line, options, tells_speed)


def _answer(conversation: Chat, line: str, options: dict[str, object], tells_speed: bool) -> None:
    began, first, pieces = time.perf_counter(), 0.0, 0
    try:
        with contextlib.closing(conversation.say(line, **options)) as answer:
            for piece in answer:
                first = first or time.perf_counter()
                pieces += 1
                print(piece, end="", flush=True)
    except KeyboardInterrupt:  # of this answer; what was said so far stays in the conversation
        print(" [stopped]", file=sys.stderr)
    except EngineError as error:
        print(f"smallwright: {error}", file=sys.stderr)
        return
    print(flush=True)
    if tells_speed and pieces > 1:
        rate = (pieces - 1) / max(1e-9, time.perf_counter() - first)
        print(f"[first piece after {(first - began) * 1e3:.0f} ms, then {rate:.0f} a second]", file=sys.stderr)


def _lines() -> Iterator[str]:
    if not sys.stdin.isatty():
        yield from (line.strip() for line in sys.stdin)
        return
    with contextlib.suppress(ImportError):  # not on every system
        import readline  # noqa: F401 - input() then has a history
    while True:
        try:
            yield input("> ").strip()
        except EOFError:
            print(file=sys.stderr)
            return
