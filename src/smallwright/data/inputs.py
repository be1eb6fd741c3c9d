"""Where the inputs are and what they contain, as hashes of content and never of paths.

Enters: settings and the recipe's folder. Leaves: existing paths, and SHA-256 sums.
Not here: reading rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from smallwright.data.settings import DataSettings, SourceSettings
from smallwright.data.sources import list_folder
from smallwright.errors import DataError

_CHUNK_BYTES = 1 << 20


def list_sources(settings: DataSettings) -> list[tuple[str, SourceSettings]]:
    """The sources that are given, each with its role, in a fixed order."""
    given = (
        ("train", settings.train),
        ("validation", settings.validation),
        ("test", settings.test),
        ("out_of_scope", settings.out_of_scope),
        ("unlabelled", settings.unlabelled),
    )
    return [(role, source) for role, source in given if source is not None]


def locate(source: SourceSettings, root: Path) -> Iterator[tuple[str, Path]]:
    """Each file or folder of a source: its name as the recipe has it, and where it is.

    Raises:
        DataError: it does not exist.
    """
    for file in source.path:
        path = root / Path(file).expanduser()
        if not path.exists():
            raise DataError(
                f"a data file must exist. Got {file}, which is not in {root.resolve()}. "
                f"Paths are relative to the recipe's folder: correct the path in the recipe's data."
            )
        yield file, path


def input_files(settings: DataSettings, root: Path) -> list[Path]:
    """All files that the data stage reads, in a fixed order; a folder source stands as the folder itself.

    Args:
        settings: the recipe's data part.
        root: the recipe's folder, against which relative paths resolve.
    Returns:
        Paths for ``hash_inputs``: the order is that of roles and of the recipe's lists.
    Raises:
        DataError: one of them does not exist.
    """
    return [path for _, source in list_sources(settings) for _, path in locate(source, root)]


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Of a folder: of its files' relative names and sums.

    A folder's names count because sub-folders are class names.

    Raises:
        DataError: a file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        if path.is_dir():
            for entry in list_folder(path):
                digest.update(f"{hash_file(entry)} {entry.relative_to(path).as_posix()}\n".encode())
        else:
            with path.open("rb") as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    digest.update(chunk)
    except OSError as error:
        raise DataError(
            f"a data file must be readable. Got {error.strerror or error} in {path}. Check the path and permissions."
        ) from error
    return digest.hexdigest()


def hash_inputs(files: Iterable[Path]) -> str:
    """One SHA-256 for a list of inputs: equal contents in equal order give equal sums, wherever the files lie."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{'folder' if path.is_dir() else 'file'} {hash_file(path)}\n".encode())
    return digest.hexdigest()
