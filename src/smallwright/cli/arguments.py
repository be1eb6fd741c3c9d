"""What the verbs' arguments are made of: the parser, its one-line errors, and numbers within bounds.

Enters: argv. Leaves: a namespace whose ``handler`` is the verb's function; or help, or one line and exit status 2.
Not here: any verb. The standard library's argparse reads, because a package must answer soon after the process starts.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

Handler = Callable[[argparse.Namespace], None]
Number = TypeVar("Number", int, float)


class Parser(argparse.ArgumentParser):
    """argparse where an option is written in full and a usage error is one line."""

    def __init__(self, prog: str, description: str, help: str | None = None) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False, add_help=False)
        self.add_argument("-h", "--help", action="help", help="Show this message and exit.")

    def error(self, message: str) -> NoReturn:
        """Leave with the line; what was typed may itself have several."""
        line = " ".join(message.removeprefix("argument ").split())
        self.exit(2, f"smallwright: {line}. Try '{self.prog} --help'.\n")


class CommandLine:
    """A program of verbs."""

    def __init__(self, prog: str, description: str) -> None:
        self._parser = Parser(prog, description)
        self._parser.set_defaults(handler=self._show_help)
        self._verbs = self._parser.add_subparsers(title="commands", metavar="COMMAND", prog=prog, parser_class=Parser)

    def add_verb(self, handler: Handler) -> Parser:
        """Add a verb named as its handler, whose docstring is the help. Its arguments are added to what is returned."""
        text = handler.__doc__ or ""
        parser = self._verbs.add_parser(handler.__name__, help=text.partition("\n\n")[0], description=text)
        parser.set_defaults(handler=handler)
        return parser

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """What is asked.

        Raises:
            SystemExit: help was printed, or a usage error.
        """
        verb = self._verbs.choices.get(argv[0]) if argv else None
        if verb is None:
            return self._parser.parse_args(argv)
        # Intermixed, so that a text may follow an option. argparse offers that to a parser without sub-commands only.
        return verb.parse_intermixed_args(argv[1:])

    def _show_help(self, _asked: argparse.Namespace) -> None:
        self._parser.print_help()
        self._parser.exit(2)


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A reader of whole numbers within bounds."""
    return _within("a whole number", int, least, math.inf if most is None else most)


def number(least: float, most: float | None = None) -> Callable[[str], float]:
    """A reader of numbers within bounds."""
    return _within("a number", float, least, math.inf if most is None else most)


def _within(kind: str, read: Callable[[str], Number], least: float, most: float) -> Callable[[str], Number]:
    bounds = f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"

    def convert(text: str) -> Number:
        try:
            value = read(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:  # not a number (nan) is within no bounds
            raise argparse.ArgumentTypeError(f"must be {kind}, {bounds}. Got {text!r}")
        return value

    return convert
