"""The device profile as a document: what is written is read back, and every way to be wrong has its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smallwright.errors import DeviceProfileError
from smallwright.spec.device import (
    MOST_BYTES,
    Bandwidth,
    Cache,
    DeviceLimits,
    DeviceProfile,
    Rate,
    Throughput,
    parse_device_profile,
    read_device_profile,
)

MIB = 1 << 20


def make_profile(**changes: Any) -> DeviceProfile:
    limits = DeviceLimits(
        loops="avx2",
        read_bandwidth=tuple(
            Bandwidth(size, threads, Rate(rate * threads, rate / 2, rate * 3))
            for threads in (1, 2)
            for size, rate in ((MIB, 8e10), (4 * MIB, 4e10), (256 * MIB, 1e10))
        ),
        int8_dot=(Throughput(1, Rate(2e11, 1e11, 3e11)), Throughput(2, Rate(4e11, 4e11, 4e11))),
        f32_multiply_add=(Throughput(1, Rate(6e10, 6e10, 6e10)), Throughput(2, Rate(1.2e11, 1e11, 1.3e11))),
        barrier_seconds=Rate(4e-7, 3e-7, 9e-7),
    )
    profile = DeviceProfile(
        cpu="Größer CPU 1",
        architecture="x86_64",
        system="Linux 6.1",
        isa=("avx2", "fma"),
        cores=4,
        usable_cores=2,
        caches=(Cache(1, "data", 32768, 1), Cache(2, "unified", 2 * MIB, 2)),
        memory_bytes=8 << 30,
        kernels="avx2",
        engine_version="0.1.0",
        measured_at="2026-01-31T23:59:59Z",
        repeats=7,
        limits=limits,
    )
    return replace(profile, **changes)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "device.json"
    for profile in (
        make_profile(),
        make_profile(caches=(), isa=(), memory_bytes=None, limits=replace(make_profile().limits, barrier_seconds=None)),
    ):
        profile.write(path)
        assert read_device_profile(path) == profile
    assert [entry.name for entry in path.parent.iterdir()] == ["device.json"]  # nothing is left beside it


def test_a_profile_that_no_reader_would_take_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    make_profile().write(path)
    before = path.read_bytes()
    for wrong in (make_profile(cores=0), make_profile(measured_at="yesterday"), make_profile(cpu="")):
        with pytest.raises(DeviceProfileError):
            wrong.write(path)
    bad = replace(make_profile().limits, barrier_seconds=Rate(float("nan"), 1.0, 1.0))
    with pytest.raises(DeviceProfileError, match=r"limits\.barrier_seconds\.median"):
        make_profile(limits=bad).write(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "device.json").mkdir()
    with pytest.raises(OSError):
        make_profile().write(tmp_path / "device.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["device.json"]


def test_bandwidth_between_the_measured_working_sets() -> None:
    limits = make_profile().limits
    assert limits.read_bandwidth_at(MIB, 1) == 8e10
    assert limits.read_bandwidth_at(2 * MIB, 1) == pytest.approx(6e10)  # half way from 1 to 4 in the logarithm
    assert limits.read_bandwidth_at(256 * MIB, 2) == 2e10
    assert limits.read_bandwidth_at(1, 1) == 8e10
    assert limits.read_bandwidth_at(1 << 40, 1) == 1e10
    between = [limits.read_bandwidth_at(size * MIB, 2) for size in (1, 2, 3, 5, 100, 200, 300)]
    assert between == sorted(between, reverse=True)
    assert limits.int8_dot_at(2) == 4e11
    assert limits.f32_multiply_add_at(1) == 6e10
    for ask in (
        lambda: limits.read_bandwidth_at(MIB, 3),
        lambda: limits.read_bandwidth_at(0, 1),
        lambda: limits.read_bandwidth_at(float("nan"), 1),
        lambda: limits.int8_dot_at(3),
        lambda: limits.f32_multiply_add_at(0),
    ):
        with pytest.raises(DeviceProfileError) as caught:
            ask()
        assert caught.value.kind == "not_measured"


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceProfileError, match=r"nothing\.json") as caught:
        read_device_profile(tmp_path / "nothing.json")
    assert caught.value.kind == "missing"
    with pytest.raises(DeviceProfileError) as caught:
        read_device_profile(tmp_path)
    assert caught.value.kind == "unreadable"


def test_files_that_are_not_whole_profiles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    make_profile().write(path)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 97):
        path.write_bytes(whole[:length])
        assert _kind(path) == "not_json"
    for data, kind in (
        (b"\xff\xfe{}", "not_json"),
        (b"[" * 200_000, "not_json"),
        (b"[]", "wrong_format"),
        (b"null", "wrong_format"),
        (b"{}", "wrong_format"),
        (b'{"format": "smallwright.bench", "version": 1}', "wrong_format"),
        (whole.replace(b'"version": 1', b'"version": 2'), "wrong_version"),
        (whole.replace(b'"version": 1', b'"version": true'), "wrong_version"),
        (whole.replace(b'"version": 1,', b""), "wrong_version"),
        (whole + b" " * MOST_BYTES, "too_large"),
    ):
        path.write_bytes(data)
        assert _kind(path) == kind, data[:60]


def _kind(path: Path) -> str:
    with pytest.raises(DeviceProfileError) as caught:
        read_device_profile(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message and "Got " in message and "smallwright bench" in message
    return caught.value.kind


def _set(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        at: Any = document
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = to

    return change


BANDWIDTH = ("limits", "read_bandwidth", 0)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda d: d.pop("cpu"), "missing_key", "cpu"),
        (lambda d: d["limits"].pop("int8_dot"), "missing_key", r"limits\.int8_dot"),
        (lambda d: d["limits"]["int8_dot"][1].pop("threads"), "missing_key", r"limits\.int8_dot\.1\.threads"),
        (_set("colour", to="red"), "unknown_key", "colour"),
        (_set(*BANDWIDTH, "bytes_per_second", "mean", to=1.0), "unknown_key", "mean"),
        (_set("cpu", to=3), "wrong_type", "cpu"),
        (_set("cpu", to=""), "wrong_type", "cpu"),
        (_set("isa", to="avx2"), "wrong_type", "isa"),
        (_set("isa", to=[1]), "wrong_type", "isa"),
        (_set("caches", to={}), "wrong_type", "caches"),
        (_set("caches", 0, to=7), "wrong_type", r"caches\.0"),
        (_set("limits", to=None), "wrong_type", "limits"),
        (_set("cores", to=True), "wrong_type", "cores"),
        (_set("cores", to="4"), "wrong_type", "cores"),
        (_set("cores", to=0), "bad_number", "cores"),
        (_set("cores", to=-4), "bad_number", "cores"),
        (_set("cores", to=1.5), "bad_number", "cores"),
        (_set("cores", to=float("nan")), "bad_number", "cores"),
        (_set("memory_bytes", to=-1), "bad_number", "memory_bytes"),
        (_set("memory_bytes", to=1 << 60), "bad_number", "memory_bytes"),
        (_set("repeats", to=0), "bad_number", "repeats"),
        (_set(*BANDWIDTH, "size_bytes", to=0), "bad_number", "size_bytes"),
        (_set(*BANDWIDTH, "bytes_per_second", "median", to=-1.0), "bad_number", "median"),
        (_set(*BANDWIDTH, "bytes_per_second", "median", to=0), "bad_number", "median"),
        (_set(*BANDWIDTH, "bytes_per_second", "median", to=float("inf")), "bad_number", "median"),
        (_set(*BANDWIDTH, "bytes_per_second", "median", to=float("nan")), "bad_number", "median"),
        (_set(*BANDWIDTH, "bytes_per_second", "median", to=10**400), "bad_number", "median"),
        (_set(*BANDWIDTH, "bytes_per_second", "median", to=None), "wrong_type", "median"),
        (_set(*BANDWIDTH, "bytes_per_second", "low", to=9e10), "bad_number", "low <= median <= high"),
        (_set("limits", "barrier_seconds", "high", to=-1e-7), "bad_number", r"limits\.barrier_seconds\.high"),
        (_set("limits", "read_bandwidth", to=[]), "empty_list", "read_bandwidth"),
        (_set("limits", "f32_multiply_add", to=[]), "empty_list", "f32_multiply_add"),
        (_set("limits", "int8_dot", 1, "threads", to=1), "repeated_row", "int8_dot"),
        (_set(*BANDWIDTH, "threads", to=2), "repeated_row", "read_bandwidth"),
        (_set("measured_at", to="2026-13-01T00:00:00Z"), "bad_time", "measured_at"),
        (_set("measured_at", to="2026-01-31"), "bad_time", "measured_at"),
    ],
)
def test_every_wrong_value_has_its_error(change: Callable[[dict[str, Any]], None], kind: str, words: str) -> None:
    document = json.loads(json.dumps(make_profile().to_document()))
    assert parse_device_profile(json.dumps(document)) == make_profile()
    change(document)
    with pytest.raises(DeviceProfileError, match=words) as caught:
        parse_device_profile(json.dumps(document), "device.json")
    assert caught.value.kind == kind
    assert "device.json" in str(caught.value) and "\n" not in str(caught.value)
