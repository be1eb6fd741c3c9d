"""A tokenizer learned from the domain's own text.

Enters: texts. Leaves: a ``tokenizers.Tokenizer``: a byte-level BPE, by which every string decodes to itself, or an
uncased WordPiece, by which a word is the same tokens wherever it stands and however it is written.
Not here: reading files, and a teacher's tokenizer.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE, WordPiece
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer, WordPieceTrainer

from smallwright.errors import RecipeError
from smallwright.tokenizer.settings import TokenizerSettings

END_OF_TEXT = "<|endoftext|>"
UNKNOWN, START = "[UNK]", "[CLS]"
BYTES = 256
_SPECIAL = tuple(AddedToken(token, special=True, normalized=False) for token in (UNKNOWN, START))
_ASCII = string.ascii_lowercase + string.digits + string.punctuation


def train_tokenizer(texts: Iterable[str], settings: TokenizerSettings) -> Tokenizer:
    """Learn the tokenizer that the settings ask for."""
    learn = train_bpe if settings.model == "bpe" else train_wordpiece
    return learn(texts, vocabulary=settings.vocabulary)


def train_bpe(
    texts: Iterable[str],
    *,
    vocabulary: int,
    special: Sequence[str] = (END_OF_TEXT,),
    prefix: Sequence[str] = (),
    suffix: Sequence[str] = (),
    min_count: int = 2,
) -> Tokenizer:
    """Learn a byte-level BPE with GPT-2's split.

    Args:
        texts: the training texts; the same texts give the same tokenizer.
        vocabulary: the most tokens; at least the 256 bytes and the special tokens. Little text gives fewer.
        special: special tokens, numbered first.
        prefix, suffix: those of ``special`` put before and after an input.
        min_count: a pair must occur this often to become a token.
    Returns:
        The tokenizer.
    Raises:
        RecipeError: ``vocabulary`` is too small, or prefix or suffix names no special token.
    """
    if vocabulary < BYTES + len(special):
        raise RecipeError(
            f"a byte-level vocabulary holds {BYTES} bytes and {len(special)} special tokens. Got {vocabulary} in "
            f"tokenizer.vocabulary. Use {BYTES + len(special)} or more."
        )
    strangers = [token for token in (*prefix, *suffix) if token not in special]
    if strangers:
        raise RecipeError(
            f"prefix and suffix must be special tokens. Got {strangers[0]!r}. Add it to the special ones."
        )
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=min_count,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in special],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if prefix or suffix:
        tokenizer.post_processor = TemplateProcessing(
            single=[*prefix, "$A", *suffix],
            special_tokens=[(token, tokenizer.token_to_id(token)) for token in dict.fromkeys((*prefix, *suffix))],
        )
    return tokenizer


def train_wordpiece(texts: Iterable[str], *, vocabulary: int, min_count: int = 2) -> Tokenizer:
    """Learn an uncased WordPiece with BERT's normaliser and split: no case, no accents, no token for a space.

    Args:
        texts: the training texts; the same texts give the same tokenizer.
        vocabulary: the most tokens, [UNK], [CLS] and single characters included. Little text gives fewer.
        min_count: a pair must occur this often to become a token.
    Returns:
        The tokenizer. [CLS] stands before every input, so that none is empty. All ASCII text encodes; a word with a
        character that the training text lacks becomes [UNK].
    Raises:
        RecipeError: ``vocabulary`` has no room for the characters of ASCII twice over, first and inside a word.
    """
    least = 2 * len(_ASCII) + len(_SPECIAL)
    if vocabulary < least:
        raise RecipeError(
            "a WordPiece vocabulary holds its special tokens and the characters of ASCII. "
            f"Got {vocabulary} in tokenizer.vocabulary. Use {least} or more."
        )
    texts = list(texts)
    tokenizer = _make_wordpiece({UNKNOWN: 0, START: 1})
    letters = _find_letters(texts, tokenizer, most=vocabulary // 4)
    # Equal counts are decided by number, and the trainer numbers what it meets inside words in no fixed order:
    # named as special tokens, these too have their numbers beforehand.
    inside = [letter for letter in letters if letter not in string.punctuation]  # punctuation is split off
    inner = [AddedToken(f"##{letter}", special=True, normalized=False) for letter in inside]
    trainer = WordPieceTrainer(
        vocab_size=vocabulary,
        min_frequency=min_count,
        special_tokens=[*_SPECIAL, *inner],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _make_wordpiece(tokenizer.get_vocab())


def _make_wordpiece(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(list(_SPECIAL))
    start = tokenizer.token_to_id(START)
    tokenizer.post_processor = TemplateProcessing(single=f"{START} $A", special_tokens=[(START, start)])
    return tokenizer


def _find_letters(texts: Sequence[str], tokenizer: Tokenizer, *, most: int) -> list[str]:
    """Characters that get tokens: all of ASCII, and the most frequent others of the normalised texts."""
    counts = Counter(character for text in texts for character in tokenizer.normalizer.normalize_str(text))
    others = [one for one in counts if one not in _ASCII and not one.isspace()]
    others.sort(key=lambda one: (-counts[one], one))
    return [*_ASCII, *sorted(others[: max(0, most - len(_ASCII))])]
