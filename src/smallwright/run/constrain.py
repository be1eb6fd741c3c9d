"""What a text must obey, as masks for the engine: JSON schemas, regular expressions, choices and grammars.

Enters: ``Options`` and the package's tokens. Leaves: constraints that the engine asks token by token.
Not here: parsing and masks, which are llguidance's. It fails closed: what cannot be compiled is an error.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import llguidance

from smallwright.errors import EngineError
from smallwright.run.schema import does_not_compile, make_grammar

if TYPE_CHECKING:
    from smallwright.run.options import Options


class _Tokens:
    """A package's tokens as llguidance asks for them. It must not know the tokenizer made of it: that would be a circle
    through memory that Python cannot see."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.eos_token_id: int = model.end_token
        self.bos_token_id: int | None = None
        self.tokens: list[bytes] = model.token_bytes()
        self.special_token_ids = [index for index, token in enumerate(self.tokens) if not token]

    def __call__(self, text: str | bytes) -> list[int]:
        return list(self._model.encode(text.decode() if isinstance(text, bytes) else text, False))


def read_vocabulary(model: Any) -> Any:
    """The tokens of an opened model, for ``constrain``. It takes a moment: keep it.

    Raises:
        EngineError: the model has no end token, so no text could end.
    """
    if model.end_token < 0:
        raise EngineError("a constrained text needs a model with an end token. Got one without. Convert it with one.")
    tokens = _Tokens(model)
    wrapper = llguidance.TokenizerWrapper(tokens)
    return llguidance.LLTokenizer(wrapper, n_vocab=len(tokens.tokens), eos_token=model.end_token)


def constrain(options: Options, vocabulary: Any) -> llguidance.LLMatcher:
    """The constraint that options ask for; ``vocabulary`` is that of ``read_vocabulary``.

    Returns:
        One text's progress through a grammar; the engine asks it between passes and while one runs.

    Raises:
        EngineError: it does not compile (kind ``constraint``).
    """
    matcher = llguidance.LLMatcher(vocabulary, _grammar(options), log_level=0)
    if matcher.is_error():
        reason = " ".join(matcher.get_error().split())
        raise EngineError(f"a constraint must compile. Got: {reason}", "constraint")
    return matcher


def _grammar(options: Options) -> str:
    if options.regex is not None:
        return llguidance.LLMatcher.grammar_from_regex(options.regex)
    if options.choices is not None:
        if not options.choices:
            raise EngineError("choices must have at least one text. Got none.", "constraint")
        return llguidance.grammar_from("choice", json.dumps(list(options.choices)))
    if options.grammar is not None:
        try:
            return llguidance.grammar_from("grammar", options.grammar)
        except ValueError as error:
            raise does_not_compile(error) from error
    return make_grammar(options.schema)
