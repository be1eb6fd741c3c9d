"""What a device can do at most, as a document: written where it was measured, read where a model is planned.

Enters: measured rates, or the path of a profile. Leaves: a frozen ``DeviceProfile``, checked to the last number.
Not here: measuring (``run/limits.py``), and any decision about a model.

``docs/device_profile.md`` lists the keys. A number that is not positive and finite, a key too many and a key too few
are refused by name; the error's ``kind`` is the name.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from smallwright.errors import DeviceProfileError

FORMAT = "smallwright.device_profile"
VERSION = 1
MOST_BYTES = 1 << 20  # of the file; a real one has a few thousand
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_REMEDY = "Measure the device again: smallwright bench MODEL --profile PATH."
_MOST_COUNT = 1 << 53  # beyond it JSON readers of other languages round

Item = TypeVar("Item")


@dataclass(frozen=True)
class Rate:
    """The median of repeats, with the smallest and the largest."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Bandwidth:
    """Bytes read a second when ``threads`` threads read ``size_bytes`` over and over, each its own part."""

    size_bytes: int
    threads: int
    bytes_per_second: Rate


@dataclass(frozen=True)
class Throughput:
    """Operations a second of ``threads`` threads; a multiplication and an addition are two operations."""

    threads: int
    operations_per_second: Rate


@dataclass(frozen=True)
class Cache:
    """A cache of the first core. ``kind``: data, instruction or unified. ``shared_by``: cores that use the same one."""

    level: int
    kind: str
    size_bytes: int
    shared_by: int


@dataclass(frozen=True)
class DeviceLimits:
    """Measured ceilings. ``loops``: the instruction set that measured them.

    ``barrier_seconds``: of two spinning threads, None on one core.
    """

    loops: str
    read_bandwidth: tuple[Bandwidth, ...]
    int8_dot: tuple[Throughput, ...]
    f32_multiply_add: tuple[Throughput, ...]
    barrier_seconds: Rate | None

    def read_bandwidth_at(self, size_bytes: float, threads: int) -> float:
        """Bytes a second at a working set: linear in the logarithm of its size between the measured ones, the nearest
        one's value outside.

        Raises:
            DeviceProfileError: these threads were not measured, or the size is not positive.
        """
        points = sorted(
            (row.size_bytes, row.bytes_per_second.median) for row in self.read_bandwidth if row.threads == threads
        )
        if not points or not size_bytes > 0:
            _refuse("not_measured", "a bandwidth needs a size and threads that were measured", (size_bytes, threads))
        below = [point for point in points if point[0] <= size_bytes]
        above = [point for point in points if point[0] > size_bytes]
        if not below or not above:
            return (below[-1] if below else above[0])[1]
        (size_low, low), (size_high, high) = below[-1], above[0]
        share = math.log(size_bytes / size_low) / math.log(size_high / size_low)
        return low + share * (high - low)

    def int8_dot_at(self, threads: int) -> float:
        """Int8 operations a second. Raises DeviceProfileError: these threads were not measured."""
        return _throughput_at(self.int8_dot, threads)

    def f32_multiply_add_at(self, threads: int) -> float:
        """Single-precision operations a second. Raises DeviceProfileError: these threads were not measured."""
        return _throughput_at(self.f32_multiply_add, threads)


@dataclass(frozen=True)
class DeviceProfile:
    """A device and its limits. ``isa``: what the CPU says it has; ``kernels``: what the engine chose.

    ``cores`` the machine has, ``usable_cores`` the measuring process had. ``memory_bytes`` None: not known.
    ``measured_at``: UTC, ``2026-01-31T23:59:59Z``. ``repeats``: of every measurement.
    """

    cpu: str
    architecture: str
    system: str
    isa: tuple[str, ...]
    cores: int
    usable_cores: int
    caches: tuple[Cache, ...]
    memory_bytes: int | None
    kernels: str
    engine_version: str
    measured_at: str
    repeats: int
    limits: DeviceLimits

    def to_document(self) -> dict[str, Any]:
        """Plain values for JSON; the inverse of ``parse_device_profile``."""
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the profile beside its place and rename it into it; folders are made.

        Raises:
            DeviceProfileError: a number is one that a reader would refuse.
            OSError: the place cannot be written.
        """
        text = json.dumps(self.to_document(), indent=1, ensure_ascii=False) + "\n"
        parse_device_profile(text, "the profile to write")
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            aside.write_text(text, encoding="utf-8")
            os.replace(aside, target)
        finally:
            aside.unlink(missing_ok=True)


def read_device_profile(path: str | os.PathLike[str]) -> DeviceProfile:
    """Read and check a profile.

    Raises:
        DeviceProfileError: ``kind`` tells how: ``missing`` (no such file), ``unreadable`` (a folder, no permission),
            ``too_large``, and those of ``parse_device_profile``.
    """
    place = os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise DeviceProfileError(
            f"a device profile must exist. Got no file at {place}. {_REMEDY}", "missing"
        ) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DeviceProfileError(
            f"a device profile must be a readable file. Got {reason!r} at {place}. {_REMEDY}", "unreadable"
        ) from error
    if len(data) > MOST_BYTES:
        _refuse("too_large", f"a device profile has at most {MOST_BYTES} bytes", "more", place)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse("not_json", "a device profile must be UTF-8", f"byte 0x{data[error.start]:02x}", place, error)
    return parse_device_profile(text, place)


def parse_device_profile(text: str, place: str = "the profile") -> DeviceProfile:
    """Check a profile's text. ``place`` is named in errors.

    Raises:
        DeviceProfileError: ``kind`` tells how: ``not_json`` (cut short, or other text), ``wrong_format``,
            ``wrong_version``, ``missing_key``, ``unknown_key``, ``wrong_type``, ``bad_number`` (negative, zero, not
            finite, not whole, out of order), ``bad_time``, ``empty_list``, ``repeated_row``.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        _refuse("not_json", "a device profile must be whole JSON", str(error) or type(error).__name__, place, error)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        found = value.get("format") if isinstance(value, dict) else type(value).__name__
        _refuse("wrong_format", f"a device profile says format {FORMAT!r}", found, place)
    version = value.get("version")
    if isinstance(version, bool) or version != VERSION:
        _refuse("wrong_version", f"this reader knows version {VERSION} of the device profile", version, place)
    content = {key: item for key, item in value.items() if key not in ("format", "version")}
    return _profile(_Fields(content, place, ""))


class _Fields:
    """The keys of one object, taken one by one; ``done`` refuses what is left."""

    def __init__(self, value: Any, place: str, path: str) -> None:
        self.place, self.path = place, path
        if not isinstance(value, dict):
            _refuse("wrong_type", f"{path or 'a device profile'} must be an object", value, place)
        self._left: dict[str, Any] = dict(value)

    def take(self, key: str) -> Any:
        if key not in self._left:
            _refuse("missing_key", f"a device profile must have {self.where(key)}", "nothing", self.place)
        return self._left.pop(key)

    def where(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def text(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str) or not value:
            _refuse("wrong_type", f"{self.where(key)} must be a text, not empty", value, self.place)
        return value

    def count(self, key: str) -> int:
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            _refuse("wrong_type", f"{self.where(key)} must be a whole number", value, self.place)
        if not isinstance(value, int) or not 1 <= value <= _MOST_COUNT:
            _refuse("bad_number", f"{self.where(key)} must be a whole number from 1 to 2^53", value, self.place)
        return value

    def number(self, key: str) -> float:
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            _refuse("wrong_type", f"{self.where(key)} must be a number", value, self.place)
        if not 0 < value < math.inf or value > 1e300:
            _refuse("bad_number", f"{self.where(key)} must be positive and finite", value, self.place)
        return float(value)

    def rate(self, key: str) -> Rate:
        fields = _Fields(self.take(key), self.place, self.where(key))
        rate = Rate(fields.number("median"), fields.number("low"), fields.number("high"))
        if not rate.low <= rate.median <= rate.high:
            law = f"{self.where(key)} must have low <= median <= high"
            _refuse("bad_number", law, (rate.low, rate.median, rate.high), self.place)
        return fields.done(rate)

    def rows(self, key: str, read: Callable[[_Fields], Item], *, least: int = 1) -> tuple[Item, ...]:
        value = self.take(key)
        if not isinstance(value, list):
            _refuse("wrong_type", f"{self.where(key)} must be a list", value, self.place)
        if len(value) < least:
            _refuse("empty_list", f"{self.where(key)} must have at least {least} row", len(value), self.place)
        rows = (_Fields(row, self.place, f"{self.where(key)}.{index}") for index, row in enumerate(value))
        return tuple(row.done(read(row)) for row in rows)

    def done(self, result: Item) -> Item:
        if self._left:
            law = f"{self.path or 'a device profile'} has no other keys than those of version {VERSION}"
            _refuse("unknown_key", law, ", ".join(sorted(self._left)), self.place)
        return result


def _profile(fields: _Fields) -> DeviceProfile:
    memory = fields.take("memory_bytes")
    isa = fields.take("isa")
    if not isinstance(isa, list) or not all(isinstance(name, str) for name in isa):
        _refuse("wrong_type", "isa must be a list of texts", isa, fields.place)
    profile = DeviceProfile(
        cpu=fields.text("cpu"),
        architecture=fields.text("architecture"),
        system=fields.text("system"),
        isa=tuple(isa),
        cores=fields.count("cores"),
        usable_cores=fields.count("usable_cores"),
        caches=fields.rows("caches", _cache, least=0),
        memory_bytes=None
        if memory is None
        else _Fields({"memory_bytes": memory}, fields.place, "").count("memory_bytes"),
        kernels=fields.text("kernels"),
        engine_version=fields.text("engine_version"),
        measured_at=fields.text("measured_at"),
        repeats=fields.count("repeats"),
        limits=_limits(_Fields(fields.take("limits"), fields.place, "limits")),
    )
    try:
        datetime.strptime(profile.measured_at, TIME_FORMAT).replace(tzinfo=timezone.utc)
    except ValueError as error:
        law = "measured_at must be a time such as 2026-01-31T23:59:59Z"
        _refuse("bad_time", law, profile.measured_at, fields.place, error)
    return fields.done(profile)


def _cache(fields: _Fields) -> Cache:
    return Cache(fields.count("level"), fields.text("kind"), fields.count("size_bytes"), fields.count("shared_by"))


def _limits(fields: _Fields) -> DeviceLimits:
    def bandwidth(row: _Fields) -> Bandwidth:
        return Bandwidth(row.count("size_bytes"), row.count("threads"), row.rate("bytes_per_second"))

    def throughput(row: _Fields) -> Throughput:
        return Throughput(row.count("threads"), row.rate("operations_per_second"))

    barrier = fields.take("barrier_seconds")
    limits = DeviceLimits(
        loops=fields.text("loops"),
        read_bandwidth=fields.rows("read_bandwidth", bandwidth),
        int8_dot=fields.rows("int8_dot", throughput),
        f32_multiply_add=fields.rows("f32_multiply_add", throughput),
        barrier_seconds=None
        if barrier is None
        else _Fields({"barrier_seconds": barrier}, fields.place, "limits").rate("barrier_seconds"),
    )
    cases: dict[str, list[tuple[int, ...]]] = {
        "read_bandwidth": [(row.size_bytes, row.threads) for row in limits.read_bandwidth],
        "int8_dot": [(row.threads,) for row in limits.int8_dot],
        "f32_multiply_add": [(row.threads,) for row in limits.f32_multiply_add],
    }
    for name, keys in cases.items():
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            _refuse("repeated_row", f"limits.{name} must tell each case once", twice, fields.place)
    return fields.done(limits)


def _throughput_at(rows: tuple[Throughput, ...], threads: int) -> float:
    for row in rows:
        if row.threads == threads:
            return row.operations_per_second.median
    _refuse("not_measured", "a peak needs threads that were measured", threads)


def _refuse(
    kind: str, law: str, got: object, place: str = "the device profile", cause: Exception | None = None
) -> NoReturn:
    shown = got if isinstance(got, str) else repr(got)
    line = " ".join(shown.split())
    line = line if len(line) <= 120 else f"{line[:117]}..."
    raise DeviceProfileError(f"{law}. Got {line} in {place}. {_REMEDY}", kind) from cause
