"""A stage is complete when its card is there, and only then."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from smallwright.pipeline.stage import CARD, BusyError, Stage, exclusive, hash_folder, run_stage, write_atomically


def _stage(run, **changes) -> Stage:
    parts = {"name": "count", "version": 1, "settings": {"to": 3}, "inputs": {"rows": "abc"}}
    return Stage(**{**parts, **changes}, run=run)


def test_runs_once_and_remembers_its_facts(tmp_path: Path) -> None:
    calls = []
    stage = _stage(lambda folder: calls.append(folder) or {"counted": 3})
    first, second = run_stage(tmp_path, stage), run_stage(tmp_path, stage)
    assert len(calls) == 1
    assert (first.ran, second.ran) == (True, False)
    assert dict(second.facts) == {"counted": 3}
    assert second.cost["wall_seconds"] >= 0


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"settings": {"to": 4}}, {"inputs": {"rows": "abd"}}, {"name": "sum"}]
)
def test_anything_that_goes_in_changes_the_key(change: dict) -> None:
    assert _stage(dict).key != _stage(dict, **change).key


def test_a_stage_that_fails_leaves_no_card_and_runs_again(tmp_path: Path) -> None:
    def fail(folder: Path) -> dict:
        (folder / "half.txt").write_text("half")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        run_stage(tmp_path, _stage(fail))
    folder = next(tmp_path.iterdir())
    assert not (folder / CARD).exists()

    seen = []
    outcome = run_stage(tmp_path, _stage(lambda folder: seen.append((folder / "half.txt").read_text()) or {}))
    assert outcome.ran
    assert seen == ["half"], "the stage may continue from what it saved"
    assert json.loads((folder / CARD).read_text())["inputs"] == {"rows": "abc"}


def test_write_atomically_leaves_the_old_text_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud800")
    assert path.read_text() == "old"


def test_folder_hash_sees_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = hash_folder(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = hash_folder(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, hash_folder(tmp_path)}) == 3


def _try_lock(work: str, results) -> None:
    try:
        with exclusive(Path(work)):
            results.put("entered")
    except BusyError as error:
        results.put(str(error))


def test_two_builds_do_not_write_one_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    with exclusive(tmp_path):
        other = context.Process(target=_try_lock, args=(str(tmp_path), results))
        other.start()
        other.join()
        assert "one build at a time" in results.get(timeout=10)
    other = context.Process(target=_try_lock, args=(str(tmp_path), results))
    other.start()
    other.join()
    assert results.get(timeout=10) == "entered"
