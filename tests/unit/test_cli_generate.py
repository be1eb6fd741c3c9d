"""``smallwright run`` on a generating package: its options reach the engine, its errors are one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.test_package import decoder, write

from smallwright.cli import main
from smallwright.run import load

PROMPT = "turn on the"


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("cli") / "text.gguf", decoder(context=256), "gpt2").path


def _run(path: Path, *options: str) -> None:
    main(["run", str(path), PROMPT, "--threads", "1", *options])


def test_options_reach_the_engine(speaker: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    schema, grammar = tmp_path / "schema.json", tmp_path / "grammar.lark"
    schema.write_text('{"enum": ["yes", "no"]}', encoding="utf-8")
    grammar.write_text('start: "on" | "off"', encoding="utf-8")
    with load(speaker, threads=1) as package:
        whole = package.generate(PROMPT, 20)
        penalized = package.generate(PROMPT, 20, repetition_penalty=1.5)
    for options, expected in (
        (["--max-tokens", "20"], [whole]),
        (["--max-tokens", "20", "--repetition-penalty", "1.5"], [penalized]),
        (["--max-tokens", "20", "--stop", whole[4:6], "--stop", "never"], [whole[: whole.index(whole[4:6])]]),
        (["--schema", str(schema)], ['"yes"', '"no"']),
        (["--grammar", str(grammar)], ["on", "off"]),
        (["--regex", "[0-9]{3}", "--temperature", "1", "--min-p", "0.5"], None),
        (["--choice", "red", "--choice", "green"], ["red", "green"]),
    ):
        _run(speaker, *options)
        told = capsys.readouterr().out.removesuffix("\n")
        assert told in expected if expected else len(told) == 3 and told.isdigit()


def test_json_tells_the_ending_and_the_confidence(speaker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(speaker, "--max-tokens", "5", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["ending"] == "max_tokens"
    assert 0 < told["least_confidence"] <= told["confidence"] < 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--schema", "nothing.json"], "nothing.json"),
        (["--regex", "("], "must compile"),
        (["--regex", "a", "--choice", "b"], "one constraint"),
        (["--regex", "[a-z]{90}", "--max-tokens", "5"], "must be whole"),
        (["--stop", ""], "stop string"),
    ],
)
def test_errors_are_one_line(speaker: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        _run(speaker, *options)
    told = capsys.readouterr()
    assert caught.value.code == 7
    assert told.err.count("\n") == 1 and words in told.err
    assert told.out == ""
