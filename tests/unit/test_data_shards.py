"""Token shards: what is written is read, without a copy; what was altered is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smallwright.data.shards import Shard, write_shard
from smallwright.errors import DataError


def write_small(tmp_path: Path, vocabulary: int = 100) -> Path:
    write_shard(tmp_path / "shard", [[1, 2, 3, 0], np.array([5, 6, 0], dtype=np.int32), [], [7, 0]], vocabulary)
    return tmp_path / "shard"


@given(
    st.sampled_from([300, 65536, 65537, 2**32]),
    st.lists(st.lists(st.integers(0, 299), max_size=30), max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_documents_come_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, vocabulary: int, documents: list[list[int]]
) -> None:
    path = tmp_path_factory.mktemp("shards") / "shard"
    if documents and documents[0]:
        documents[0][0] = vocabulary - 1
    write_shard(path, iter(documents), vocabulary)
    shard = Shard.open(path)
    assert [shard.document(index).tolist() for index in range(len(shard))] == documents
    assert shard.vocabulary == vocabulary
    assert shard.tokens.dtype == (np.uint16 if vocabulary <= 65536 else np.uint32)
    assert np.load(path / "tokens.npy").tolist() == [token for document in documents for token in document]


def test_nothing_is_copied(tmp_path: Path) -> None:
    shard = Shard.open(write_small(tmp_path))
    assert isinstance(shard.tokens, np.memmap) and not shard.tokens.flags.writeable
    for view in (shard.document(1), shard.blocks(3), shard.blocks(2, start=4)):
        assert np.shares_memory(view, shard.tokens) and not view.flags.owndata and not view.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        shard.blocks(3)[0, 0] = 1


def test_writing_streams_its_documents(tmp_path: Path) -> None:
    alive = 0

    class Document(list):
        def __init__(self) -> None:
            nonlocal alive
            super().__init__(range(50))
            alive += 1

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def generate() -> Iterator[Document]:
        for _ in range(200):
            assert alive <= 2
            yield Document()

    assert len(write_shard(tmp_path / "shard", generate(), 50)) == 200


@given(st.integers(0, 70), st.integers(1, 20), st.integers(0, 10))
@settings(max_examples=80, deadline=None)
def test_every_token_of_whole_blocks_is_a_target_once(length: int, context: int, start: int) -> None:
    tokens = np.arange(length, dtype=np.uint16)
    shard = Shard(tokens, np.array([0, length]), 100)
    blocks = shard.blocks(context, start)
    count = max(0, (length - start - 1) // context)
    assert blocks.shape == (count, context + 1)
    assert blocks[:, 1:].ravel().tolist() == list(range(start + 1, start + 1 + count * context))
    assert blocks[:, :-1].ravel().tolist() == list(range(start, start + count * context))


def test_same_documents_give_the_same_bytes_and_replace_an_older_shard(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    first = {entry.name: entry.read_bytes() for entry in path.iterdir()}
    write_shard(path, [[9]], 100)
    assert Shard.open(path).tokens.tolist() == [9]
    write_small(tmp_path)
    assert {entry.name: entry.read_bytes() for entry in path.iterdir()} == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["shard"]


def test_a_failing_write_leaves_the_older_shard(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    with pytest.raises(DataError, match="Got 100 in document 1"):
        write_shard(path, [[1], [100]], 100)
    assert len(Shard.open(path)) == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["shard"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([1, -1], r"tokens must be from 0 to 99\. Got -1 in document 0"),
        ([100], r"tokens must be from 0 to 99\. Got 100 in document 0"),
        ([1.5], r"one line of integer tokens\. Got shape \(1,\) of float64 in document 0"),
        ([[1, 2]], r"one line of integer tokens\. Got shape \(1, 2\)"),
        (["a"], "one line of integer tokens"),
    ],
)
def test_what_is_no_document_is_refused(tmp_path: Path, document: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_shard(tmp_path / "shard", [document], 100)
    with pytest.raises(DataError, match="vocabulary must be from 1"):
        write_shard(tmp_path / "shard", [[0]], 0)
    assert list(tmp_path.iterdir()) == []


def test_any_altered_or_missing_byte_is_an_error(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    for entry in sorted(path.iterdir()):
        whole = entry.read_bytes()
        for at in range(len(whole)):
            changed = bytearray(whole)
            changed[at] ^= 1 << (at % 8)
            entry.write_bytes(changed)
            with pytest.raises(DataError, match=r"^a shard[^\n]*Write the shard again\.$"):
                Shard.open(path)
        for cut in (0, 1, len(whole) // 2, len(whole) - 1):
            entry.write_bytes(whole[:cut])
            with pytest.raises(DataError, match=r"a shard.*Write the shard again"):
                Shard.open(path)
        entry.unlink()
        with pytest.raises(DataError, match=r"a shard.*Write the shard again"):
            Shard.open(path)
        entry.write_bytes(whole)
    assert len(Shard.open(path)) == 4


def test_hostile_cards_are_refused(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    card = json.loads((path / "shard.json").read_text())
    for key, value in (("vocabulary", "x"), ("tokens", -1), ("documents", 2**70), ("vocabulary", 90), ("extra", 1)):
        (path / "shard.json").write_text(json.dumps({**card, key: value}, sort_keys=True) + "\n")
        with pytest.raises(DataError, match="a shard must be as it was written"):
            Shard.open(path)
    for text in ("[]", "7", "{}", "null", "[" * 100_000, "\xff"):
        (path / "shard.json").write_text(text)
        with pytest.raises(DataError, match=r"whole shard\.json"):
            Shard.open(path)
    with pytest.raises(DataError, match="context must be at least 1"):
        Shard(np.arange(5, dtype=np.uint16), np.array([0, 5]), 9).blocks(0)
