"""A conversation: messages in, answers out, tools asked for.

Enters: what a person says. Leaves: the model's message, piece by piece, and the calls of tools that it contains.
Not here: the template (``template``) and the tokens (``package``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smallwright.errors import EngineError
from smallwright.run.schema import AnswerForm
from smallwright.run.template import ChatTemplate

if TYPE_CHECKING:
    from smallwright.run.package import Package

_MARKED = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model asks for, with arguments that satisfy its schema."""

    name: str
    arguments: dict[str, Any]


class Chat:
    """A conversation with a package. ``messages`` has its messages; what was computed for them is not again.

    Args:
        package: one that generates text and has a chat template.
        system: what the model is told before the first message; None tells it nothing.
        tools: {"name", "description", "parameters": a JSON schema} of each function that it may ask for.

    Raises:
        EngineError: the package has no chat template, or the template or a tool is not valid.
    """

    def __init__(self, package: Package, system: str | None = None, tools: Sequence[Mapping[str, Any]] = ()) -> None:
        if package.chat_template is None:
            raise EngineError(
                f"a conversation needs a chat template in the file (key tokenizer.chat_template). Got none in "
                f"{package.path}. Use generate, or package the model with one.",
                "chat_template",
            )
        self._package = package
        self._template = ChatTemplate(package.chat_template)
        self._tools = {_name_of(tool): dict(tool) for tool in tools}
        self.messages: list[dict[str, Any]] = []
        self.system = system

    def reset(self) -> None:
        """Forget all messages; the system prompt stays."""
        self.messages.clear()

    def prompt(self) -> str:
        """What the model is given for its next message."""
        first = [] if self.system is None else [{"role": "system", "content": self.system}]
        functions = [{"type": "function", "function": tool} for tool in self._tools.values()]
        return self._template.render([*first, *self.messages], functions, self._package.special_texts())

    def say(self, text: str, **options: Any) -> Generator[str, None, None]:
        """Say something; the answer comes piece by piece, and is the last of ``messages`` once it is complete.

        Args:
            text: the person's message.
            **options: as ``Package.generate``.

        Raises:
            EngineError: the conversation is longer than the context, or as ``Package.generate``. Then it is as before.
        """
        return self._add({"role": "user", "content": text}, options)

    def tell(self, name: str, result: Any, **options: Any) -> Generator[str, None, None]:
        """Give the result of a tool that was asked for; the model goes on from it. Arguments and errors as ``say``."""
        content = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
        return self._add({"role": "tool", "name": name, "content": content}, options)

    def _add(self, message: dict[str, Any], options: dict[str, Any]) -> Generator[str, None, None]:
        before = len(self.messages)
        self.messages.append(message)
        pieces: list[str] = []
        try:
            tokens = self._package.tokenize_chat(self.prompt())
            for piece in self._package.stream(tokens, **{"keep": True, **options}):
                pieces.append(piece)
                yield piece
        except (GeneratorExit, KeyboardInterrupt):  # who reads has heard enough: what was said stays said
            self.messages.append({"role": "assistant", "content": "".join(pieces)})
            raise
        except BaseException:
            del self.messages[before:]
            raise
        self.messages.append({"role": "assistant", "content": "".join(pieces)})

    def tool_calls(self) -> list[ToolCall]:
        """The tools that the last message asks for: in ``<tool_call>`` marks, or the whole message as one JSON object
        with ``name`` and ``arguments`` (or ``parameters``).

        Raises:
            EngineError: a call is no valid JSON, names no tool, or its arguments do not satisfy the tool's schema
                (``kind`` ``tool_call``).
        """
        if not self._tools or not self.messages or self.messages[-1]["role"] != "assistant":
            return []
        content = self.messages[-1]["content"].strip()
        found = _MARKED.findall(content)
        if not found and content.startswith("{"):
            found = [content]
        return [self._read_call(text) for text in found]

    def _read_call(self, text: str) -> ToolCall:
        try:
            call = json.loads(text)
        except ValueError as error:
            raise _refused("valid JSON", text) from error
        if not isinstance(call, dict) or call.get("name") not in self._tools:
            raise _refused(f"a call of {' or '.join(self._tools)}", text)
        arguments = call.get("arguments", call.get("parameters", {}))
        schema = self._tools[call["name"]].get("parameters", {"type": "object"})
        if not isinstance(arguments, dict) or AnswerForm(schema).write(arguments) is None:
            raise _refused(f"arguments that satisfy the schema of {call['name']}", text)
        return ToolCall(call["name"], arguments)


def _refused(wanted: str, got: str) -> EngineError:
    shown = " ".join(got.split())[:200]
    return EngineError(f"a tool call must be {wanted}. Got {shown!r}. Ask again, or constrain the answer.", "tool_call")


def _name_of(tool: Mapping[str, Any]) -> str:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise EngineError(f"a tool must have a name. Got {dict(tool)!r}.")
    return name
