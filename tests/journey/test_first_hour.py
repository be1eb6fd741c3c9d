"""A newcomer's first hour at the command line: build, run, inspect, evaluate; then all that can go wrong."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from smallwright.cli import main

COLOURS = ("red", "green", "blue", "white")
ROOMS = ("kitchen", "hall", "bedroom", "garden", "office")


def _rows() -> list[dict[str, str]]:
    rows = []
    for room in ROOMS:
        for colour in COLOURS:
            rows.append({"text": f"make the {room} lamp {colour}", "label": "colour"})
            rows.append({"text": f"is the {colour} lamp in the {room} on", "label": "question"})
            rows.append({"text": f"please switch the {colour} {room} lamp off", "label": "off"})
    return rows


def _recipe(folder: Path, **changes: object) -> Path:
    document = {
        "name": "lamps",
        "task": {"kind": "classify"},
        "data": {"train": "rows.jsonl"},
        "tokenizer": {"kind": "train", "vocabulary": 300},
        "student": {"from": "scratch", "preset": "nano", "context": 32},
        "distill": {"epochs": 4, "batch_size": 8, "learning_rate": 3e-3},
        "evaluate": {"latency_rounds": 1, "cold_starts": 1, "bootstrap_resamples": 100},
        **changes,
    }
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _rows()), encoding="utf-8")
    path = folder / "lamps.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def smallwright(*arguments: object, given: str | bytes | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command; every failure must be one line and no traceback."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    data = given.encode() if isinstance(given, str) else given
    done = subprocess.run(
        [sys.executable, "-m", "smallwright", *map(str, arguments)], input=data, capture_output=True, env=environment
    )
    out, err = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
    assert "Traceback" not in err + out, err
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def here(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same command without a process of its own, which costs seconds of imports."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> str:
    """The one line that a user error prints."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("smallwright: ")]
    assert done.returncode == code, done.stderr
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], lines[0]
    return lines[0]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lamps")
    done = smallwright("build", _recipe(folder), "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def package(home: Path) -> Path:
    return home / "out/lamps/lamps.gguf"


def test_the_build_leaves_package_and_report(home: Path, package: Path) -> None:
    report = json.loads((home / "out/lamps/report.json").read_text(encoding="utf-8"))
    page = (home / "out/lamps/report.html").read_text(encoding="utf-8")
    import hashlib

    sha256 = hashlib.sha256(package.read_bytes()).hexdigest()
    assert report["package"]["sha256"] == sha256
    assert sha256 in page
    assert {line["kind"] for line in report["neighbours"]} == {"package", "linear", "majority"}
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )


def test_a_second_build_runs_nothing_again_and_gives_the_same_bytes(home: Path, package: Path) -> None:
    before = package.read_bytes()
    done = smallwright("build", home / "lamps.yaml", "--out", home / "out")
    assert done.returncode == 0
    assert "running" not in done.stderr
    assert package.read_bytes() == before


def test_a_build_elsewhere_gives_the_same_bytes(home: Path, package: Path, tmp_path: Path) -> None:
    done = smallwright("build", _recipe(tmp_path), "--out", tmp_path / "elsewhere")
    assert done.returncode == 0
    assert (tmp_path / "elsewhere/lamps/lamps.gguf").read_bytes() == package.read_bytes()


def test_an_ensemble_teaches_on_texts_of_its_own(tmp_path: Path) -> None:
    learn = {"epochs": 2, "batch_size": 16, "learning_rate": 3e-3}
    taught = {
        "teacher": {"from": "scratch", "preset": "nano", "finetune": learn, "ensemble": {"linear": 0.5}},
        "tokenizer": {"kind": "train", "model": "wordpiece", "vocabulary": 300},
        "student": {"from": "scratch", "preset": "pico", "context": 32},
        "distill": {**learn, "transfer_rows": 120},
    }
    done = here("build", _recipe(tmp_path, **taught), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out/lamps/report.json").read_text(encoding="utf-8"))
    lines = {line["kind"]: line for line in report["neighbours"]}
    assert "linear SVM" in lines["teacher"]["note"]
    network = next(step for step in report["compression"] if step["name"] == "student")["bytes_before"]
    assert lines["teacher"]["size_bytes"] == network + lines["linear"]["size_bytes"]
    assert lines["teacher"]["latency_p50_ms"] > 0

    # The answers are the mean of both: one member alone gives others.
    (answers,) = (tmp_path / "out/lamps/stages").glob("answers-*")
    card = json.loads((answers / "card.json").read_text(encoding="utf-8"))
    assert card["facts"]["answered"]["transfer"] == 120
    assert [member["weight"] for member in card["facts"]["members"]] == [0.5, 0.5]
    probabilities = np.exp(np.load(answers / "transfer.npy").astype(np.float64))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    alone = {**taught, "teacher": {**taught["teacher"], "ensemble": None}, "evaluate": {"baseline": False}}
    here("build", _recipe(tmp_path, **alone), "--out", tmp_path / "alone")
    (other,) = (tmp_path / "alone/lamps/stages").glob("answers-*")
    assert not np.allclose(np.load(other / "train.npy"), np.load(answers / "train.npy"))


def test_run_answers_arguments_and_standard_input(package: Path) -> None:
    done = smallwright("run", package, "make the hall lamp blue", "--top", 3, "--json")
    answer = json.loads(done.stdout)
    assert {entry["label"] for entry in answer["top"]} == {"colour", "question", "off"}
    assert sum(entry["probability"] for entry in answer["top"]) == pytest.approx(1, abs=1e-4)
    piped = smallwright("run", package, "--top", 3, "--json", given="make the hall lamp blue\n\n")
    assert json.loads(piped.stdout) == answer


def test_inspect_plan_evaluate_and_doctor(home: Path, package: Path) -> None:
    assert json.loads(here("inspect", package, "--json").stdout)["task"] == "classify"
    plan = here("build", home / "lamps.yaml", "--out", home / "nowhere", "--plan")
    assert plan.returncode == 0
    assert "parameters" in plan.stdout
    assert not (home / "nowhere").exists()
    measured = json.loads(here("evaluate", package, "--data", home / "rows.jsonl", "--json").stdout)
    assert measured["rows"] == len(_rows())
    assert 0 <= measured["accuracy_low"] <= measured["accuracy"] <= measured["accuracy_high"] <= 1
    assert "engine kernels" in here("doctor").stdout


def test_a_broken_budget_is_a_verdict_with_its_own_status(home: Path) -> None:
    done = here("build", home / "lamps.yaml", "--out", home / "out", "--set", "budget.size=1KB")
    refused(done, 10, "do not ship")
    assert (home / "out/lamps/lamps.gguf").exists()


def test_generation_builds_and_writes(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.txt").write_text("the cat sat on the mat. the dog sat on the log.\n" * 120, encoding="utf-8")
    path = _recipe(
        tmp_path,
        name="cats",
        task={"kind": "generate"},
        data={"train": "text"},
        teacher={"from": "scratch", "preset": "nano", "finetune": {"epochs": 1, "batch_size": 4}},
        distill={"epochs": 2, "batch_size": 4, "learning_rate": 3e-3},
        evaluate={"latency_rounds": 1, "cold_starts": 1, "samples": 1, "decode_tokens": 8},
    )
    done = here("build", path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    package = tmp_path / "out/cats/cats.gguf"
    first = here("run", package, "the cat", "--max-tokens", 8)
    assert first.stdout == here("run", package, "the cat", "--max-tokens", 8).stdout
    assert first.stdout.strip()
    refused(here("run", package, "the cat", "--top-p", 0, "--temperature", 1), 7, "top_p")


def test_wrong_recipes(tmp_path: Path) -> None:
    good = _recipe(tmp_path)
    refused(smallwright("build", tmp_path / "no.yaml"), 3, "no.yaml", "not there")
    refused(here("build", good, "--set", "distill.epoch=3"), 3, "'epoch'", "Did you mean 'epochs'")
    refused(here("build", good, "--set", "distill.epochs=0"), 3, "distill.epochs")
    refused(here("build", good, "--set", "nonsense"), 3, "key.sub=value")
    refused(here("build", good, "--set", "data.train=${SMALLWRIGHT_NOT_SET}/a"), 3, "SMALLWRIGHT_NOT_SET")
    refused(here("build", good, "--set", "student.preset=huge", "--out", tmp_path / "o"), 3, "huge", "nano")
    misspelt = good.read_text(encoding="utf-8").replace("name: lamps", "nmae: lamps")
    (tmp_path / "misspelt.yaml").write_text(misspelt, encoding="utf-8")
    refused(here("build", tmp_path / "misspelt.yaml"), 3, "'nmae'", "Did you mean 'name'")
    (tmp_path / "broken.yaml").write_text("name: [unclosed", encoding="utf-8")
    refused(here("build", tmp_path / "broken.yaml"), 3, "YAML", "line")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    refused(here("build", tmp_path / "latin.yaml"), 3, "UTF-8")


def test_wrong_data(tmp_path: Path) -> None:
    good, out = _recipe(tmp_path), tmp_path / "out"
    refused(here("build", good, "--out", out, "--set", "data.train=missing.jsonl"), 4, "missing.jsonl")
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    refused(here("build", good, "--out", out, "--set", "data.train=empty.jsonl"), 4, "empty.jsonl")
    (tmp_path / "latin.jsonl").write_bytes('{"text": "café crème", "label": "a"}\n'.encode("latin-1") * 50)
    refused(here("build", good, "--out", out, "--set", "data.train=latin.jsonl"), 4, "latin.jsonl", "UTF-8")
    (tmp_path / "new.jsonl").write_text('{"text": "who are you", "label": "unseen"}\n', encoding="utf-8")
    refused(here("build", good, "--out", out, "--set", "data.test=new.jsonl"), 4, "unseen", "new.jsonl")
    assert not list(out.rglob("card.json")), "a refused stage must not look whole"
    assert not list(out.rglob("*.gguf"))


def test_wrong_packages(package: Path, tmp_path: Path) -> None:
    refused(smallwright("run", tmp_path / "no.gguf", "hello"), 6, "no.gguf")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(package.read_bytes()[:5000])
    refused(here("run", cut, "hello"), 6, "cut.gguf")
    refused(here("inspect", cut), 6)
    altered = tmp_path / "altered.gguf"
    altered.write_bytes(b"GGUX" + package.read_bytes()[4:])
    refused(here("run", altered, "hello"), 6)
    refused(here("run", tmp_path, "hello"), 6)
    refused(smallwright("run", package, given=b"caf\xe9\n"), 7, "UTF-8", "line 1")


def test_a_folder_that_may_not_be_written_is_one_line(home: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be", encoding="utf-8")
    refused(here("build", home / "lamps.yaml", "--out", tmp_path / "taken"), 2, "taken")


def test_evaluate_refuses_labels_that_the_package_does_not_know(package: Path, tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text('{"text": "who are you", "label": "unseen"}\n', encoding="utf-8")
    refused(here("evaluate", package, "--data", tmp_path / "new.jsonl"), 4, "unseen")


def test_sw_run_answers_without_python(package: Path) -> None:
    program = shutil.which("sw-run", path=str(Path(sys.executable).parent)) or shutil.which("sw-run")
    if program is None:
        pytest.skip("sw-run is not installed beside this Python; `make test` installs it")
    asked = "make the hall lamp blue"
    done = subprocess.run([program, str(package), asked], capture_output=True, text=True)
    label = json.loads(smallwright("run", package, asked, "--json").stdout)["label"]
    assert done.returncode == 0
    assert label in done.stdout
    wrong = subprocess.run([program, str(package.parent / "no.gguf"), asked], capture_output=True, text=True)
    assert wrong.returncode != 0
    assert len(wrong.stderr.strip().splitlines()) == 1
