"""Small tokenizers of every kind that the engine knows, learned in the test from a few sentences.

Enters: a kind. Leaves: a ``tokenizers.Tokenizer`` as a teacher's folder would carry it.
"""

from __future__ import annotations

import functools
import json

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from smallwright.tokenizer.splits import build_split
from smallwright.tokenizer.train import train_wordpiece

SENTENCES = (
    "Please turn on the kitchen lights, and don't turn off the heating in the living room.",
    "What's the weather like in Zürich tomorrow? I'll need 2 umbrellas, or 12345!",
    "transfer 250.75 dollars from checking to savings -- they're low on funds",
    "turning turned turns lights lighting lighter; weathering the kitchen's kitchens",
    "Das Café öffnet um 8:30 Uhr.\n\n  Los geht's!\tWir sind da.",
    "你好 世界, hello world; naïve façade",
    "aaa aaaa aaaaaaa bbb abababab",
)
KINDS = ("gpt2", "llama3", "qwen2", "smollm", "bert_uncased", "bert_cased", "bert_trained")


@functools.cache
def make_json(kind: str, vocabulary: int = 420) -> str:
    """A tokenizer.json of a kind of ``KINDS``; ``bert_trained`` is the one that we train ourselves."""
    if kind == "bert_trained":
        return train_wordpiece(SENTENCES * 2, vocabulary=300).to_str()
    return (make_wordpiece(kind) if kind.startswith("bert") else make_bpe(kind, vocabulary)).to_str()


def make(kind: str) -> Tokenizer:
    return Tokenizer.from_str(make_json(kind))


def make_bpe(split: str, vocabulary: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if split == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    parts = json.loads(tokenizer.to_str())
    parts["pre_tokenizer"] = build_split(split)
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 2, trainer)
    tokenizer.add_special_tokens(
        [AddedToken("<|begin|>", normalized=False), AddedToken("<|endoftext|>", normalized=False)]
    )
    if split == "qwen2":
        tokenizer.add_tokens([AddedToken("<think>", normalized=False)])
    if split == "llama3":
        begin = tokenizer.token_to_id("<|begin|>")
        tokenizer.post_processor = processors.Sequence(
            [
                processors.ByteLevel(),
                processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", begin)]),
            ]
        )
        parts = json.loads(tokenizer.to_str())
        parts["model"]["ignore_merges"] = True
        tokenizer = Tokenizer.from_str(json.dumps(parts))
    return tokenizer


def make_wordpiece(kind: str) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=40))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=kind == "bert_uncased")
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 2, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer
