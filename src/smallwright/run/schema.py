"""JSON schemas as grammars, and values as the one text that a grammar made of a schema accepts.

Enters: a JSON schema; JSON values. Leaves: a grammar for llguidance; compact JSON with keys in the schema's order.
Not here: masks and tokens (constrain.py).
"""

from __future__ import annotations

import json
from typing import Any

import llguidance

from smallwright.errors import EngineError


def make_grammar(schema: Any) -> str:
    """The grammar of a JSON schema (a mapping, or its text).

    Raises:
        EngineError: it is no JSON, or no schema (kind ``constraint``).
    """
    try:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        json.loads(text)  # llguidance reads on after some errors
        # Compact: what is forced can be appended at once, and there is one way to write an answer.
        return llguidance.LLMatcher.grammar_from_json_schema(
            text, overrides={"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
        )
    except (TypeError, ValueError) as error:
        raise does_not_compile(error) from error


def does_not_compile(reason: object) -> EngineError:
    """The error of a constraint that llguidance refuses."""
    return EngineError(f"a constraint must compile. Got: {' '.join(str(reason).split())}", "constraint")


class AnswerForm:
    """The one way to write each answer that obeys a schema.

    Args:
        schema: a JSON schema (a mapping, or its text).

    Raises:
        EngineError: it does not compile (kind ``constraint``).
    """

    def __init__(self, schema: Any) -> None:
        self._bytes = llguidance.LLTokenizer("byte")
        self._matcher = llguidance.LLMatcher(self._bytes, make_grammar(schema), log_level=0)
        self._schema = json.loads(schema) if isinstance(schema, str) else schema
        if self._matcher.is_error():
            raise does_not_compile(self._matcher.get_error())

    def write(self, value: Any) -> str | None:
        """Compact JSON with the keys in the schema's order, or None where the value does not satisfy the schema."""
        text = json.dumps(_in_order(value, self._schema), ensure_ascii=False, separators=(",", ":"))
        try:
            tokens = self._bytes.tokenize_str(text)
        except UnicodeEncodeError:  # half of a surrogate pair is no text
            return None
        matcher = self._matcher.deep_copy()
        return text if matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting() else None

    def read(self, text: str) -> Any:
        """The value that a text is, or None where it is no JSON or does not satisfy the schema."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return value if self.write(value) is not None else None


def _in_order(value: Any, schema: Any) -> Any:
    """The value as the schema's grammar expects it: keys in its order, and whole numbers without a fraction."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    known = schema if isinstance(schema, dict) else {}
    if isinstance(value, list):
        return [_in_order(item, known.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    parts = known.get("properties", {})
    names = [*(name for name in parts if name in value), *(name for name in value if name not in parts)]
    return {name: _in_order(value[name], parts.get(name, {})) for name in names}
