"""Turns valid GGUF files into hostile ones, deterministically.

Enters: the bytes of a valid file, a source of randomness. Leaves: other bytes, and where the container's fields stand.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_HOSTILE = (
    0,
    1,
    2,
    3,
    7,
    31,
    255,
    2**16,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**40,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
)


@dataclass
class Layout:
    """Where things stand in a file: (position, bytes) of each number that steers reading, by what it says."""

    fields: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    strings: list[tuple[int, int]] = field(default_factory=list)  # (position, bytes) of the text itself
    keys: dict[str, int] = field(default_factory=dict)  # position of each key's record
    tensors: dict[str, int] = field(default_factory=dict)  # position of each tensor's record
    header_end: int = 0

    def boundaries(self, size: int) -> list[int]:
        """Every place where one field ends and another starts."""
        places = {0, 3, 4, 7, 8, self.header_end, size - 1}
        for spans in (*self.fields.values(), self.strings):
            for position, width in spans:
                places |= {position, position + width, position + width - 1}
        return sorted(place for place in places if 0 <= place < size)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.layout = data, 8, Layout()

    def number(self, name: str, width: int) -> int:
        self.layout.fields.setdefault(name, []).append((self.at, width))
        self.at += width
        return int.from_bytes(self.data[self.at - width : self.at], "little")

    def string(self, name: str) -> str:
        length = self.number(f"{name} length", 8)
        self.layout.strings.append((self.at, length))
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def value(self, kind: int) -> None:
        if kind == _STRING:
            self.string("value")
        elif kind == _ARRAY:
            element = self.number("element type", 4)
            for _ in range(self.number("array count", 8)):
                self.value(element)
        else:
            self.number("value", _WIDTHS[kind])


def read_layout(data: bytes) -> Layout:
    """The layout of a valid GGUF file of version 2 or 3."""
    reader = _Reader(data)
    layout = reader.layout
    layout.fields["version"] = [(4, 4)]
    tensors, keys = reader.number("tensor count", 8), reader.number("key count", 8)
    for _ in range(keys):
        start = reader.at
        layout.keys[reader.string("key")] = start
        reader.value(reader.number("value type", 4))
    for _ in range(tensors):
        start = reader.at
        layout.tensors[reader.string("tensor name")] = start
        for _ in range(reader.number("dimension count", 4)):
            reader.number("dimension", 8)
        reader.number("tensor type", 4)
        reader.number("offset", 8)
    layout.header_end = reader.at
    return layout


def put(data: bytes, position: int, width: int, value: int) -> bytes:
    """The same bytes with one little-endian number replaced (cut to its width)."""
    return data[:position] + (value % 256**width).to_bytes(width, "little") + data[position + width :]


def mutate(data: bytes, layout: Layout, source: random.Random) -> bytes:
    """One to three hostile changes."""
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        data = source.choice(_CHANGES)(data, layout, source)
    return data


def _flip_anywhere(data: bytes, layout: Layout, source: random.Random) -> bytes:
    return _flip(data, len(data), source)


def _flip_header(data: bytes, layout: Layout, source: random.Random) -> bytes:
    return _flip(data, min(layout.header_end, len(data)), source)


def _flip(data: bytes, limit: int, source: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(source.randrange(1, 9) if limit else 0):
        out[source.randrange(limit)] ^= 1 << source.randrange(8)
    return bytes(out)


def _truncate(data: bytes, layout: Layout, source: random.Random) -> bytes:
    places = layout.boundaries(len(data)) if data else []
    if not places or source.random() < 0.3:
        return data[: source.randrange(len(data) + 1)]
    return data[: source.choice(places)]


def _hostile_number(data: bytes, layout: Layout, source: random.Random) -> bytes:
    position, width = source.choice(layout.fields[source.choice(sorted(layout.fields))])
    if position + width > len(data):
        return data
    here = int.from_bytes(data[position : position + width], "little")
    near = (here + 1, here - 1, here * 2, here // 2, here + 32, here ^ 1, len(data), len(data) - position, 2**64 - here)
    return put(data, position, width, source.choice((*_HOSTILE, *near)))


def _splat(data: bytes, layout: Layout, source: random.Random) -> bytes:
    start = source.randrange(max(1, min(layout.header_end, len(data))))
    length = min(source.randrange(1, 40), len(data) - start)
    filler = source.choice((b"\x00", b"\xff", b"\x7f", b" ", b"[", b'"'))
    return data[:start] + filler * length + data[start + length :]


def _shift(data: bytes, layout: Layout, source: random.Random) -> bytes:
    at = source.randrange(max(1, min(layout.header_end, len(data))))
    count = source.choice((1, 2, 4, 8, 31))
    if source.random() < 0.5:
        return data[:at] + data[at + count :]
    return data[:at] + source.randbytes(count) + data[at:]


def _edit_text(data: bytes, layout: Layout, source: random.Random) -> bytes:
    longest = source.choice((0, 60))  # half of the edits go to the JSON: most strings are tokens
    position, length = source.choice([span for span in layout.strings if span[1] > longest] or layout.strings)
    if length == 0:
        return data
    at = position + source.randrange(length)
    if at >= len(data):
        return data
    letter = source.choice(b'0123456789-.eE{}[],:"\\ ntfu#\xc3\xff\x00')
    return data[:at] + bytes([letter]) + data[at + 1 :]


def _edit_numbers_in_text(data: bytes, layout: Layout, source: random.Random) -> bytes:
    """Digits of one string (JSON, mostly) become others: another size, another layer count, another token."""
    position, length = source.choice([span for span in layout.strings if span[1] > 60] or layout.strings)
    digits = [at for at in range(position, min(position + length, len(data))) if 48 <= data[at] < 58]
    out = bytearray(data)
    for at in source.sample(digits, min(len(digits), source.randrange(1, 4))):
        out[at] = source.choice(b"0123456789")
    return bytes(out)


def _poison_weights(data: bytes, layout: Layout, source: random.Random) -> bytes:
    """NaN, infinities and huge numbers among the weights and scales."""
    out = bytearray(data)
    if len(data) <= layout.header_end + 8:
        return data
    poison = (float("nan"), float("inf"), float("-inf"), 3e38, -3e38, 1e-45)
    for _ in range(source.randrange(1, 30)):
        at = source.randrange(layout.header_end, len(data) - 4)
        out[at : at + 4] = struct.pack("<f", source.choice(poison))
    return bytes(out)


def _swap_fields(data: bytes, layout: Layout, source: random.Random) -> bytes:
    spans = [span for spans in layout.fields.values() for span in spans]
    (one, width), (two, other) = source.sample(spans, 2)
    if width != other or max(one, two) + width > len(data):
        return data
    first, second = (int.from_bytes(data[at : at + width], "little") for at in (one, two))
    return put(put(data, one, width, second), two, width, first)


_CHANGES = (
    _flip_anywhere,
    _flip_header,
    _truncate,
    _hostile_number,
    _hostile_number,
    _splat,
    _shift,
    _edit_text,
    _edit_numbers_in_text,
    _edit_numbers_in_text,
    _poison_weights,
    _swap_fields,
)
