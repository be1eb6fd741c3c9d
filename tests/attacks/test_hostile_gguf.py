"""Hostile files: every refusal by its name, and no mutated file that crashes, hangs or answers without being valid."""

from __future__ import annotations

import json
import os
import random
import re
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest

pytest.importorskip("smallwright.run", reason="the engine is not built")

from tests.attacks.hostile_child import ask
from tests.attacks.hostile_packages import write_packages
from tests.attacks.mutations import Layout, mutate, put, read_layout

from smallwright.errors import PackageError
from smallwright.run import load

ROOT = Path(__file__).resolve().parents[2]
# What a request may be refused for when the file itself is valid: weights that overflow, keys of the tokenizer gone,
# a context that an altered number made tiny.
REQUEST_REFUSALS = {"nan_logits", "no_tokenizer", "too_long", "context_full", "empty_input"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("valid")
    write_packages(folder)
    return folder


def _refusal(path: Path, data: bytes) -> PackageError:
    path.write_bytes(data)
    with pytest.raises(PackageError) as caught:
        load(path, threads=1)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message or caught.value.kind == "wrong_type", message
    assert re.search(r"\. Got .+\. [A-Z][^.]+.*\.$", message, re.DOTALL), f"not law, value, place, remedy: {message}"
    return caught.value


def test_valid_packages_answer(packages: Path) -> None:
    assert [ask(path) for path in sorted(packages.glob("*.gguf"))] == ["answered"] * 11


# ---- one file for each way to be wrong

PLAIN_KEYS = {"a.flag": True, "a.number": 5, "a.list": [1, 2, 3], "a.flags": [True, False], "a.words": ["x", "y"]}


def _plain(path: Path, alignment: int = 32) -> tuple[bytes, Layout]:
    """A container with every sort of record and no model in it."""
    writer = gguf.GGUFWriter(str(path), "none")
    writer.add_custom_alignment(alignment)
    for key, value in PLAIN_KEYS.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_array(key, value)
    for name in ("one", "two"):
        writer.add_tensor(name, np.ones((2, 64), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    data = path.read_bytes()
    return data, read_layout(data)


def _set(name: str, index: int, value: int) -> Callable[[bytes, Layout], bytes]:
    return lambda data, layout: put(data, *layout.fields[name][index], value)


def _text(old: bytes, new: bytes) -> Callable[[bytes, Layout], bytes]:
    assert len(old) == len(new)
    return lambda data, layout: data.replace(old, new, 1)


def _type_of(key: str, value: int) -> Callable[[bytes, Layout], bytes]:
    return lambda data, layout: put(data, layout.keys[key] + 8 + len(key), 4, value)


def _value_of(key: str, value: int, offset: int = 12, width: int = 4) -> Callable[[bytes, Layout], bytes]:
    return lambda data, layout: put(data, layout.keys[key] + len(key) + offset, width, value)


WRONG: dict[str, tuple[str, str, Callable[[bytes, Layout], bytes]]] = {
    "another magic": ("bad_magic", "GGUF", lambda data, layout: b"PK\x03\x04" + data[4:]),
    "version 1": ("bad_version", "Got 1 ", _set("version", 0, 1)),
    "version 4": ("bad_version", "Got 4 ", _set("version", 0, 4)),
    "big-endian": ("bad_version", "big-endian", _set("version", 0, 3 << 24)),
    "2^63 keys": ("bad_count", str(2**63), _set("key count", 0, 2**63)),
    "2^64 - 1 tensors": ("bad_count", str(2**64 - 1), _set("tensor count", 0, 2**64 - 1)),
    "more keys than bytes left": ("truncated", "keys", lambda data, layout: put(data, 16, 8, len(data) // 13)),
    "2^61 elements": ("bad_count", str(2**61), _set("array count", 0, 2**61)),
    "elements beyond the end": (
        "truncated",
        "elements",
        lambda data, layout: put(data, *layout.fields["array count"][0], len(data) - 8),
    ),
    "a key of 2^60 bytes": ("bad_string", str(2**60), _set("key length", 1, 2**60)),
    "a key of 0 bytes": ("bad_key", "0 bytes", _set("key length", 1, 0)),
    "a key that is not UTF-8": ("bad_key", r"\xff", _text(b"a.flags", b"a.\xfflags")),
    "a key with a zero byte": ("bad_key", r"\x00", _text(b"a.flags", b"a.\x00lags")),
    "value type 13": ("bad_value_type", "Got 13", _type_of("a.number", 13)),
    "element type 99": ("bad_value_type", "Got 99", _value_of("a.list", 99)),
    "an array of arrays": ("nested_array", "a.list", _value_of("a.list", 9)),
    "a bool of 2": ("bad_bool", "Got 2", _value_of("a.flag", 2, width=1)),
    "a bool of 255 in an array": ("bad_bool", "element 1", _value_of("a.flags", 255, offset=12 + 12 + 1, width=1)),
    "a key twice": ("duplicate_key", "a.flags", _text(b"a.words", b"a.flags")),
    "alignment 0": ("bad_alignment", "Got 0", _value_of("general.alignment", 0)),
    "alignment 48": ("bad_alignment", "Got 48", _value_of("general.alignment", 48)),
    "alignment 8192": ("bad_alignment", "Got 8192", _value_of("general.alignment", 8192)),
    "alignment of another type": ("wrong_type", "general.alignment", _type_of("general.alignment", 5)),
    "a tensor's name of 0 bytes": ("bad_tensor_name", "0 bytes", _set("tensor name length", 0, 0)),
    "a tensor's name that is not UTF-8": (
        "bad_tensor_name",
        r"\xc0",
        _text(b"\x03\0\0\0\0\0\0\0two", b"\x03\0\0\0\0\0\0\0t\xc0o"),
    ),
    "a tensor twice": ("duplicate_tensor", "one", _text(b"\x03\0\0\0\0\0\0\0two", b"\x03\0\0\0\0\0\0\0one")),
    "0 dimensions": ("bad_dims", "Got 0", _set("dimension count", 0, 0)),
    "5 dimensions": ("bad_dims", "Got 5", _set("dimension count", 1, 5)),
    "a dimension of 0": ("bad_dims", "Got 0", _set("dimension", 0, 0)),
    "dimensions whose product overflows": ("bad_dims", str(2**63), _set("dimension", 1, 2**63)),
    "rows that are no whole blocks": (
        "bad_dims",
        "Got 33",
        lambda data, layout: put(_set("tensor type", 0, 8)(data, layout), *layout.fields["dimension"][0], 33),
    ),
    "rows that are no whole blocks of 256": ("bad_dims", "block of 256", _set("tensor type", 1, 12)),
    "a type that the engine does not read": ("unknown_type", "q2_k", _set("tensor type", 1, 10)),
    "a type that nobody knows": ("unknown_type", "1000", _set("tensor type", 1, 1000)),
    "an offset off the alignment": ("bad_offset", "Got 1 ", _set("offset", 1, 1)),
    "an offset of 2^63": ("bad_offset", str(2**63), _set("offset", 1, 2**63)),
    "an offset beyond the end": ("truncated", "two", _set("offset", 1, 2**40)),
    "tensors on one another": ("overlap", "two", _set("offset", 1, 32)),
    "the last byte gone": ("truncated", "two", lambda data, layout: data[:-1]),
    "an architecture that is not UTF-8": ("not_utf8", r"n\xffne", _text(b"none", b"n\xffne")),
    "no model inside": ("unsupported_architecture", "none", lambda data, layout: data),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_way_to_be_wrong_has_its_name(case: str, tmp_path: Path) -> None:
    kind, words, change = WRONG[case]
    path = tmp_path / "plain.gguf"
    data, layout = _plain(path)
    changed = change(data, layout)
    path.write_bytes(changed)
    with pytest.raises(PackageError) as caught:
        load(path, threads=1)
    assert caught.value.kind == kind, str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    if kind not in ("unsupported_architecture", "wrong_type", "not_utf8"):
        _refusal(path, changed)


def test_missing_empty_and_unreadable_files(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.gguf", "No such file"), (tmp_path, "a folder")):
        with pytest.raises(PackageError, match=words) as caught:
            load(path)
        assert caught.value.kind == "cannot_open"
    assert _refusal(tmp_path / "empty.gguf", b"").kind == "truncated"
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(PackageError, match="not a plain file"):
        load(tmp_path / "pipe.gguf")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.gguf"
    path.write_bytes(b"GGUF")
    path.chmod(0)
    with pytest.raises(PackageError, match="Permission denied") as caught:
        load(path)
    assert caught.value.kind == "cannot_open"


@pytest.mark.parametrize("alignment", [8, 16, 64, 4096])
def test_every_lawful_alignment_is_read(alignment: int, tmp_path: Path) -> None:
    path = tmp_path / "plain.gguf"
    _plain(path, alignment)
    with pytest.raises(PackageError) as caught:
        load(path)
    assert caught.value.kind == "unsupported_architecture"  # the container is read; what it lacks is a model


def test_every_truncation_is_refused_by_name(packages: Path, tmp_path: Path) -> None:
    """Cut at every boundary between two fields, and once inside: never a crash, always ``truncated``."""
    data = (packages / "decoder_q4.gguf").read_bytes()
    places = read_layout(data).boundaries(len(data))
    step = max(1, len(places) // 400)
    for place in [*places[:200], *places[200:-50:step], *places[-50:]]:
        assert _refusal(tmp_path / "cut.gguf", data[:place]).kind == "truncated", place


def test_the_messages_show_bytes_of_the_file_harmlessly(tmp_path: Path) -> None:
    """A key that is a terminal's escape sequence is printed as text."""
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 6) + b"\x1b[2J\n\r" + struct.pack("<I", 77)
    error = _refusal(tmp_path / "escape.gguf", data)
    assert error.kind == "bad_value_type"
    assert "\x1b" not in str(error)
    assert r"\x1b[2J" in str(error)


def test_every_kind_of_the_engine_is_documented() -> None:
    sources = [
        path.read_text(encoding="utf-8") for path in (ROOT / "csrc").rglob("*.cpp") if path.parent.name != "fuzz"
    ]
    kinds = {kind for source in sources for kind in re.findall(r'Error\(\s*"([a-z_]+)"', source)}
    assert len(kinds) > 30
    documented = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs" / "format.md").read_text(encoding="utf-8")))
    assert kinds - documented == set()


def test_an_architecture_with_a_line_break_gives_one_line(tmp_path: Path) -> None:
    data, _ = _plain(tmp_path / "plain.gguf")
    (tmp_path / "plain.gguf").write_bytes(data.replace(b"none", b"n\n\x1be", 1))
    with pytest.raises(PackageError, match=r"n\\x0a\\x1be") as caught:
        load(tmp_path / "plain.gguf")
    assert caught.value.kind == "unsupported_architecture"


# ---- mutations


def _run_child(folder: Path, seed: str, first: int, count: int) -> Counter[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-m", "tests.attacks.hostile_child", str(folder), seed, str(first), str(count)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    at = (folder / "at").read_text()
    assert done.returncode == 0, f"mutation {at} ended the process with {done.returncode}: {done.stderr[-2000:]}"
    return Counter(json.loads(done.stdout))


def _check_outcomes(outcomes: Counter[str], count: int) -> None:
    assert sum(outcomes.values()) == count
    for outcome in outcomes:
        if outcome == "answered":
            continue
        place, kind = outcome.split(": ")
        assert place == "file" or (place == "request" and kind in REQUEST_REFUSALS), outcomes
        assert kind not in ("internal", "invalid", "unnamed"), outcomes
    # A run that only ever met one check, or never a valid file, would prove little.
    assert len(outcomes) >= 12
    assert outcomes["answered"] >= count // 50


def test_six_hundred_mutations_never_crash(packages: Path) -> None:
    _check_outcomes(_run_child(packages, "quick", 0, 600), 600)


def test_mutations_in_this_very_process(packages: Path, tmp_path: Path) -> None:
    """As a user's program meets them: an error that can be caught, and the next file opens as if nothing had been."""
    data = (packages / "bert_q8.gguf").read_bytes()
    layout = read_layout(data)
    outcomes: Counter[str] = Counter()
    for number in range(100):
        path = tmp_path / "mutated.gguf"
        path.write_bytes(mutate(data, layout, random.Random(f"in process {number}")))
        outcomes[ask(path).split(": ")[0]] += 1
    assert outcomes["file"] > 50
    assert ask(packages / "bert_q8.gguf") == "answered"


@pytest.mark.slow
def test_ten_thousand_mutations_never_crash(packages: Path) -> None:
    outcomes: Counter[str] = Counter()
    for first in range(0, 10_000, 500):
        outcomes += _run_child(packages, "long", first, 500)
    print(f"{sum(outcomes.values())} mutations: {dict(outcomes.most_common())}")
    _check_outcomes(outcomes, 10_000)
