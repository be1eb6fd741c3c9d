"""The four decoders that are measured: random weights of real shapes.

Enters: a name. Leaves: a Hugging Face folder with weights and a tokenizer. Not here: the engines' own files.

Random weights say nothing about quality and everything about speed: no peer's time depends on the values.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smallwright.model import Transformer, save_hf, seeded
from smallwright.spec import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec, NormSpec
from smallwright.tokenizer.train import train_bpe

CONTEXT = 1024  # the longest measured sequence is 512; every engine gets the same room
_TEXT_FILES = 1500


@dataclass(frozen=True)
class Shape:
    """A Llama-shaped decoder with a tied head."""

    width: int
    layers: int
    heads: int
    key_value_heads: int
    feedforward: int
    vocabulary: int

    @property
    def spec(self) -> ModelSpec:
        """The description that the torch reference and the package share."""
        layer = LayerSpec(
            AttentionSpec(self.heads, self.key_value_heads, self.width // self.heads),
            FeedForwardSpec(width=self.feedforward, activation="silu", kind="gated"),
        )
        return ModelSpec(
            width=self.width,
            context=CONTEXT,
            causal=True,
            embedding=EmbeddingSpec(vocabulary=self.vocabulary),
            layers=(layer,) * self.layers,
            heads={"language_model": HeadSpec("language_model", tied=True)},
            norm=NormSpec(kind="rms", epsilon=1e-5, placement="pre"),
            rotary_base=10000.0,
        )

    @property
    def matrix_weights(self) -> int:
        """Weights that every token multiplies: all matrices, the tied head once."""
        key_value = self.width // self.heads * self.key_value_heads
        layer = 2 * self.width * (self.width + key_value) + 3 * self.width * self.feedforward
        return self.layers * layer + self.vocabulary * self.width

    def bytes_per_token(self, bits: float, tokens: float) -> float:
        """Bytes that one decode step must read: the matrices, and f16 keys and values of the tokens before it."""
        key_value = self.width // self.heads * self.key_value_heads
        return self.matrix_weights * bits / 8 + 2 * 2 * self.layers * key_value * tokens


SHAPES = {
    "8M": Shape(width=288, layers=6, heads=6, key_value_heads=6, feedforward=768, vocabulary=8192),
    "55M": Shape(width=512, layers=12, heads=8, key_value_heads=4, feedforward=1536, vocabulary=32768),
    "135M": Shape(width=576, layers=30, heads=9, key_value_heads=3, feedforward=1536, vocabulary=49152),
    "360M": Shape(width=960, layers=32, heads=15, key_value_heads=5, feedforward=2560, vocabulary=49152),
}


def make_checkpoint(name: str, folder: Path) -> None:
    """Write the model and a tokenizer learned from Python's own library, where they are not there yet."""
    if (folder / "tokenizer_config.json").is_file():
        return
    shape = SHAPES[name]
    folder.parent.mkdir(parents=True, exist_ok=True)
    learned = folder.parent / "tokenizer.json"
    train_bpe(_read_texts(), vocabulary=shape.vocabulary).save(str(learned))
    with seeded(0):
        model = Transformer(shape.spec)
    save_hf(model, folder, learned, {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0})
    # Written last: its presence says that the folder is whole.
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", '
        '"unk_token": "<|endoftext|>"}\n',
        encoding="utf-8",
    )


def _read_texts() -> Iterator[str]:
    library = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(path for path in library.rglob("*.py") if "site-packages" not in path.parts)
    for path in files[:_TEXT_FILES]:
        yield path.read_text(encoding="utf-8", errors="ignore")
