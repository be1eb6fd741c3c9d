"""A package's packed weights in a file beside it, so that it opens sooner.

Enters: a package. Leaves: ``PACKAGE.tiles``, for this machine's engine; it may be deleted at any time.
Not here: packing and the file's form (``csrc/engine/tiles.cpp``).
"""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from smallwright.run import _engine


def prepare(path: str | PathLike[str]) -> Path:
    """Write the packed weights of a package beside it; from then on opening it maps them and packs nothing.

    The answers have the same bits. A package opened ``in_place`` does not use them.

    Args:
        path: a GGUF file.

    Returns:
        The file that was written, of about the size of the package.

    Raises:
        PackageError: the package is missing, damaged or of an unknown kind, or the file cannot be written;
            ``kind`` names how.
    """
    _engine.prepare(fspath(path))
    return Path(fspath(path) + ".tiles")
