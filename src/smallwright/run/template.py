"""Chat templates: messages to the prompt that a model was trained on.

Enters: a template in the Hugging Face form of Jinja, and messages. Leaves: a prompt. Not here: talking (``chat``).
A template is a program out of a file: it runs in Jinja's sandbox and may change nothing that it is given.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import CallBlock, Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from smallwright.errors import EngineError

Message = Mapping[str, Any]


class _Generation(Extension):
    """``{% generation %}`` marks the model's own words for training; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> Node:
        """The block's body as it is."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller: Any) -> str:
        return str(caller())


class ChatTemplate:
    """A template, compiled.

    Raises:
        EngineError: it is no valid template.
    """

    def __init__(self, source: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise EngineError(f"a chat template must be valid. Got: {_one_line(error)}", "chat_template") from error

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] = (),
        tokens: Mapping[str, str] | None = None,
    ) -> str:
        """The prompt that asks for the model's next message.

        Args:
            messages: each with ``role`` and ``content``.
            tools: functions that the model may ask for, {"type": "function", "function": {...}}.
            tokens: spellings of special tokens that templates name, for example ``bos_token``.

        Raises:
            EngineError: the template refuses the messages, or fails.
        """
        try:
            return self._template.render(
                messages=list(messages), tools=list(tools) or None, add_generation_prompt=True, **(tokens or {})
            )
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise EngineError(
                f"a chat template must accept the messages. Got: {_one_line(error)}", "chat_template"
            ) from error


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _to_json(value: Any, indent: int | None = None, **more: Any) -> str:
    # Jinja's own escapes HTML, which a prompt is not.
    return json.dumps(
        value, ensure_ascii=more.get("ensure_ascii", False), indent=indent, sort_keys=more.get("sort_keys", False)
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
