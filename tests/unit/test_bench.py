"""``smallwright bench``: the document's shape, fractions that follow from its numbers, refusals in one line.

No test looks at how fast anything is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.test_device_profile import make_profile
from tests.unit.test_package import decoder, encoder, write

from smallwright.errors import DeviceProfileError, EngineError
from smallwright.run import _engine
from smallwright.run.bench import Settings, measure_model
from smallwright.run.bench import bench as measure
from smallwright.run.limits import default_profile_path, measure_limits
from smallwright.run.machine import read_caches, read_cpu, usable_cores
from smallwright.run.workload import short_text
from smallwright.spec.device import read_device_profile

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings(threads=2, repeats=1, quick=True)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bench")
    text = write(folder / "text.gguf", decoder(context=64), "gpt2", format="q8_0").path
    return {"generate": text, "classify": write(folder / "classes.gguf", encoder(), "bert_uncased").path}


def _command(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "smallwright", "bench", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(cache)},
    )


@pytest.mark.parametrize("task", ["generate", "classify"])
def test_the_document_is_whole_and_its_fractions_follow(packages: dict[str, Path], task: str, tmp_path: Path) -> None:
    done = _command(str(packages[task]), "--json", "--quick", "--repeats", "1", "--threads", "2", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["format"], document["version"]) == ("smallwright.bench", 1)
    assert document["model"]["task"] == task and document["model"]["file"] == packages[task].name
    assert document["settings"] == {"threads": 2, "repeats": 1, "quick": True, "in_place": False}
    assert document["profile_path"] in done.stderr
    profile = read_device_profile(document["profile_path"])
    assert json.loads(json.dumps(profile.to_document())) == document["device"]
    assert Path(document["profile_path"]).parent == tmp_path / "smallwright" / "devices"
    names = {"generate": ["prefill", "decode"], "classify": ["text", "batch"]}[task]
    assert [(phase["name"], phase["threads"]) for phase in document["phases"]] == [
        (name, threads) for threads in (1, 2) for name in names
    ]
    for phase in document["phases"]:
        _check_phase(phase, profile.limits)
    assert document["cold_starts"][0]["command"] == "python"
    for start in document["cold_starts"]:
        assert start["seconds"]["median"] > 0
        assert start["peak_rss_bytes"] is None or start["peak_rss_bytes"] > 1 << 20


def _check_phase(phase: dict[str, Any], limits: Any) -> None:
    seconds, limit = phase["seconds"]["median"], phase["limit"]
    assert 0 < phase["seconds"]["low"] <= seconds <= phase["seconds"]["high"]
    assert phase["per_second"]["median"] == pytest.approx(phase["units_of_call"] / seconds)
    assert (phase["p95_seconds"] is not None) == (phase["units"] == "texts")
    bandwidth = limits.read_bandwidth_at(limit["working_set_bytes"], phase["threads"])
    assert limit["bytes_per_second"] == bandwidth
    calls_per_second = 1 / seconds
    read = (phase["weight_bytes"] + phase["kv_bytes"]) * calls_per_second
    assert limit["memory_fraction"] == pytest.approx(read / bandwidth)
    int8 = phase["int8_operations"] * calls_per_second / limits.int8_dot_at(phase["threads"])
    f32 = phase["f32_operations"] * calls_per_second / limits.f32_multiply_add_at(phase["threads"])
    assert limit["arithmetic_fraction"] == pytest.approx(int8 + f32)
    assert limit["fraction"] == max(limit["memory_fraction"], limit["arithmetic_fraction"]) > 0
    assert limit[f"{limit['bound']}_fraction"] == limit["fraction"]


def test_decoding_reads_the_weights_and_the_keys(packages: dict[str, Path]) -> None:
    model = _engine.open(str(packages["generate"]))
    phases = measure_model(model, make_profile().limits, Settings(threads=1, repeats=1, quick=True))
    decode = next(phase for phase in phases if phase.name == "decode")
    assert decode.weight_bytes == json.loads(model.description)["packed_bytes"]
    # context 64: a prompt of 21 tokens, then 32; the token in the middle looks at 37 keys of 2 layers, 64 numbers each
    assert decode.kv_bytes == 37 * 2 * 64 * 2
    prefill = next(phase for phase in phases if phase.name == "prefill")
    assert prefill.tokens == 64 and prefill.int8_operations > 0
    assert prefill.f32_operations == 2 * (128 * 64 * 65 // 2 + 128 * 64)  # attention alone: the weights are q8_0


def test_the_table_names_what_was_measured(packages: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    options = ["--quick", "--repeats", "1", "--threads", "1", "--profile", str(path)]
    done = _command(str(packages["classify"]), *options, cache=tmp_path / "unused")
    assert done.returncode == 0 and done.stderr == ""
    for words in ("read, GB/s", "int8 dot products", "classes.gguf", "cold start  python", "text (1 of", str(path)):
        assert words in done.stdout
    assert read_device_profile(path).repeats == 1
    assert not (tmp_path / "unused").exists()


def test_what_cannot_be_measured_is_one_clear_line(packages: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(packages["classify"].read_bytes()[:5000])
    (tmp_path / "file").write_text("not a folder")
    for arguments, status in (
        ([str(tmp_path / "nothing.gguf")], 6),
        ([str(broken), "--json"], 6),
        ([str(packages["classify"]), "--profile", str(tmp_path / "file" / "device.json")], 2),
        ([str(packages["classify"]), "--profile", ""], 2),
    ):
        done = _command(*arguments, cache=tmp_path / "cache")
        assert done.returncode == status, done.stderr
        assert done.stdout == ""
        assert done.stderr.startswith("smallwright: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "cache" / "smallwright" / "devices").is_dir() or not list(
        (tmp_path / "cache" / "smallwright" / "devices").iterdir()
    )


def test_a_process_that_cannot_answer_is_told(packages: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from smallwright.run import cold_start

    monkeypatch.setattr(cold_start.sys, "executable", "/bin/false")
    monkeypatch.setattr(cold_start, "find_sw_run", lambda: None)
    with pytest.raises(EngineError, match=r"a new process must answer.*status 1"):
        cold_start.measure_cold_starts(str(packages["classify"]), "a", task="classify", threads=1, repeats=1)


@pytest.mark.parametrize(
    "wrong", [{"threads": -1}, {"threads": 257}, {"repeats": 0}, {"repeats": 1.5}, {"threads": True}]
)
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=next(iter(wrong))):
        Settings(**wrong)


def test_limits_have_a_row_for_every_case() -> None:
    limits = measure_limits([2, 1, 1], repeats=2, seconds=1e-4, working_sets=(1 << 18, 1 << 20))
    assert [(row.threads, row.size_bytes) for row in limits.read_bandwidth] == [
        (threads, size) for threads in (1, 2) for size in (1 << 18, 1 << 20)
    ]
    assert [row.threads for row in limits.int8_dot] == [row.threads for row in limits.f32_multiply_add] == [1, 2]
    assert (limits.barrier_seconds is None) == (usable_cores() == 1)


def test_threads_that_were_not_measured_have_no_limit(packages: dict[str, Path]) -> None:
    model = _engine.open(str(packages["classify"]))
    with pytest.raises(DeviceProfileError, match="threads"):
        measure_model(model, make_profile().limits, Settings(threads=3, repeats=1, quick=True))


@pytest.mark.parametrize("context", [1, 2, 5])
def test_tiny_contexts_are_measured(tmp_path: Path, context: int) -> None:
    model = _engine.open(str(write(tmp_path / "tiny.gguf", decoder(context=context), "gpt2").path))
    phases = measure_model(model, make_profile().limits, Settings(threads=1, repeats=1, quick=True))
    assert [phase.name for phase in phases] == (["prefill"] if context == 1 else ["prefill", "decode"])
    assert phases[0].tokens == context


def test_the_short_text_fits(packages: dict[str, Path]) -> None:
    model = _engine.open(str(packages["classify"]))
    text = short_text(model)
    assert text and len(model.encode(text, True)) <= model.context


def test_the_profile_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import platform

    monkeypatch.setattr(platform, "node", lambda: "a b/../größe")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_profile_path() == tmp_path / "smallwright" / "devices" / "a_b_.._gr_e.json"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the specification says: ignore it
    assert (
        default_profile_path(lambda: tmp_path) == tmp_path / ".cache" / "smallwright" / "devices" / "a_b_.._gr_e.json"
    )
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(platform, "node", lambda: "")
    assert default_profile_path(lambda: tmp_path).name == "this_machine.json"

    def homeless() -> Path:
        raise RuntimeError("no home")

    with pytest.raises(DeviceProfileError, match="--profile") as caught:
        default_profile_path(homeless)
    assert caught.value.kind == "no_home"


def test_the_machine_is_described() -> None:
    cpu, isa = read_cpu()
    assert cpu and len(set(isa)) == len(isa)
    for cache in read_caches():
        assert cache.level >= 1 and cache.size_bytes > 0 and cache.shared_by >= 1


def test_measuring_needs_numpy_alone() -> None:
    code = "import sys, smallwright.run.bench; print('\\n'.join(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert not set(done.stdout.split()) & {"torch", "typer", "rich", "pydantic", "transformers", "gguf"}


def test_python_callers_get_the_same(packages: dict[str, Path], tmp_path: Path) -> None:
    steps: list[str] = []
    found = measure(packages["classify"], SETTINGS, profile=tmp_path / "device.json", tell=steps.append)
    assert len(steps) == 3 and len(found.phases) == 4
    assert read_device_profile(found.profile_path) == found.device
    assert np.isfinite([phase.limit.fraction for phase in found.phases]).all()
