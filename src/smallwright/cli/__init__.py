"""The command line: argv to a call, and an error to one line and an exit status. No logic.

Enters: argv. Leaves: an exit status (0 done, 2 to 9 a user's error by kind, 10 built but ``do not ship``).
Not here: anything that a Python caller could want; that lives in the rooms.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from smallwright.cli import answer, bench, check, make, talk
from smallwright.cli.arguments import CommandLine
from smallwright.errors import SmallwrightError

_SUMMARY = "Teacher + domain data + device budget -> one small language model file, measured as shipped."


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of ``smallwright`` and ``python -m smallwright``."""
    # A waiting OpenMP thread that spins costs little on idle cores, and everything on cores that are shared: training
    # was measured ten times slower beside another busy process. One that sleeps at once costs tiny models a quarter.
    # So it spins for microseconds only. Read when torch loads its threads (GNU OpenMP); yours wins.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    try:
        _obey(sys.argv[1:] if argv is None else argv)
    except SmallwrightError as error:
        print(f"smallwright: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("smallwright: interrupted; run the same command again to continue.", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader went away (`| head`): nothing to tell, and nothing more may be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        place = f" in {error.filename}" if error.filename else ""
        reason = error.strerror or type(error).__name__
        print(f"smallwright: the system must let files be read and written. Got {reason!r}{place}.", file=sys.stderr)
        raise SystemExit(2) from None
    except ModuleNotFoundError as error:
        # The base install carries only what answering needs; building needs the extra.
        if (error.name or "").partition(".")[0] == "smallwright":
            raise
        print(
            f"smallwright: this command needs the build extra. Got no module {error.name!r}. "
            "Install it: pip install 'smallwright[build]'.",
            file=sys.stderr,
        )
        raise SystemExit(9) from None


def _obey(argv: Sequence[str]) -> None:
    command_line = CommandLine("smallwright", _SUMMARY)
    for room in (make, answer, talk, check, bench):
        room.register(command_line)
    try:
        asked = command_line.read(argv)
        asked.handler(asked)
    finally:
        sys.stdout.flush()  # here a reader that went away is still an error that `main` knows; at exit it is noise
