"""Files whose container is sound but whose model is not: each way to be wrong has a name, and none is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.parity.tiny_packages import encoder_spec, random_tensors

from smallwright.errors import PackageError
from smallwright.run import load
from smallwright.spec.tensors import list_tensors

Tensors = dict[str, np.ndarray]


def _write(path: Path, change: Callable[[dict[str, Any], Tensors, dict[str, Any]], None]) -> Path:
    """A sound encoder, then ``change``: its ModelSpec as a dict, its tensors by package name, other keys."""
    spec = encoder_spec()
    ours = random_tensors(spec)
    tensors = {tensor.package_name: ours[tensor.name] for tensor in list_tensors(spec)}
    model, keys = json.loads(spec.to_json()), {"architecture": "smallwright"}
    change(model, tensors, keys)
    writer = gguf.GGUFWriter(str(path), keys.pop("architecture"))
    if model:
        writer.add_string("smallwright.model", json.dumps(model) if isinstance(model, dict) else model)
    for key, value in keys.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif isinstance(value, list):
            writer.add_array(key, value)
        else:
            writer.add_uint32(key, value)
    for name, value in tensors.items():
        writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _set(*path: Any, value: Any) -> Callable[[dict[str, Any], Tensors, dict[str, Any]], None]:
    def change(model: dict[str, Any], tensors: Tensors, keys: dict[str, Any]) -> None:
        place: Any = model
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def _drop(*path: Any) -> Callable[[dict[str, Any], Tensors, dict[str, Any]], None]:
    def change(model: dict[str, Any], tensors: Tensors, keys: dict[str, Any]) -> None:
        place: Any = model
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def _tensor(name: str, value: np.ndarray | None) -> Callable[[dict[str, Any], Tensors, dict[str, Any]], None]:
    def change(model: dict[str, Any], tensors: Tensors, keys: dict[str, Any]) -> None:
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value

    return change


def _keys(**values: Any) -> Callable[[dict[str, Any], Tensors, dict[str, Any]], None]:
    def change(model: dict[str, Any], tensors: Tensors, keys: dict[str, Any]) -> None:
        if values.pop("native", False):
            model.clear()
        keys.update({key.replace("__", "."): value for key, value in values.items()})

    return change


MIXER = ("layers", 0, "mixer")
ATTACKS = {
    "missing tensor": (_tensor("blk.1.ffn_up.weight", None), "missing_tensor"),
    "missing bias": (_tensor("blk.0.attn_q.bias", None), "missing_tensor"),
    "narrow matrix": (_tensor("blk.0.attn_q.weight", np.zeros((64, 32), np.float32)), "bad_shape"),
    "short norm": (_tensor("token_embd_norm.weight", np.zeros(63, np.float32)), "bad_shape"),
    "cube": (_tensor("cls.weight", np.zeros((2, 64, 64), np.float32)), "bad_shape"),
    "integer matrix": (_tensor("cls.weight", np.zeros((64, 64), np.int8)), "bad_type"),
    "half norm": (_tensor("token_embd_norm.weight", np.zeros(64, np.float16)), "bad_type"),
    "integer table": (_tensor("token_embd.weight", np.zeros((97, 64), np.int32)), "bad_type"),
    "few positions": (_tensor("position_embd.weight", np.zeros((49, 64), np.float32)), "bad_shape"),
    "labels beyond the head": (_set("heads", "intent", "labels", value=["a"] * 6), "bad_shape"),
    "one label": (_set("heads", "intent", "labels", value=["a"]), "bad_model"),
    "no heads": (_set("heads", value={}), "bad_model"),
    "unknown head": (_set("heads", "intent", "kind", value="tagger"), "bad_model"),
    "no pairs": (_set("embedding", "bigrams", value=0), "bad_model"),
    "too many pairs": (_set("embedding", "bigrams", value=1 << 25), "bad_model"),
    "pairs without a table": (_set("embedding", "bigrams", value=64), "missing_tensor"),
    "mean before a norm that is not there": (_set("heads", "intent", "pooling", value="mean_before_norm"), "bad_model"),
    "unknown pooling": (_set("heads", "intent", "pooling", value="max"), "bad_model"),
    "zero width": (_set("width", value=0), "bad_model"),
    "negative width": (_set("width", value=-64), "bad_model"),
    "huge width": (_set("width", value=2**31), "bad_model"),
    "width beyond integers": (_set("width", value=1e300), "bad_json"),
    "fractional width": (_set("width", value=64.5), "bad_json"),
    "width as text": (_set("width", value="64"), "bad_json"),
    "huge context": (_set("context", value=2**40), "bad_model"),
    "context beyond positions": (_set("context", value=51), "bad_model"),
    "zero heads": (_set(*MIXER, "heads", value=0), "bad_model"),
    "keys that do not divide": (_set(*MIXER, "key_value_heads", value=3), "bad_model"),
    "more keys than heads": (_set(*MIXER, "key_value_heads", value=8), "bad_model"),
    "huge heads": (_set(*MIXER, "head_width", value=2**30), "bad_model"),
    "unknown mixer": (_set(*MIXER, "kind", value="mamba"), "bad_model"),
    "unknown activation": (_set("layers", 0, "feedforward", "activation", value="swish2"), "bad_model"),
    "no layers": (_set("layers", value=[]), "bad_model"),
    "layers as text": (_set("layers", value="many"), "bad_json"),
    "both positions": (_set("rotary_base", value=1e4), "bad_model"),
    "no positions": (_set("embedding", "positions", value=None), "bad_model"),
    "zero epsilon": (_set("norm", "epsilon", value=0), "bad_model"),
    "no norm": (_drop("norm"), "bad_json"),
    "bidirectional speaker": (_set("heads", value={"t": {"kind": "language_model", "tied": True}}), "bad_model"),
    "unknown architecture": (_keys(native=True, architecture="gpt-j"), "unsupported_architecture"),
    "native without keys": (_keys(native=True, architecture="bert"), "missing_key"),
    "bad task": (_keys(smallwright__task="{"), "bad_json"),
    "task that does not fit": (_keys(smallwright__task='{"kind": "generate", "head": "intent"}'), "bad_model"),
    "cold temperature": (_keys(smallwright__calibration__temperature=0.0), "bad_model"),
    "temperature that is no number": (_keys(smallwright__calibration__temperature=float("nan")), "bad_model"),
    "newer format": (_keys(smallwright__format_version=2), "unsupported_format"),
    "format of nobody": (_keys(smallwright__format_version=0), "unsupported_format"),
    "temperature as text": (_keys(smallwright__calibration__temperature="hot"), "wrong_type"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_named(tmp_path: Path, name: str) -> None:
    change, kind = ATTACKS[name]
    with pytest.raises(PackageError) as caught:
        load(_write(tmp_path / "x.gguf", change), threads=1)
    assert caught.value.kind == kind, str(caught.value)
    assert "Got" in str(caught.value) or kind in ("missing_key", "missing_tensor", "bad_json"), str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_model_under_attack_is_sound(tmp_path: Path) -> None:
    with load(_write(tmp_path / "x.gguf", lambda *_: None), threads=1) as package:
        assert package.classify_tokens([[1, 2, 3]]).shape == (1, 5)


def test_native_arrays_of_another_length(tmp_path: Path) -> None:
    keys = {
        "native": True,
        "architecture": "bert",
        "bert__block_count": 2,
        "bert__context_length": 48,
        "bert__embedding_length": 64,
        "bert__feed_forward_length": 128,
        "bert__attention__layer_norm_epsilon": 1e-5,
    }
    for heads, kind in (([4], "bad_model"), ([4, 0], "bad_model"), ([4, 2**31 - 1], "bad_model"), ([4, 4], None)):
        path = _write(tmp_path / "x.gguf", _keys(**keys, bert__attention__head_count=heads))
        if kind is None:
            with load(path, threads=1) as package:
                assert len(package.labels) == 5
            continue
        with pytest.raises(PackageError) as caught:
            load(path)
        assert caught.value.kind == kind
