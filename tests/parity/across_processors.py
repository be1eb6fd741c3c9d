"""Another processor against this one: ``python -m tests.parity.across_processors RUN CHECK -- COMMAND... FOLDER``.

Enters: this machine's ``sw-run`` and ``sw-check``; the command that runs programs of the other processor, and the
folder of its ``sw-run`` and ``sw-check``. Leaves: one line for each thing that holds, or status 1 and the first that
does not. An emulator stands for the device; ``make neon`` builds both sides. Not here: speed, which no emulator knows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.attacks.hostile_packages import write_packages

TEXTS = "turn on the lights\nlock the front door please, and heat the kitchen\nÜber 12 grad?\n"
OPTIONS = ("--json", "--top", "3", "--max-tokens", "12", "--threads", "2")
SAMPLED = ("--temperature", "0.8", "--seed", "7")
SETS = ("neon_i8mm", "neon", "ref")
WITHOUT_I8MM = ("-cpu", "cortex-a76")
WITHOUT_DOTS = ("-cpu", "cortex-a53")  # 64-bit Arm of the first kind


class Difference(Exception):
    """What does not hold, in one line."""


def _run(
    command: Sequence[str], *arguments: str, isa: str = "", stdin: str = TEXTS
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SMALLWRIGHT_ISA": isa}
    return subprocess.run(
        [*command, *arguments], input=stdin, env=environment, capture_output=True, text=True, timeout=600
    )


def _answers(command: Sequence[str], *arguments: str, isa: str = "") -> str:
    done = _run(command, *arguments, isa=isa)
    if done.returncode != 0:
        raise Difference(f"{' '.join(command)} must answer. Got status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def check_kernels(ours: Sequence[str], theirs: Sequence[str]) -> str:
    """Every set of either side gives ref's bits, and ref the same ones on both; one line."""
    lines = [line for side in (ours, theirs) for line in _answers(side).splitlines() if "not checked" not in line]
    hashes = {line.rsplit(" ", 1)[1] for line in lines}
    names = [line.split(":")[0] for line in lines]
    missing = set(SETS) - set(names)
    if missing or len(hashes) != 1:
        raise Difference(f"every set must run and give the same bits. Got {'; '.join(lines)}")
    return f"kernels: {', '.join(dict.fromkeys(names))} give the same bits ({hashes.pop()})"


def check_answers(ours: Sequence[str], theirs: Sequence[str], packages: Sequence[Path]) -> str:
    """The other processor's answers are ours, byte by byte; one line."""
    count = 0
    for package in packages:
        for options in (OPTIONS, (*OPTIONS, *SAMPLED)):
            expected = _answers(ours, str(package), *options)
            if expected.count("\n") != TEXTS.count("\n"):
                raise Difference(f"{package.name} must give one line a text. Got {expected!r}")
            for isa in SETS:
                found = _answers(theirs, str(package), *options, isa=isa)
                if found != expected:
                    raise Difference(f"{package.name} with {isa} must answer {expected!r}. Got {found!r}")
                count += TEXTS.count("\n")
    return f"sw-run: {count} answers of {len(packages)} packages with {', '.join(SETS)} are those of this processor"


def check_refusals(emulator: Sequence[str], run: str, package: Path) -> str:
    """Older processors refuse in one line what they cannot run, and run the next best unasked; a line for each."""
    lines = []
    for options, refused, best in (
        ((), "avx512", "neon_i8mm"),
        (WITHOUT_I8MM, "neon_i8mm", "neon"),
        (WITHOUT_DOTS, "neon", "ref"),
    ):
        command = [*emulator, *options, run]
        done = _run(command, str(package), isa=refused)
        if done.returncode != 1 or done.stderr.count("\n") != 1 or "(unsupported_isa)" not in done.stderr:
            raise Difference(f"{refused} must be refused in one line. Got status {done.returncode}: {done.stderr!r}")
        version = _answers(command, "--version")
        if f"({best})" not in version or _answers(command, str(package)) != _answers([*emulator, run], str(package)):
            raise Difference(f"{' '.join(command)} must run {best}, with the same answers. Got {version!r}")
        lines.append(f"{' '.join(options) or 'newest'}: runs {best}, refuses {refused}: {done.stderr.strip()}")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Check everything; returns the exit status."""
    here = arguments.index("--")
    (run, check), (*emulator, programs) = arguments[:here], arguments[here + 1 :]
    theirs = [*emulator, f"{programs}/sw-run"]
    with tempfile.TemporaryDirectory() as folder:
        packages = write_packages(Path(folder))
        try:
            print(check_kernels([check], [*emulator, f"{programs}/sw-check"]), flush=True)
            print(check_answers([run], theirs, packages), flush=True)
            print(check_refusals(emulator, f"{programs}/sw-run", packages[0]))
        except Difference as difference:
            print(f"across_processors: {difference}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
