"""Laws of trimming: covered text keeps its pieces, every text still encodes, trimming twice is trimming once."""

from __future__ import annotations

import functools
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.tokenizers_made import KINDS, SENTENCES, make
from tokenizers import Tokenizer

from smallwright.tokenizer.describe import describe
from smallwright.tokenizer.trim import trim

WORDS = [*sorted({word for sentence in SENTENCES for word in sentence.split()}), "<|endoftext|>", "[SEP]", "zzz", "Ÿ"]
SOUP = st.lists(st.sampled_from([*WORDS, " ", "\n", "kitch", "ening", "12", "ab", "!"]), max_size=8).map("".join)
PROSE = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
ANYTHING = st.one_of(PROSE, SOUP, st.text(max_size=40))
BPE_KINDS = tuple(kind for kind in KINDS if not kind.startswith("bert"))


@functools.cache
def _trimmed(kind: str, seen: int) -> tuple[Tokenizer, Tokenizer, np.ndarray]:
    tokenizer = make(kind)
    return tokenizer, *trim(tokenizer, SENTENCES[:seen])


@pytest.mark.parametrize("kind", KINDS)
@given(text=ANYTHING, seen=st.integers(0, 4))
@settings(max_examples=150, deadline=None)
def test_covered_text_encodes_to_the_same_pieces(kind: str, text: str, seen: int) -> None:
    old, new, kept = _trimmed(kind, seen)
    before = old.encode(text)
    after = new.encode(text)
    if set(before.ids) <= set(kept.tolist()):
        assert after.tokens == before.tokens
        assert kept[after.ids].tolist() == before.ids
    assert all(0 <= token < len(kept) for token in after.ids)


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(ANYTHING, max_size=5))
@settings(max_examples=60, deadline=None)
def test_the_texts_themselves_are_covered_and_trimming_again_changes_nothing(kind: str, texts: list[str]) -> None:
    old = make(kind)
    new, kept = trim(old, texts)
    for text in texts:
        assert new.encode(text).tokens == old.encode(text).tokens
    again, still = trim(new, texts)
    assert still.tolist() == list(range(len(kept)))
    assert again.to_str() == new.to_str()


@pytest.mark.parametrize("kind", BPE_KINDS)
@given(text=st.text(max_size=60), seen=st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_every_text_still_decodes_to_itself(kind: str, text: str, seen: int) -> None:
    _, new, _ = _trimmed(kind, seen)
    text = new.normalizer.normalize_str(text) if new.normalizer else text
    assert new.decode(new.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("kind", KINDS)
def test_min_count_and_keep_first(kind: str) -> None:
    tokenizer = make(kind)
    _, everything = trim(tokenizer, SENTENCES)
    _, often = trim(tokenizer, SENTENCES, min_count=3)
    _, nothing = trim(tokenizer, [])
    assert set(nothing.tolist()) <= set(often.tolist()) < set(everything.tolist())
    whole, first = trim(tokenizer, [], keep_first=10_000)
    size = len(describe(tokenizer).vocabulary) - len(describe(tokenizer).spec.literal)
    assert len(first) >= size
    assert whole.encode(SENTENCES[0]).tokens == tokenizer.encode(SENTENCES[0]).tokens
    some = size * 3 // 4
    assert set(range(some)) <= set(trim(tokenizer, [], keep_first=some)[1].tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_and_template_survive(kind: str) -> None:
    tokenizer = make(kind)
    old = describe(tokenizer)
    trimmed, kept = trim(tokenizer, SENTENCES[:1])
    new = describe(trimmed)
    assert len(kept) < len(old.vocabulary)
    for ours, theirs in (
        (new.spec.prefix, old.spec.prefix),
        (new.spec.suffix, old.spec.suffix),
        (new.spec.special, old.spec.special),
    ):
        assert kept[list(ours)].tolist() == list(theirs)
    assert new.vocabulary == tuple(old.vocabulary[token] for token in kept)
    for role in ("bos", "eos", "sep", "pad", "cls", "mask", "unknown"):
        ours, theirs = getattr(new, role), getattr(old, role)
        assert (None if ours is None else int(kept[ours])) == theirs


@pytest.mark.parametrize("kind", ["bert_uncased", "bert_cased"])
def test_wordpiece_keeps_the_characters_that_spell_unseen_words(kind: str) -> None:
    old = make(kind)
    new, _ = trim(old, ["世"])
    spellings = [text for character in (*string.printable, "世") for text in (character, f"##{character}")]
    for spelling in spellings:
        assert (new.token_to_id(spelling) is None) == (old.token_to_id(spelling) is None)
    assert new.token_to_id("界") is None
    assert new.encode("heating", add_special_tokens=False).tokens == ["h", *(f"##{letter}" for letter in "eating")]
    assert new.encode("界", add_special_tokens=False).tokens == ["[UNK]"]
