"""Every error a user can meet, as one small tree.

A message states the law, the value, the place and the remedy in one line, for example
``epochs must be at least 1. Got 0 in recipe.yaml: train.epochs. Use 1 or more.``
The command line prints the message and leaves with the class's ``exit_code``; it never shows a traceback for these.
"""

from __future__ import annotations


class SmallwrightError(Exception):
    """Root of all errors that a user can cause and mend. ``exit_code`` is the process's exit status."""

    exit_code = 2


class RecipeError(SmallwrightError):
    """The recipe cannot be understood: unknown key, wrong type, value out of range, missing variable."""

    exit_code = 3


class DataError(SmallwrightError):
    """The data cannot be used: missing file, wrong encoding, no rows, unknown label."""

    exit_code = 4


class CheckpointError(SmallwrightError):
    """A model folder cannot be read: missing files, unsupported family, tensors that do not fit."""

    exit_code = 5


class ModelSpecError(SmallwrightError):
    """A model description contradicts itself, for example heads that do not divide a width."""

    exit_code = 5


class PackageError(SmallwrightError):
    """A package cannot be opened: truncated, altered, hostile, or of an unknown kind.

    ``kind`` is the engine's stable name for the way in which it is wrong (``truncated``, ``bad_magic``, ...).
    """

    exit_code = 6

    def __init__(self, message: str, kind: str = "invalid") -> None:
        super().__init__(message)
        self.kind = kind


class EngineError(SmallwrightError):
    """The engine refuses a request: prompt longer than the context, forced ISA unsupported, wrong task.

    ``kind`` is the engine's stable name for the reason (``too_long``, ``incomplete``, ...; docs/format.md lists them).
    """

    exit_code = 7

    def __init__(self, message: str, kind: str = "bad_argument") -> None:
        super().__init__(message)
        self.kind = kind


class DeviceProfileError(SmallwrightError):
    """A device profile cannot be read or used: missing, cut short, of another version, with impossible numbers.

    ``kind`` is a stable name for the way in which it is wrong (``missing``, ``not_json``, ``bad_number``, ...).
    """

    def __init__(self, message: str, kind: str = "invalid") -> None:
        super().__init__(message)
        self.kind = kind


class BudgetError(SmallwrightError):
    """The verdict is ``do not ship``: the package was built and measured, and it breaks the budget."""

    exit_code = 10
