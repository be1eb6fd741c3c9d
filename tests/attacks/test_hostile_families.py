"""Files of other people's families whose keys say what no such model has: each way to be wrong has a name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf.constants import GGML_QUANT_SIZES
from tests.attacks.mutations import read_layout
from tests.parity.family_packages import FAMILIES, TYPES, type_of, write_family
from tests.parity.tiny_packages import finish

from smallwright.errors import PackageError
from smallwright.run import load

SMALL = {"layers": 4, "width": 32, "feed_forward": 32, "heads": (2, 1), "head_width": 16}
ATTACKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "yarn": ("llama", {"rope__scaling__type": "yarn"}, "unsupported_rope"),
    "longrope": ("gemma3", {"rope__scaling__type": "longrope"}, "unsupported_rope"),
    "scaling of nobody": ("llama", {"rope__scaling__type": "x" * 50}, "unsupported_rope"),
    "a factor below 0": ("llama", {"rope__scaling__factor": -2.0}, "bad_model"),
    "a factor that is no number": ("llama", {"rope__scaling__factor": float("nan")}, "bad_model"),
    "a factor as text": ("llama", {"rope__scaling__factor": "4"}, "wrong_type"),
    "half a head rotated": ("llama", {"rope__dimension_count": 8}, "unsupported_rope"),
    "scaled by position": ("mistral3", {"attention__temperature_scale": 0.1}, "unsupported_rope"),
    "base 0": ("smollm3", {"rope__freq_base": 0.0}, "bad_model"),
    "local base below 0": ("gemma3", {"rope__freq_base_swa": -1.0}, "bad_model"),
    "a window of 0": ("gemma2", {"attention__sliding_window": 0}, "bad_model"),
    "a window beyond any text": ("gemma3", {"attention__sliding_window": 2**32 - 1}, "bad_model"),
    "scores capped at 0": ("gemma2", {"attn_logit_softcapping": 0.0}, "bad_model"),
    "scores capped at infinity": ("gemma2", {"attn_logit_softcapping": float("inf")}, "bad_model"),
    "logits capped below 0": ("gemma3", {"final_logit_softcapping": -30.0}, "bad_model"),
    "logits capped at 0": ("gemma2", {"final_logit_softcapping": 0.0}, "bad_model"),
    "too few layers listed": ("gemma3", {"attention__sliding_window_pattern": [True, False]}, "bad_model"),
    "layers listed as numbers": ("gemma3", {"attention__sliding_window_pattern": [6, 6, 6, 6]}, "wrong_type"),
    "layers listed as text": ("gemma3", {"attention__sliding_window_pattern": "6"}, "wrong_type"),
    "keys wider than values": ("gemma", {"attention__value_length": 8}, "bad_model"),
    "windows to both sides": ("gemma3", {"attention__causal": False}, "bad_model"),
    "heads of odd width": ("gemma", {"attention__key_length": 15, "attention__value_length": 15}, "bad_model"),
    "heads wider than the tensors": (
        "gemma",
        {"attention__key_length": 32, "attention__value_length": 32},
        "bad_shape",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_named(tmp_path: Path, name: str) -> None:
    family, keys, kind = ATTACKS[name]
    path = tmp_path / "model.gguf"
    write_family(path, replace(FAMILIES[family], **SMALL), {"": "f32"}, **keys)
    with pytest.raises(PackageError) as caught:
        load(path, threads=1)
    assert caught.value.kind == kind, str(caught.value)
    assert "Got" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_models_under_attack_are_sound(tmp_path: Path, family: str) -> None:
    path = tmp_path / "model.gguf"
    write_family(path, replace(FAMILIES[family], **SMALL), {"": "f32"}, rope__dimension_count=None)
    with load(path, threads=1) as package:
        assert package.logits([1, 2, 3]).shape[0] == 3


@pytest.mark.parametrize("name", TYPES)
def test_tensors_have_the_size_of_their_type(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.gguf"
    columns, size = GGML_QUANT_SIZES[type_of(name)]
    writer = gguf.GGUFWriter(str(path), "none")
    rows = np.zeros((7, 512 // columns * size), np.uint8)
    writer.add_tensor("one", rows, raw_dtype=type_of(name))
    finish(writer)
    data = path.read_bytes()
    end = (read_layout(data).header_end + 31) // 32 * 32 + rows.size
    for length, kind in ((end, "unsupported_architecture"), (end - 1, "truncated")):
        path.write_bytes(data[:length])
        with pytest.raises(PackageError) as caught:
            load(path)
        assert caught.value.kind == kind
