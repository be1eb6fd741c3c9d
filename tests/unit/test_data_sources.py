"""Readers: what becomes a row, what becomes a reject with which reason and line, and what refuses a whole file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from smallwright.data.csv_source import MAX_FIELD_CHARS
from smallwright.data.records import Wanted
from smallwright.data.row import Reject, Row, SourceRow
from smallwright.data.sources import read_source
from smallwright.errors import DataError

LABELLED = Wanted(label="label")


def read(path: Path, wanted: Wanted = LABELLED, **options: object) -> tuple[list[SourceRow], list[Reject]]:
    outcomes = list(read_source(path, path.name, wanted, **options))
    rows = [outcome for outcome in outcomes if isinstance(outcome, SourceRow)]
    return rows, [outcome for outcome in outcomes if isinstance(outcome, Reject)]


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def reasons(rejects: list[Reject]) -> list[tuple[int, str]]:
    return [(reject.line, reject.reason) for reject in rejects]


def test_every_way_for_a_json_line_to_be_bad_has_its_reason_and_line(tmp_path: Path) -> None:
    lines = [
        b'{"text": "on", "label": "a"}',
        b"{not json",
        b"[1, 2]",
        b'{"text": "no label"}',
        b'{"text": null, "label": "a"}',
        b'{"text": 3, "label": "a"}',
        b'{"text": " \\t ", "label": "a"}',
        b'{"text": "x", "label": ""}',
        b'{"text": "x", "label": ["a"]}',
        b'{"text": "x", "label": 1.5}',
        b"",
        b'{"text": "caf\xe9", "label": "a"}',
        b'{"text": "half \\ud800 pair", "label": "a"}',
        b"[" * 100_000,
        b'{"text": "caf\xc3\xa9", "label": 7}',
    ]
    rows, rejects = read(write(tmp_path / "a.jsonl", b"\n".join(lines)))
    assert [row.row for row in rows] == [Row("on", "a"), Row("café", "7")]
    assert [row.line for row in rows] == [1, 15]
    assert reasons(rejects) == [
        (2, "not JSON"),
        (3, "not a JSON object"),
        (4, "missing field"),
        (5, "missing field"),
        (6, "wrong type"),
        (7, "empty text"),
        (8, "empty label"),
        (9, "wrong type"),
        (10, "wrong type"),
        (11, "empty line"),
        (12, "wrong encoding"),
        (13, "invalid Unicode"),
        (14, "not JSON"),
    ]
    assert len(rows) + len(rejects) == len(lines)
    assert "label" in rejects[2].detail and "'text'" in rejects[2].detail
    for reject in rejects:
        json.loads(reject.to_json().encode("utf-8"))


def test_byte_order_mark_and_windows_line_ends_are_tolerated(tmp_path: Path) -> None:
    jsonl = write(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"text": "x", "label": "a"}\r\n{"text": "y", "label": "b"}\r\n')
    table = write(tmp_path / "a.csv", b"\xef\xbb\xbftext,label\r\nx,a\r\ny,b\r\n")
    for path in (jsonl, table):
        rows, rejects = read(path)
        assert [row.row for row in rows] == [Row("x", "a"), Row("y", "b")]
        assert rejects == []


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_and_32_refuse_the_file(tmp_path: Path, name: str, encoding: str) -> None:
    path = write(tmp_path / name, 'text,label\n{"text": "x", "label": "a"}\n'.encode(encoding))
    wanted = Wanted() if name.endswith("txt") else LABELLED
    with pytest.raises(DataError, match=r"must be UTF-8 text\. Got .* in a\..*iconv"):
        read(path, wanted)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_a_file_in_latin_1_is_refused_but_one_damaged_line_is_not(tmp_path: Path, encoding: str) -> None:
    texts = [f"numéro {index}" if index % 3 == 0 else f"plain {index}" for index in range(60)]
    records = [json.dumps({"text": text, "label": "a"}, ensure_ascii=False) for text in texts]
    wrong = write(tmp_path / "wrong.jsonl", "\n".join(records).encode(encoding))
    with pytest.raises(DataError, match="Got 20 lines of 60 that are not UTF-8, the first at line 1"):
        read(wrong)
    table = write(tmp_path / "wrong.csv", ("text,label\n" + "\n".join(f"{text},a" for text in texts)).encode(encoding))
    with pytest.raises(DataError, match="must be UTF-8 text"):
        read(table)
    lines = [record.encode() for record in records]
    lines[3] = records[3].encode(encoding)
    rows, rejects = read(write(tmp_path / "damaged.jsonl", b"\n".join(lines)))
    assert len(rows) == 59
    assert reasons(rejects) == [(4, "wrong encoding")]


def test_csv_quoting_follows_the_standard(tmp_path: Path) -> None:
    expected = [
        ("comma, inside", "a"),
        ('a "quoted" word', "b"),
        ("two\r\nlines", "c"),
        ("two\nlines", "d"),
        ("ünïcode 漢字 🙂", "e"),
        ('5" pipe', "f"),
        ("  spaces  ", "g"),
    ]
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "label"])
        writer.writerows([index, text, label] for index, (text, label) in enumerate(expected))
    rows, rejects = read(path)
    assert [(row.row.text, row.row.label) for row in rows] == expected
    assert [row.line for row in rows] == [2, 3, 4, 6, 8, 9, 10]
    assert rejects == []


def test_a_stray_quote_costs_one_line_and_not_the_rest_of_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        'text,label\nfine,a\n"never closed,b\nalso fine,c\n"quoted, fine",d\none,two,three\n"closed"early,x\nlast,e\n',
    )
    rows, rejects = read(path)
    assert [row.row.text for row in rows] == ["fine", "also fine", "quoted, fine", "last"]
    assert reasons(rejects) == [(3, "bad CSV"), (6, "wrong number of columns"), (7, "bad CSV")]
    path = write(tmp_path / "b.csv", 'text,label\n"never closed,b\nfine,a\n')
    rows, rejects = read(path)
    assert [row.row.text for row in rows] == ["fine"]
    assert rejects[0].detail == "a quote is never closed" and rejects[0].line == 2


def test_csv_header_must_have_the_columns_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "sentence,label\nx,a\n")
    with pytest.raises(
        DataError, match=r"column 'text' once\. Got it not at all in a\.csv.*'sentence', 'label'.*fields"
    ):
        read(path)
    with pytest.raises(DataError, match="Got it twice"):
        read(write(tmp_path / "b.csv", "text,text,label\nx,y,a\n"))
    rows, _ = read(path, Wanted(text="sentence", label="label"))
    assert rows[0].row == Row("x", "a")


def test_blank_lines_in_csv_are_no_rows_and_tabs_separate_tsv(tmp_path: Path) -> None:
    rows, rejects = read(write(tmp_path / "a.csv", "text,label\n\nx,a\n\n"))
    assert [row.line for row in rows] == [3] and rejects == []
    rows, _ = read(write(tmp_path / "a.tsv", "text\tlabel\nx, y\ta\n"))
    assert rows[0].row == Row("x, y", "a")


def test_big_lines_are_read_whole(tmp_path: Path) -> None:
    big = "word " * 600_000  # 3 MB: beyond the csv module's own limit of 128 KiB
    rows, rejects = read(write(tmp_path / "a.csv", f'text,label\n"{big}",a\ny,b\n'))
    assert [len(row.row.text) for row in rows] == [len(big), 1] and rejects == []
    rows, _ = read(write(tmp_path / "a.jsonl", json.dumps({"text": big, "label": "a"})))
    assert rows[0].row.text == big
    rows, rejects = read(write(tmp_path / "b.csv", "text,label\n" + "x" * (MAX_FIELD_CHARS + 1) + ",a\ny,b\n"))
    assert [row.row.text for row in rows] == ["y"]
    assert reasons(rejects) == [(2, "bad CSV")] and len(rejects[0].excerpt) == 200


def test_numbers_get_their_names_and_others_are_rejected(tmp_path: Path) -> None:
    wanted = Wanted(label="label", names={"0": "bearish", "1": "bullish", "true": "yes"})
    lines = [{"text": "a", "label": label} for label in (0, "1", 1.0, True, 2, "bearish")]
    rows, rejects = read(write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines))), wanted)
    assert [row.row.label for row in rows] == ["bearish", "bullish", "bullish", "yes"]
    assert reasons(rejects) == [(5, "label without a name"), (6, "label without a name")]
    assert "'2'" in rejects[0].detail and "'0', '1', 'true'" in rejects[0].detail


def test_prompt_and_completion_make_a_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"question": "2+2? ", "answer": "4"}\n{"question": "only"}\n')
    rows, rejects = read(path, Wanted(prompt="question", completion="answer"))
    assert rows[0].row == Row("2+2? 4", None, "2+2? ", "4")
    assert reasons(rejects) == [(2, "missing field")]


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(
        {
            "utterance": pyarrow.array(["x", None, "", "é"], type=pyarrow.large_string()),
            "intent": pyarrow.array(["a", "a", "b", "b"]).dictionary_encode(),
            "number": pyarrow.array([0, 1, 0, 1], type=pyarrow.int8()),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    rows, rejects = read(tmp_path / "a.parquet", Wanted(text="utterance", label="intent"))
    assert [(row.row, row.line) for row in rows] == [(Row("x", "a"), 1), (Row("é", "b"), 4)]
    assert reasons(rejects) == [(2, "missing field"), (3, "empty text")]
    rows, _ = read(tmp_path / "a.parquet", Wanted(text="utterance", label="number", names={"0": "no", "1": "yes"}))
    assert [row.row.label for row in rows] == ["no", "yes"]
    with pytest.raises(DataError, match=r"column 'text' once\..*'utterance', 'intent', 'number'"):
        read(tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    for broken in (content[: len(content) // 2], b"not parquet", b""):
        with pytest.raises(DataError, match="Parquet file must be whole"):
            read(write(tmp_path / "b.parquet", broken))


def test_folders_are_read_in_order_with_sub_folders_as_classes(tmp_path: Path) -> None:
    for name, content in {
        "b/2.txt": b"two",
        "a/1.md": "\ufeffone".encode(),
        "a/deep/3.py": b"print(3)",
        "a/image.png": b"\x89PNG",
        "a/wrong.txt": b"caf\xe9",
        "a/empty.txt": b"  \n",
        "loose.txt": b"no class",
        ".git/hidden.txt": b"hidden",
    }.items():
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / name).write_bytes(content)
    rows, rejects = read(tmp_path / "texts")
    assert [(row.file, row.row) for row in rows] == [
        ("texts/a/1.md", Row("one", "a")),
        ("texts/a/deep/3.py", Row("print(3)", "a")),
        ("texts/b/2.txt", Row("two", "b")),
    ]
    assert [(reject.file, reject.reason) for reject in rejects] == [
        ("texts/a/empty.txt", "empty text"),
        ("texts/a/image.png", "not a text file"),
        ("texts/a/wrong.txt", "wrong encoding"),
        ("texts/loose.txt", "no class folder"),
    ]
    rows, _ = read(tmp_path / "texts", Wanted())
    assert [row.row.text for row in rows] == ["one", "print(3)", "two", "no class"]


def test_plain_text_is_one_document_or_a_row_per_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one\n\ntwo\n")
    rows, _ = read(path, Wanted(), documents=True)
    assert [row.row.text for row in rows] == ["one\n\ntwo\n"]
    rows, rejects = read(path, Wanted())
    assert [(row.row.text, row.line) for row in rows] == [("one", 1), ("two", 3)]
    assert reasons(rejects) == [(2, "empty line")]
    assert [row.row.text for row in read(path, Wanted(), format="text")[0]] == ["one\n\ntwo\n"]
    with pytest.raises(DataError, match=r"must be UTF-8 text\. Got byte 0xe9 at position 3 in b\.txt"):
        read(write(tmp_path / "b.txt", b"caf\xe9"), Wanted(), documents=True)
    with pytest.raises(DataError, match=r"need labels\. Got plain text in a\.txt"):
        read(path)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("missing.jsonl", {}, r"must exist\. Got missing\.jsonl"),
        ("a.xyz", {}, r"extension must tell its format.*Got '\.xyz' in a\.xyz\. Add format"),
        ("a.jsonl", {"format": "xml"}, r"format must be one of jsonl, csv.*Got 'xml' for a\.jsonl"),
        ("a.jsonl", {"format": "folder"}, r"format folder is for folders\. Got the file a\.jsonl"),
        ("folder", {"format": "csv"}, r"format csv is for files\. Got the folder folder"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path, name: str, options: dict, message: str) -> None:
    write(tmp_path / "a.xyz", "x")
    write(tmp_path / "a.jsonl", "{}")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / name, **options)
    assert "\n" not in str(caught.value)


def test_explicit_format_overrides_the_extension(tmp_path: Path) -> None:
    rows, _ = read(write(tmp_path / "data.dat", '{"text": "x", "label": "a"}\n'), format="jsonl")
    assert rows[0].row == Row("x", "a")


def test_files_of_other_kinds_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Got a gzip archive in a\.jsonl"):
        read(write(tmp_path / "a.jsonl", b"\x1f\x8b\x08\x00" + bytes(100)))
    with pytest.raises(DataError, match=r"Got a Parquet file in a\.csv"):
        read(write(tmp_path / "a.csv", b"PAR1" + bytes(100)))
