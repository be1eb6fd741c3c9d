"""The tokenizer of Llama 2, Mistral and Gemma (SentencePiece's pair merging): the same tokens as llama.cpp."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import pytest
from tests.parity.family_packages import FAMILIES, write_family
from tests.parity.llama_cpp import LlamaCpp, open_library
from tests.properties.tokenizers_made import SENTENCES

from smallwright.errors import PackageError
from smallwright.run import Package, load

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
VOCABULARY = 700
SMALL = replace(FAMILIES["gemma"], width=32, feed_forward=32, heads=(2, 1), head_width=16, vocabulary=VOCABULARY)
ODD = [
    "",
    " ",
    "  a  b ",
    "\n\n",
    "naïve 你好",
    "👩‍👩‍👧 \t x",
    "<0x41>",
    "a<turn>b",
    "<turn> a",
    "</s><s>",
    "▁▁a",
    "aaaaaaaaa",
]


def _pieces(seed: int) -> list[tuple[str, int, float]]:
    """Control tokens, bytes, then pieces of the sentences whose scores have no order and are often equal."""
    source = random.Random(seed)
    out = [("<unk>", UNKNOWN, 0.0), ("<s>", CONTROL, 0.0), ("</s>", CONTROL, 0.0), ("<turn>", CONTROL, 0.0)]
    out += [("\n\n", USER_DEFINED, 0.0)]
    out += [(f"<0x{byte:02X}>", BYTE, 0.0) for byte in range(256)]
    text = "▁" + "▁".join(SENTENCES).replace(" ", "▁")
    pieces = dict.fromkeys(sorted(set(text) - {"z"}))  # a letter that only bytes can spell
    while len(pieces) < VOCABULARY - len(out):
        at = source.randrange(len(text) - 1)
        piece = text[at : at + source.randrange(2, 7)]
        if not any(piece == other for other, _, _ in out):
            pieces.setdefault(piece)
    return out + [(piece, NORMAL, -float(source.randrange(200))) for piece in pieces]


def _write(path: Path, seed: int, **flags: bool) -> None:
    def add(writer: gguf.GGUFWriter) -> None:
        tokens, types, scores = zip(*_pieces(seed), strict=True)
        writer.add_tokenizer_model("llama")
        writer.add_token_list(list(tokens))
        writer.add_token_types(list(types))
        writer.add_token_scores(list(scores))
        for name, value in flags.items():
            writer.add_bool(f"tokenizer.ggml.{name}", value)

    write_family(path, SMALL, {"": "f32"}, tokenizer=add)


@pytest.mark.parametrize(
    "flags", [{}, {"add_space_prefix": False, "add_bos_token": True}, {"add_eos_token": True}], ids=str
)
@pytest.mark.parametrize("seed", [1, 2])
def test_tokens_equal_llama_cpp(tmp_path: Path, seed: int, flags: dict[str, bool]) -> None:
    path = tmp_path / "model.gguf"
    _write(path, seed, **flags)
    source = random.Random(seed)
    mixed = ["".join(source.choices("".join(SENTENCES) + "z  ▁é", k=source.randrange(1, 60))) for _ in range(200)]
    with load(path, threads=1) as package, LlamaCpp(open_library(), path, classifies=False) as theirs:
        for text in [*SENTENCES, *ODD, *mixed]:
            assert package.tokenize(text) == theirs.tokenize(text), ascii(text)


def _plain(package: Package, text: str) -> str:
    return package.detokenize(package.tokenize(text))


@pytest.mark.parametrize("space", [True, False])
def test_texts_come_back(tmp_path: Path, space: bool) -> None:
    path = tmp_path / "model.gguf"
    _write(path, 3, add_space_prefix=space)
    with load(path, threads=1) as package:
        for text in [*SENTENCES, "  two  spaces ", "zebra", "naïve 你好 👩‍👩‍👧"]:
            if not (space and "\n\n" in text):  # the space in front of what follows a token of its own stays
                assert _plain(package, text) == text
        assert package.tokenize("") == [1]
        assert package.tokenize("z", add_special=False)[-1] == 5 + ord("z")
        assert package.detokenize([1, 3, 2]) == ""


def test_only_two_digits_spell_a_byte(tmp_path: Path) -> None:
    """``<0x-6>`` once was a place before the table of bytes; fuzzing found it."""
    odd = ["<0x-6>", "<0x+6>", "<0x 6>", "<0xG0>", "<0x6>", "<0x061>", "<1x06>", "<0x06)"]

    def add(writer: gguf.GGUFWriter) -> None:
        tokens = ["<unk>", "<s>", "</s>", "<0x41>", "<0x6a>", *odd]
        tokens += [f"word{number}" for number in range(VOCABULARY - len(tokens))]
        writer.add_tokenizer_model("llama")
        writer.add_token_list(tokens)
        writer.add_token_types(
            [UNKNOWN, CONTROL, CONTROL, *[BYTE] * (2 + len(odd))] + [NORMAL] * (VOCABULARY - 5 - len(odd))
        )
        writer.add_token_scores([0.0] * VOCABULARY)
        writer.add_bool("tokenizer.ggml.add_space_prefix", False)

    write_family(tmp_path / "model.gguf", SMALL, {"": "f32"}, tokenizer=add)
    with load(tmp_path / "model.gguf", threads=1) as package:
        assert package.tokenize("Aj\x06\xfa", add_special=False) == [3, 4, 0, 0, 0]
        assert package.detokenize([3, 4, 5]) == "Aj<0x-6>"


WRONG: dict[str, Any] = {
    "no scores": lambda writer: writer.add_token_list(["a", "b", "c"]),
    "too few scores": lambda writer: (writer.add_token_list(["a", "b", "c"]), writer.add_token_scores([1.0])),
    "a score that is none": lambda writer: (
        writer.add_token_list(["a", "b", "c"]),
        writer.add_token_scores([1.0, float("nan"), 1.0]),
    ),
    "no room for the end": lambda writer: (writer.add_token_list(["a", "b"]), writer.add_token_scores([1.0, 1.0])),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_way_to_be_wrong_is_named(tmp_path: Path, case: str) -> None:
    path = tmp_path / "model.gguf"

    def add(writer: gguf.GGUFWriter) -> None:
        writer.add_tokenizer_model("llama")
        WRONG[case](writer)

    write_family(path, SMALL, {"": "f32"}, tokenizer=add)
    with pytest.raises(PackageError) as caught:
        load(path)
    assert caught.value.kind == "bad_tokenizer"
    assert "Got" in str(caught.value) and "\n" not in str(caught.value)
