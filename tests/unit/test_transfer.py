"""The transfer set: made of the training texts' words, never one of them, and the same for the same seed."""

from __future__ import annotations

from smallwright.data.transfer import make_transfer_texts

TEXTS = [f"{verb} the {thing} in the {room}" for verb in ("open", "close", "dim") for thing in ("blinds", "lamp")
         for room in ("kitchen", "bedroom", "attic")]  # fmt: skip


def test_texts_are_new_different_and_reproducible() -> None:
    made = make_transfer_texts(TEXTS, 300, seed=3)
    assert len(made) == len(set(made)) == 300
    assert not {text.casefold() for text in made} & set(TEXTS)
    assert made == make_transfer_texts(list(TEXTS), 300, seed=3)
    assert made != make_transfer_texts(TEXTS, 300, seed=4)


def test_texts_to_avoid_never_come_out() -> None:
    free = make_transfer_texts(TEXTS, 200, seed=0)
    banned = {text.upper() for text in free[:100]}
    made = make_transfer_texts(TEXTS, 200, seed=0, avoid=banned)
    assert len(made) == 200
    assert not {text.casefold() for text in made} & {text.casefold() for text in banned}


def test_they_hold_windows_splices_and_strange_words() -> None:
    made = [text.split() for text in make_transfer_texts(TEXTS, 600, seed=1)]
    known = {word for text in TEXTS for word in text.split()}
    share_known = sum(word in known for text in made for word in text) / sum(len(text) for text in made)
    assert 0.7 < share_known < 0.97  # mostly the domain's words, some misspelt or made up
    short = [text for text in made if len(text) <= 3]
    assert any(" ".join(text) in " ".join(TEXTS) for text in short)
    assert any(text.count("in") > 1 for text in made)  # two ends in one: a splice


def test_little_text_gives_few() -> None:
    assert make_transfer_texts([], 10, seed=0) == []
    assert make_transfer_texts(["  ", ""], 10, seed=0) == []
    assert make_transfer_texts(TEXTS, 0, seed=0) == []
    assert len(make_transfer_texts(["go"], 50, seed=0)) < 50  # nothing but "go" to play with
