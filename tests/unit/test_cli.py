"""The command line alone: what it reads, how it refuses, and how little it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.test_package import decoder, encoder, write

from smallwright.cli import main

ROOT = Path(__file__).resolve().parents[2]
VERBS = ("build", "compress", "demo", "run", "prepare", "inspect", "evaluate", "doctor", "bench")


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("cli") / "text.gguf", decoder(context=64), "gpt2").path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("cli") / "classes.gguf", encoder(), "bert_uncased").path


def _status(*arguments: object) -> object:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return left.value.code


def test_alone_it_shows_its_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert _status() == 2
    alone = capsys.readouterr().out
    assert _status("--help") == 0
    assert capsys.readouterr().out == alone
    assert all(f"\n    {verb} " in alone for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_verb_has_help(verb: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _status(verb, option) == 0
    assert capsys.readouterr().out.startswith(f"usage: smallwright {verb} ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nope",), "invalid choice: 'nope'"),
        (("--nope",), "unrecognized arguments: --nope"),
        (("run",), "required: FILE"),
        (("evaluate", "x.gguf"), "required: --data"),
        (("inspect", "x.gguf", "more"), "unrecognized arguments: more"),
        (("run", "x.gguf", "--nope"), "unrecognized arguments: --nope"),
        (("run", "x.gguf", "--seed"), "--seed: expected one argument"),
        (("run", "x.gguf", "--max", "3"), "unrecognized arguments: --max 3"),  # an option is written in full
        (("run", "x.gguf", "--top", "0"), "--top: must be a whole number, 1 or more. Got '0'"),
        (("run", "x.gguf", "--top", "1.5"), "--top: must be a whole number, 1 or more. Got '1.5'"),
        (("run", "x.gguf", "--top-p", "1.5"), "--top-p: must be a number, 0 to 1. Got '1.5'"),
        (("run", "x.gguf", "--temperature", "nan"), "--temperature: must be a number, 0 or more. Got 'nan'"),
        (("run", "x.gguf", "--temperature", "-1"), "--temperature: must be a number, 0 or more. Got '-1'"),
        (("bench", "x.gguf", "--repeats", "1001"), "--repeats: must be a whole number, 1 to 1000. Got '1001'"),
        (("run", "x.gguf", "--two\nlines"), "unrecognized arguments: --two lines"),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _status(*arguments) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    assert told.err.startswith("smallwright: ") and words in told.err and "--help" in told.err


def test_a_text_may_follow_an_option_or_look_like_one(classifier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", str(classifier), "turn on", "--top", "3"])
    answer = capsys.readouterr().out
    assert answer.count("%") == 3
    for arguments in (("--top", "3", "turn on"), ("--top=3", "--", "turn on")):
        main(["run", str(classifier), *arguments])
        assert capsys.readouterr().out == answer
    main(["run", str(classifier), "--", "turn on", "--json"])
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("values", [("distill.epochs=2", "distill.epoch=3"), ("distill.epoch=3", "distill.epochs=2")])
def test_a_repeated_option_counts_every_time(
    values: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: r\ntask: {kind: classify}\ndata: {train: rows.jsonl}\n", encoding="utf-8")
    assert _status("build", recipe, "--set", values[0], "--set", values[1], "--plan") == 3
    assert "'epoch'" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_silent(speaker: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "smallwright", "inspect", str(speaker)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait() == 1


def test_generating_text_loads_no_arrays(speaker: Path) -> None:
    code = (
        "import sys; from smallwright.cli import main; main(sys.argv[1:]); print(*sorted(sys.modules), file=sys.stderr)"
    )
    for options in ([], ["--json"], ["--temperature", "1"]):
        done = subprocess.run(
            [sys.executable, "-c", code, "run", str(speaker), "turn on the", "--max-tokens", "4", *options],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        assert done.stdout.strip()
        loaded = set(done.stderr.split())
        assert "smallwright.run" in loaded
        assert not loaded & {"numpy", "typer", "pydantic", "rich", "torch"}
