"""GGUF files of the families that people download: the engine answers as llama.cpp does, for every type of tensor.

How far apart two right answers may be. Both engines are asked about the same weights twice, in the type and as float32.

- float32: they differ by arithmetic alone. A logit is reached through P = 7 layers + 1 products of at most K terms; a
  float32 sum of K terms is off by about sqrt(K) 2^-24 of its size, the products add in quadrature, and there are two
  engines; the farthest of some 17,000 logits is 4.2 deviations out; norms and softmax amplify, for which 4 is allowed.
- GELU: llama.cpp reads it from a table in half precision: its input and its output are rounded, by up to 2^-11 of
  themselves each, in every layer.
- the other types: llama.cpp rounds activations to 8 bits, float16 or bfloat16. What that costs is measured, as the
  distance between its answers for the type and for the same weights in float32. Ours rounds independently and not more
  coarsely, so the difference of the two has sqrt(2) of that deviation; 2 is allowed.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.parity.appending import append_in_parts
from tests.parity.family_packages import FAMILIES, TYPES, VOCABULARY, Family, add_bytes, write_family
from tests.parity.llama_cpp import LlamaCpp, open_library
from tests.properties.tokenizers_made import SENTENCES

from smallwright.run import _engine, load

TOKENS = np.random.default_rng(1).integers(0, VOCABULARY, 64).tolist()
FARTHEST = 4.2  # deviations, of 64 x 269 logits
# As llama-quantize mixes them for "Q4_K_M".
MIXED = {
    "": "q4_k",
    "attn_v": "q6_k",
    "ffn_down": "q6_k",
    "token_embd": "q6_k",
    "output": "q6_k",
    "attn_output": "q4_k",
}
ALL_TYPES = {**{name: {"": name} for name in TYPES}, "mixed": MIXED}
ALWAYS = ("llama", "qwen3", "gemma3")  # in every type, the others in three
CASES = [
    pytest.param(family, name, marks=[] if family in ALWAYS or name in ("f32", "q4_k", "q8_0") else pytest.mark.slow)
    for family in FAMILIES
    for name in ALL_TYPES
]

Logits = NDArray[np.float32]


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return open_library()


def _ours(path: Path) -> Logits:
    with load(path, threads=1, kv_bits=32) as package:
        return package.logits(TOKENS)


def _theirs(library: ctypes.CDLL, path: Path) -> Logits:
    with LlamaCpp(library, path, classifies=False) as model:
        return model.logits(TOKENS)


def _arithmetic(family: Family, logits: Logits) -> float:
    """The largest difference that two float32 engines may show (see above)."""
    products = 7 * family.layers + 1
    relative = 4 * np.sqrt(2) * 2**-24 * np.sqrt(family.feed_forward * products)
    if family.architecture.startswith("gemma"):
        relative += np.sqrt(2 * family.layers) * 2**-11
    return float(FARTHEST * relative * logits.std())


def _check_best(ours: Logits, theirs: Logits, tolerance: float) -> None:
    """The best token is the same one, unless two are closer than the tolerance."""
    best = np.sort(theirs, axis=1)
    clear = best[:, -1] - best[:, -2] > tolerance
    assert clear.any()
    np.testing.assert_array_equal(ours.argmax(1)[clear], theirs.argmax(1)[clear])


@pytest.mark.parametrize(("name", "types"), CASES)
def test_answers_as_llama_cpp_does(tmp_path: Path, library: ctypes.CDLL, name: str, types: str) -> None:
    family, path, plain = FAMILIES[name], tmp_path / "typed.gguf", tmp_path / "plain.gguf"
    write_family(plain, family, ALL_TYPES[types], plain=True)
    exact, tolerance = _theirs(library, plain), _arithmetic(family, _theirs(library, plain))
    ours = _ours(plain)
    assert np.abs(ours - exact).max() <= tolerance
    _check_best(ours, exact, tolerance)
    if types == "f32":
        return
    write_family(path, family, ALL_TYPES[types])
    theirs, ours = _theirs(library, path), _ours(path)
    rounding = theirs - exact
    assert rounding.std() < 0.1 * exact.std()  # else the comparison says nothing
    assert (ours - theirs).std() <= 2 * rounding.std() + tolerance
    assert (ours - exact).std() <= 1.5 * rounding.std() + tolerance
    farthest = 2 * float(np.abs(rounding).max()) + tolerance
    assert np.abs(ours - theirs).max() <= farthest
    _check_best(ours, theirs, farthest)


DEEP = {
    "gemma2 of 46 layers": (replace(FAMILIES["gemma2"], layers=46, heads=(3, 1), head_width=64), {}),
    "gemma3 of 62 layers": (replace(FAMILIES["gemma3"], layers=62, heads=(2, 1), head_width=64), {}),
    "gemma3 without windows": (FAMILIES["gemma3"], {"attention__sliding_window": None}),
    "gemma3 with capped logits": (FAMILIES["gemma3"], {"final_logit_softcapping": 2.0}),
    "gemma3 with another local base": (FAMILIES["gemma3"], {"rope__freq_base_swa": 500.0}),
    "gemma3 with every second layer whole": (FAMILIES["gemma3"], {"attention__sliding_window_pattern": 2}),
    "gemma3 with listed layers": (
        FAMILIES["gemma3"],
        {"attention__sliding_window_pattern": [True, False, False] * 2 + [True]},
    ),
    "gemma2 scaled": (FAMILIES["gemma2"], {"rope__scaling__type": "linear", "rope__scaling__factor": 4.0}),
    "gemma2 with defaults": (FAMILIES["gemma2"], {"attn_logit_softcapping": None, "final_logit_softcapping": None}),
    "llama with a factor alone": (FAMILIES["llama"], {"rope__scaling__factor": 4.0}),
    "llama with the old key": (FAMILIES["llama"], {"rope__scale_linear": 4.0}),
    "llama not scaled": (FAMILIES["llama"], {"rope__scaling__type": "none", "rope__scaling__factor": 4.0}),
}


@pytest.mark.parametrize("case", DEEP)
def test_keys_mean_what_llama_cpp_takes_them_for(tmp_path: Path, library: ctypes.CDLL, case: str) -> None:
    family, keys = DEEP[case]
    path = tmp_path / "model.gguf"
    write_family(path, family, {"": "f32"}, **keys)
    exact, ours = _theirs(library, path), _ours(path)
    tolerance = _arithmetic(family, exact)
    assert np.abs(ours - exact).max() <= tolerance
    _check_best(ours, exact, tolerance)


@pytest.mark.parametrize("pre", ["gpt-2", "llama-bpe", "smaug-bpe", "qwen2", "smollm"])
def test_texts_are_cut_as_llama_cpp_cuts_them(tmp_path: Path, library: ctypes.CDLL, pre: str) -> None:
    path = tmp_path / "model.gguf"
    small = replace(FAMILIES["smollm3"], width=32, feed_forward=32, heads=(2, 1), head_width=16)
    write_family(path, small, {"": "f32"}, tokenizer=partial(add_bytes, pre=pre))
    with load(path, threads=1) as package, LlamaCpp(library, path, classifies=False) as theirs:
        for text in [*SENTENCES, "the 1234567 12 HE'S he's  1234\n\n 12", "he12he<|end|>he"]:
            assert package.tokenize(text) == theirs.tokenize(text), ascii(text)


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("gemma2", {"attention__sliding_window": 63}),
    ("gemma2", {"attn_logit_softcapping": 50.0}),
    ("gemma2", {"final_logit_softcapping": 30.0}),
    ("gemma3", {"attention__sliding_window": 17}),
    ("gemma3", {"rope__freq_base_swa": 1e6}),
    ("gemma3", {"rope__freq_base": 10000.0}),
    ("gemma3", {"rope__scaling__factor": 1.0}),
    ("llama_linear", {"rope__scaling__factor": 1.0}),
]


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_every_key_counts(tmp_path: Path, name: str, change: dict[str, Any]) -> None:
    """What the comparisons above would miss if a key changed less than they allow."""
    family = FAMILIES[name]
    write_family(tmp_path / "one.gguf", family, {"": "f32"})
    write_family(tmp_path / "other.gguf", family, {"": "f32"}, **change)
    one, other = _ours(tmp_path / "one.gguf"), _ours(tmp_path / "other.gguf")
    assert np.abs(one - other).max() > 10 * _arithmetic(family, one)


@pytest.mark.parametrize("kv_bits", [8, 16, 32])
@pytest.mark.parametrize("name", ["smollm3", "gemma2", "gemma3"])
def test_logits_do_not_depend_on_splits(tmp_path: Path, name: str, kv_bits: int) -> None:
    """Windows, too, see the same tokens whether these came at once or one by one."""
    path = tmp_path / "model.gguf"
    write_family(path, FAMILIES[name], {"": "q8_0"})
    tokens = np.random.default_rng(2).integers(0, VOCABULARY, 120).astype(np.int32)
    model, expected = _engine.open(str(path)), None
    for threads, splits in ((1, [120]), (3, [1, 1, 5, 20, 60, 33]), (2, [1] * 120)):
        found = append_in_parts(_engine.Session(model, threads, kv_bits), tokens, splits)
        expected = found if expected is None else expected
        np.testing.assert_array_equal(found, expected)
