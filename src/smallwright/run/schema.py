"""JSON schemas as grammars, and values as the one text that a grammar made of a schema accepts.

Enters: a JSON schema; JSON values. Leaves: a grammar for llguidance; compact JSON with keys in the schema's order.
Not here: masks and tokens (constrain.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice, product
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
        for ordered in _in_order(value, self._schema, self._schema):
            text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))
            try:
                tokens = self._bytes.tokenize_str(text)
            except UnicodeEncodeError:  # half of a surrogate pair is no text
                return None
            matcher = self._matcher.deep_copy()
            if matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting():
                return text
        return None

    def allows(self, text: str) -> bool:
        """Whether a text is JSON that satisfies the schema, however it is written."""
        try:
            return self.write(json.loads(text)) is not None
        except (ValueError, RecursionError):
            return False


def write_whole(value: Any) -> Any:
    """A number without a fraction as an int, where a float holds it exactly; any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


_MOST_ORDERS = 64


def _in_order(value: Any, schema: Any, root: Any, depth: int = 0) -> Iterator[Any]:
    """The value as the schema's grammar may expect it: keys in its order, whole numbers without a fraction.

    One for each choice of branches of ``anyOf`` and ``oneOf``, at most ``_MOST_ORDERS``; ``$ref`` is followed inside
    the document.
    """
    if not isinstance(value, (dict, list)) or depth > 64:
        yield write_whole(value)
    else:
        found = (made for branch in _branches(schema, root) for made in _parts_in_order(value, branch, root, depth))
        yield from islice(found, _MOST_ORDERS)


def _branches(schema: Any, root: Any) -> Iterator[dict[str, Any]]:
    known = schema if isinstance(schema, dict) else {}
    for _ in range(8):  # a reference to a reference
        name = known.get("$ref")
        if not isinstance(name, str) or not name.startswith("#"):
            break
        known = _follow(root, name)
    choices = [choice for key in ("anyOf", "oneOf") for choice in known.get(key, ())]
    if not choices:
        yield known
    for choice in choices:
        yield from _branches(choice, root)


def _follow(root: Any, name: str) -> dict[str, Any]:
    found = root
    for part in name.lstrip("#").split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _parts_in_order(value: Any, branch: dict[str, Any], root: Any, depth: int) -> Iterator[Any]:
    if isinstance(value, list):
        items = branch.get("items", {})
        for made in product(*(list(_in_order(item, items, root, depth + 1)) for item in value)):
            yield list(made)
        return
    parts = branch.get("properties", {})
    names = [*(name for name in parts if name in value), *(name for name in value if name not in parts)]
    orders = [list(_in_order(value[name], parts.get(name, {}), root, depth + 1)) for name in names]
    for made in product(*orders):
        yield dict(zip(names, made, strict=True))
