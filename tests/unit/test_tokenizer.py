"""Training, loading, describing and encoding: what is accepted, what is refused and how that reads."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tests.properties.tokenizers_made import SENTENCES, make, make_json
from tokenizers import Tokenizer

from smallwright.errors import CheckpointError, DataError, RecipeError
from smallwright.tokenizer.describe import CONTROL, NORMAL, UNUSED, USER_DEFINED, describe
from smallwright.tokenizer.encode import encode_texts
from smallwright.tokenizer.load import load_roles, load_tokenizer
from smallwright.tokenizer.settings import TokenizerSettings
from smallwright.tokenizer.splits import LLAMA3_PATTERN
from smallwright.tokenizer.train import train_bpe, train_wordpiece
from smallwright.tokenizer.trim import trim

Change = Callable[[dict[str, Any]], None]
UNIGRAM = {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 0}
TEXT, SECOND = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}
TWICE = {"type": "TemplateProcessing", "single": [TEXT, TEXT], "pair": [TEXT, SECOND], "special_tokens": {}}


def _folder(tmp_path: Path, kind: str, change: Change = lambda parts: None) -> Path:
    parts = json.loads(make_json(kind))
    change(parts)
    (tmp_path / "tokenizer.json").write_text(json.dumps(parts), encoding="utf-8")
    return tmp_path


def test_training_keeps_bytes_and_specials_and_is_deterministic() -> None:
    tokenizer = train_bpe(SENTENCES, vocabulary=300, special=("<|endoftext|>", "<|start|>"), prefix=("<|start|>",))
    assert tokenizer.get_vocab_size() == 300
    assert (
        tokenizer.to_str()
        == train_bpe(
            iter(SENTENCES), vocabulary=300, special=("<|endoftext|>", "<|start|>"), prefix=("<|start|>",)
        ).to_str()
    )
    description = describe(tokenizer)
    assert (description.spec.split, description.spec.prefix, description.spec.special) == ("gpt2", (1,), (0, 1))
    assert (description.eos, description.bos) == (0, 1)
    for text in (*SENTENCES, "\x00\U0001f600 \u0301x", ""):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids) == text


@pytest.mark.parametrize("learn", ["train_bpe", "train_wordpiece"])
def test_training_does_not_depend_on_threads(learn: str) -> None:
    program = (
        f"from smallwright.tokenizer.train import {learn} as learn; import hashlib\n"
        "texts = [f'{a} {b} word{a*b}' for a in range(40) for b in range(40)]\n"
        "print(hashlib.sha256(learn(texts, vocabulary=900).to_str().encode()).hexdigest())"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "3", "4")
    }
    assert len(hashes) == 1


def test_a_trained_wordpiece_reads_all_of_ascii_and_forgets_case() -> None:
    tokenizer = train_wordpiece(SENTENCES, vocabulary=300)
    assert tokenizer.get_vocab_size() <= 300
    spec = describe(tokenizer).spec
    assert (spec.model, spec.lowercase, spec.unknown, spec.special, spec.prefix) == ("wordpiece", True, 0, (0, 1), (1,))
    printable = [chr(code) for code in range(33, 127)]
    for text in (*printable, *(f"0{character}" for character in printable), "".join(printable)):
        assert 0 not in tokenizer.encode(text).ids, text
    turn = tokenizer.encode("turn on the kitchen lights").ids
    assert tokenizer.encode("TURN  on the Kitchen\tLíghts").ids == turn
    assert tokenizer.encode("please turn on the kitchen lights").ids[1 - len(turn) :] == turn[1:]
    assert tokenizer.encode("q\u4e16").tokens == ["[CLS]", "q", "世"]
    assert tokenizer.encode("\u0416").ids == [1, 0]
    assert tokenizer.encode("").ids == [1]


def test_a_trained_wordpiece_has_room_for_ascii_at_least() -> None:
    with pytest.raises(RecipeError, match=r"Got 100 in tokenizer.vocabulary. Use 138 or more"):
        train_wordpiece(SENTENCES, vocabulary=100)


def test_training_refuses_a_vocabulary_below_the_bytes() -> None:
    with pytest.raises(RecipeError, match=r"256 bytes and 1 special tokens. Got 256 in tokenizer.vocabulary. Use 257"):
        train_bpe(SENTENCES, vocabulary=256)
    with pytest.raises(RecipeError, match=r"prefix and suffix must be special tokens. Got '\[CLS\]'"):
        train_bpe(SENTENCES, vocabulary=300, prefix=("[CLS]",))


def test_describes_each_kind() -> None:
    gpt2, llama3, qwen2, smollm = (describe(make(kind)) for kind in ("gpt2", "llama3", "qwen2", "smollm"))
    assert [one.spec.split for one in (gpt2, llama3, qwen2, smollm)] == ["gpt2", "llama3", "qwen2", "smollm"]
    assert (llama3.spec.ignore_merges, llama3.spec.prefix, llama3.bos) == (True, (420,), 420)
    assert (qwen2.spec.normalize, qwen2.spec.special, qwen2.spec.literal, qwen2.eos) == ("nfc", (420, 421), (422,), 421)
    assert [qwen2.types[token] for token in (0, 421, 422)] == [NORMAL, CONTROL, USER_DEFINED]
    assert (gpt2.spec.prefix, gpt2.spec.suffix, gpt2.bos) == ((), (), None)
    bert = describe(make("bert_uncased"))
    assert bert.spec.model == "wordpiece"
    assert (bert.spec.lowercase, bert.spec.strip_accents, bert.spec.clean_text, bert.spec.split_cjk) == (True,) * 4
    assert (bert.spec.unknown, bert.spec.prefix, bert.spec.suffix, bert.spec.max_word_chars) == (1, (2,), (3,), 40)
    assert (bert.cls, bert.sep, bert.pad, bert.mask, bert.merges) == (2, 3, 0, 4, ())
    assert describe(make("bert_cased")).spec.strip_accents is False


def test_holes_in_the_numbering_are_unused() -> None:
    parts = json.loads(make_json("bert_uncased"))
    vocabulary = parts["model"]["vocab"]
    last = max(vocabulary, key=vocabulary.__getitem__)
    vocabulary[last] += 2
    description = describe(Tokenizer.from_str(json.dumps(parts)))
    assert description.types[-3:] == (UNUSED, UNUSED, NORMAL)
    assert len(set(description.vocabulary)) == len(description.vocabulary)


def test_loading_switches_padding_and_truncation_off(tmp_path: Path) -> None:
    tokenizer = make("bert_uncased")
    tokenizer.enable_padding(length=16)
    tokenizer.enable_truncation(max_length=4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    for place in (tmp_path, tmp_path / "tokenizer.json"):
        loaded = load_tokenizer(place)
        assert loaded.padding is None
        assert loaded.truncation is None
    assert len(loaded.encode(SENTENCES[0]).ids) > 4


def _set(*keys: str, value: object) -> Change:
    def change(parts: dict[str, Any]) -> None:
        for key in keys[:-1]:
            parts = parts[key]
        parts[keys[-1]] = value

    return change


def _flag_added(name: str) -> Change:
    def change(parts: dict[str, Any]) -> None:
        parts["added_tokens"][0][name] = True

    return change


def _lose_a_byte(parts: dict[str, Any]) -> None:
    del parts["model"]["vocab"]["Ā"]
    parts["model"]["merges"] = []


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("gpt2", _set("model", value=UNIGRAM), "the model .* Got 'Unigram'"),
        ("gpt2", _set("pre_tokenizer", value={"type": "Whitespace"}), "the pre-tokenizer .* pattern of GPT-2"),
        ("gpt2", _set("pre_tokenizer", value=None), "the pre-tokenizer"),
        ("gpt2", _set("pre_tokenizer", "use_regex", value=False), "the pre-tokenizer"),
        ("gpt2", _set("normalizer", value={"type": "Lowercase"}), "the normalizer of a BPE .* Got ..Lowercase"),
        ("gpt2", _set("decoder", value=None), "the decoder"),
        ("gpt2", _set("model", "dropout", value=0.1), "dropout of the BPE model"),
        ("gpt2", _set("model", "byte_fallback", value=True), "byte_fallback"),
        ("gpt2", _set("model", "end_of_word_suffix", value="</w>"), "end_of_word_suffix"),
        ("gpt2", _lose_a_byte, "one without 1 of the 256 bytes"),
        ("llama3", _set("post_processor", value=TWICE), "the template"),
        ("bert_uncased", _set("normalizer", value=None), "the normalizer of a WordPiece"),
        ("bert_uncased", _set("pre_tokenizer", value={"type": "Whitespace"}), "the pre-tokenizer of a WordPiece"),
        ("bert_uncased", _set("model", "continuing_subword_prefix", value="@@"), "continuation prefix .* Got '@@'"),
        ("bert_uncased", _set("model", "unk_token", value="<unk>"), "unknown token of WordPiece"),
        ("bert_uncased", _set("model", "vocab", "##\u2581x", value=900), "a piece"),
        ("bert_uncased", _flag_added("lstrip"), r"lstrip of the added token '\[PAD\]'"),
        ("bert_uncased", _flag_added("normalized"), "normalized of the added token"),
    ],
)  # fmt: skip
def test_refuses_by_name(tmp_path: Path, kind: str, change: Change, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        load_tokenizer(_folder(tmp_path, kind, change))
    assert "\n" not in str(caught.value)


def test_unreadable_files_give_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"must hold its tokenizer.json. Got none at .*save_pretrained"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{not json")
    with pytest.raises(CheckpointError, match="readable by the tokenizers library"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(b"\xff\xfe")
    with pytest.raises(CheckpointError, match="UTF-8"):
        load_tokenizer(tmp_path)


def test_roles_come_from_the_folder(tmp_path: Path) -> None:
    _folder(tmp_path, "qwen2")
    assert load_roles(tmp_path) == {}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"eos_token": {"content": "<|begin|>"}}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<|endoftext|>", "bos_token": None}))
    roles = load_roles(tmp_path)
    assert roles == {"eos": "<|begin|>", "pad": "<|endoftext|>"}
    description = describe(load_tokenizer(tmp_path), roles)
    assert (description.eos, description.pad, description.bos) == (420, 421, None)
    with pytest.raises(CheckpointError, match=r"the eos token .* one of the added tokens. Got 'turn'"):
        describe(load_tokenizer(tmp_path), {"eos": "turn"})


def test_encoding_puts_specials_around_and_cuts_at_the_end() -> None:
    tokenizer = make("bert_uncased")
    whole = tokenizer.encode(SENTENCES[0]).ids
    plain, cut, empty = encode_texts(tokenizer, [SENTENCES[0], SENTENCES[0], ""], max_tokens=len(whole))
    assert plain.dtype == np.int32
    assert plain.tolist() == cut.tolist() == whole
    assert empty.tolist() == [2, 3]
    (short,) = encode_texts(tokenizer, [SENTENCES[0]], max_tokens=7)
    assert short.tolist() == [*whole[:6], 3]
    truncated = make("bert_uncased")
    truncated.enable_truncation(7)
    assert short.tolist() == truncated.encode(SENTENCES[0]).ids
    with pytest.raises(DataError, match=r"room for text beside 2 special tokens. Got 2"):
        encode_texts(tokenizer, ["a"], max_tokens=2)


def test_trimmed_teacher_encodes_training_text_as_before() -> None:
    tokenizer = make("bert_uncased")
    trimmed, kept = trim(tokenizer, SENTENCES)
    before = encode_texts(tokenizer, SENTENCES, max_tokens=64)
    after = encode_texts(trimmed, SENTENCES, max_tokens=64)
    for old, new in zip(before, after, strict=True):
        assert kept[new].tolist() == old.tolist()


def test_settings_refuse_what_they_do_not_know() -> None:
    assert TokenizerSettings().kind == "train"
    for wrong in ({"kind": "borrow"}, {"vocabulary": 100}, {"min_count": 0}, {"vocab": 5000}):
        with pytest.raises(ValidationError):
            TokenizerSettings(**wrong)


def test_describes_what_transformers_makes() -> None:
    transformers = pytest.importorskip("transformers")
    bpe = json.loads(make_json("gpt2"))["model"]
    merges = [tuple(merge) for merge in bpe["merges"]]
    for name, split, normalize in (("Qwen2Tokenizer", "qwen2", "nfc"), ("GPT2Tokenizer", "gpt2", None)):
        made = getattr(transformers, name)(vocab=dict(bpe["vocab"]), merges=merges).backend_tokenizer
        description = describe(made)
        assert (description.spec.split, description.spec.normalize) == (split, normalize)
        assert description.vocabulary[description.eos or 0] == "<|endoftext|>"
    bert = transformers.BertTokenizer(vocab=json.loads(make_json("bert_uncased"))["model"]["vocab"])
    spec = describe(bert.backend_tokenizer).spec
    assert (spec.lowercase, spec.strip_accents, spec.prefix, spec.suffix) == (True, True, (2,), (3,))
    converter = importlib.import_module("transformers.convert_slow_tokenizer").TikTokenConverter
    assert LLAMA3_PATTERN in inspect.signature(converter.__init__).parameters["pattern"].default
