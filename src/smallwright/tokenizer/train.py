"""A tokenizer learned from the domain's own text.

Enters: texts. Leaves: a byte-level BPE ``tokenizers.Tokenizer``: every string encodes, and decodes to itself.
Not here: reading files, and a teacher's tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer

from smallwright.errors import RecipeError

END_OF_TEXT = "<|endoftext|>"
BYTES = 256


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
