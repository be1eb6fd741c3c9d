"""Small valid packages to mutate: both tasks, every type of tensor, three tokenizers, our keys and llama.cpp's."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

from tests.attacks.mutations import put, read_layout
from tests.parity.family_packages import FAMILIES, write_family
from tests.unit.test_package import decoder, encoder, write

from smallwright.spec.formats import PLANE_FORMATS

ALIGNMENT = 64
# Columns are 256 but for attn_output and ffn_down, where they are 32.
FAMILY_TYPES = {
    "gemma2": {"": "q4_k", "attn_k": "bf16", "attn_output": "q5_1", "ffn_down": "iq4_nl"},
    "gemma3": {"": "q5_k", "attn_v": "q6_k", "attn_output": "q4_1", "ffn_down": "q8_0"},
    "smollm3": {"": "q6_k", "attn_q": "q4_k", "ffn_up": "f16", "attn_output": "q5_0", "ffn_down": "bf16"},
}


def write_packages(folder: Path) -> list[Path]:
    write(folder / "bert_q8.gguf", encoder(300), "bert_uncased", "q8_0")
    write(folder / "decoder_q4.gguf", decoder(430), "gpt2", "q4_0")
    for format in PLANE_FORMATS:
        write(folder / f"{format}.gguf", decoder(430), "gpt2", format)
    write(folder / "qwen_f16.gguf", decoder(430, mixer={"bias": True}), "qwen2", "f16")
    (folder / "native_f32.gguf").write_bytes(_without_our_keys(folder, decoder(430), "llama3"))
    (folder / "native_bert.gguf").write_bytes(_without_our_keys(folder, encoder(300), "bert_cased"))
    for name, types in FAMILY_TYPES.items():
        small = replace(FAMILIES[name], layers=4, feed_forward=32, heads=(2, 1), head_width=16)
        keys = {} if name == "smollm3" else {"attention__sliding_window": 4, "attention__sliding_window_pattern": 2}
        write_family(folder / f"{name}.gguf", small, types, **keys)
    return sorted(folder.glob("*.gguf"))


def _without_our_keys(folder: Path, spec: object, kind: str) -> bytes:
    path = folder / "ours.bin"
    write(path, spec, kind, "f32")
    data = path.read_bytes()
    layout = read_layout(data)
    starts = sorted([*layout.keys.values(), min(layout.tensors.values())])
    ends = dict(itertools.pairwise(starts))
    ours = [start for key, start in layout.keys.items() if key.startswith("smallwright.")]
    header = data[: layout.header_end]
    for start in sorted(ours, reverse=True):
        header = header[:start] + header[ends[start] :]
    header = put(header, 16, 8, len(layout.keys) - len(ours))
    tensors = data[(layout.header_end + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT :]
    return header + bytes(-len(header) % ALIGNMENT) + tensors
