"""Packed weights beside a package: the same bits, found without being asked for, refused when they are another's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.unit.test_package import decoder, encoder, random_tensors, write

from smallwright.cli import main
from smallwright.errors import PackageError
from smallwright.run import load
from smallwright.run.prepare import prepare

TEXTS = ["turn on the lights", "off"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write(tmp_path / "model.gguf", decoder(), "gpt2", "q4_0").path


@pytest.mark.parametrize("format", ["f32", "f16", "q8_0", "q4_0"])
@pytest.mark.parametrize("span", [0, 128])
def test_the_answers_are_the_same_bits(tmp_path: Path, format: str, span: int) -> None:
    info = write(tmp_path / "model.gguf", encoder(), "bert_uncased", format, scale_span=span)
    with load(info.path, threads=1) as plain:
        assert plain.description["tiles"] is False
        expected, packed = plain.classify_logits(TEXTS), plain.description["packed_bytes"]
    tiles = prepare(info.path)
    assert tiles == tmp_path / "model.gguf.tiles" and tiles.stat().st_size == 4096 + packed
    with load(info.path, threads=1) as mapped:
        assert mapped.description["tiles"] is True
        assert mapped.description["packed_bytes"] == packed
        np.testing.assert_array_equal(mapped.classify_logits(TEXTS), expected)
    with load(info.path, threads=1, in_place=True) as in_place:
        assert in_place.description["tiles"] is False
        np.testing.assert_array_equal(in_place.classify_logits(TEXTS), expected)


def test_a_generator_and_its_tied_rows(package: Path) -> None:
    with load(package, threads=2) as plain:
        expected = plain.logits([1, 2, 3, 4])
    prepare(package)
    with load(package, threads=2) as mapped:
        np.testing.assert_array_equal(mapped.logits([1, 2, 3, 4]), expected)


def test_they_are_read_and_not_packed(package: Path) -> None:
    """What the file holds is what is multiplied: other numbers in it change the answers."""
    tiles = prepare(package)
    with load(package, threads=1) as mapped:
        before = mapped.logits([1, 2, 3])
    data = bytearray(tiles.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    tiles.write_bytes(data)
    with load(package, threads=1) as mapped:
        assert not np.array_equal(mapped.logits([1, 2, 3]), before)


def _other_weights(package: Path) -> None:
    spec = decoder()
    tensors = {name: value * np.float32(1.5) for name, value in random_tensors(spec).items()}
    write(package, spec, "gpt2", "q4_0", tensors=tensors)


def _cut(package: Path) -> None:
    tiles = package.with_name("model.gguf.tiles")
    tiles.write_bytes(tiles.read_bytes()[:-64])


def _other_layout(package: Path) -> None:
    tiles = package.with_name("model.gguf.tiles")
    tiles.write_bytes(b"SWTILES0" + tiles.read_bytes()[8:])


def _folder(package: Path) -> None:
    tiles = package.with_name("model.gguf.tiles")
    tiles.unlink()
    tiles.mkdir()


@pytest.mark.parametrize(
    ("spoil", "got"),
    [
        (_other_weights, "another package's"),
        (_cut, "bytes instead of"),
        (_other_layout, "another layout"),
        (_folder, "not a plain file"),
    ],
)
def test_others_are_refused(package: Path, spoil: Callable[[Path], None], got: str) -> None:
    tiles = prepare(package)
    spoil(package)
    with pytest.raises(PackageError, match=f"Got .*{got}.* in .*tiles. Delete the file") as error:
        load(package)
    assert error.value.kind == "bad_tiles"
    with load(package, in_place=True) as in_place:  # never looks at them
        assert in_place.description["tiles"] is False
    if tiles.is_file():
        prepare(package)  # made again, whatever lay there
        load(package).close()


def test_the_command_line_writes_them(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["prepare", str(package)])
    assert capsys.readouterr().out.startswith(f"{package}.tiles: ")
    assert [path.name for path in sorted(package.parent.iterdir())] == ["model.gguf", "model.gguf.tiles"]
    with pytest.raises(SystemExit) as left:
        main(["prepare", str(package.with_name("none.gguf"))])
    assert left.value.code == 6
    assert capsys.readouterr().err.count("\n") == 1


def test_a_place_that_cannot_be_written_is_named(package: Path) -> None:
    package.with_name("model.gguf.tiles.partial").mkdir()
    with pytest.raises(PackageError, match="tiles are written beside their package") as error:
        prepare(package)
    assert error.value.kind == "cannot_write"
