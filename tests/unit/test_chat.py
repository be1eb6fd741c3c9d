"""Conversations: templates as transformers renders them, messages, tools, and the terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.properties.tokenizers_made import make
from tests.unit.test_package import decoder, write

from smallwright.cli import main
from smallwright.errors import EngineError
from smallwright.run import Package, load
from smallwright.run.template import ChatTemplate

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEMPLATES = {
    "chatml": CHATML,
    "bos and strips": "{{ bos_token }}{%- for m in messages %}\n"
    "  {%- if m.role == 'system' -%}[{{ m.content | trim }}]\n"
    "  {%- else %}<{{ m.role }}>{{ m.content | trim }}{{ eos_token }}{% endif %}\n{%- endfor %}",
    "tools as JSON": "{% if tools %}TOOLS\n"
    "{% for tool in tools %}{{ tool | tojson(indent=2) }}\n{% endfor %}{% endif %}"
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:",
    "loop controls, namespaces, generation": "{% set ns = namespace(n=0) %}{% for m in messages %}"
    "{% if m.role == 'tool' %}{% continue %}{% endif %}{% set ns.n = ns.n + 1 %}"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ ns.n ~ m.content }}"
    "{% endif %}{% endfor %}",
}
MESSAGES = [
    {"role": "system", "content": " You are a helpful house. "},
    {"role": "user", "content": "Größer <b> & 'quoted'\n"},
    {"role": "assistant", "content": "done"},
    {"role": "tool", "name": "light", "content": '{"ok": true}'},
    {"role": "user", "content": "and now?"},
]
LIGHT = {
    "name": "light",
    "description": "switches a light",
    "parameters": {
        "type": "object",
        "properties": {
            "area": {"type": "string"},
            "on": {"type": "boolean"},
            "level": {"type": "integer", "maximum": 100},
        },
        "required": ["area", "on"],
        "additionalProperties": False,
    },
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    return write(folder / "chat.gguf", decoder(context=512), "gpt2", chat_template=CHATML).path


@pytest.fixture
def package(path: Path) -> Iterator[Package]:
    with load(path, threads=1) as opened:
        yield opened


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_renders_as_transformers_renders_it(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_object=make("gpt2"), bos_token="<s>", eos_token="</s>")
    tools = [{"type": "function", "function": LIGHT}]
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    for messages in (MESSAGES[:2], MESSAGES[1:2], MESSAGES):
        for offered in ([], tools):
            expected = theirs.apply_chat_template(
                messages,
                chat_template=TEMPLATES[name],
                tools=offered or None,
                tokenize=False,
                add_generation_prompt=True,
            )
            assert ChatTemplate(TEMPLATES[name]).render(messages, offered, tokens) == expected


@pytest.mark.parametrize("kind", ["gpt2", "llama3"])
@pytest.mark.parametrize("template", ["{{ bos_token }}" + CHATML, CHATML])
def test_a_prompt_has_the_tokens_that_transformers_gives_it(tmp_path: Path, kind: str, template: str) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_object=make(kind), bos_token="<|begin|>", eos_token="<|endoftext|>"
    )
    expected = theirs.apply_chat_template(
        MESSAGES, chat_template=template, add_generation_prompt=True, return_dict=False
    )
    roles = {"bos": "<|begin|>", "eos": "<|endoftext|>"}
    path = write(tmp_path / "chat.gguf", decoder(context=512), kind, chat_template=template, roles=roles).path
    with load(path, threads=1) as package:
        talk = package.chat()
        talk.messages = list(MESSAGES)
        assert package.tokenize_chat(talk.prompt()) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{% for %}", "must be valid"),
        ("{{ raise_exception('only two roles') }}", "only two roles"),
        ("{{ messages[9].content }}", "accept the messages"),
        ("{{ 1 / 0 }}", "accept the messages"),
        ("{{ messages.append(1) }}", "accept the messages"),
        ("{{ ''.__class__.__mro__ }}", "accept the messages"),
        ("{% include 'x' %}", "accept the messages"),
    ],
)
def test_a_bad_template_is_one_clear_error(source: str, words: str) -> None:
    with pytest.raises(EngineError, match=words) as caught:
        ChatTemplate(source).render(MESSAGES)
    assert "\n" not in str(caught.value)
    assert caught.value.kind == "chat_template"


def test_a_conversation_is_the_template_of_its_messages(package: Package) -> None:
    talk = package.chat("be kind")
    first = "".join(talk.say("turn on the light", max_tokens=12))
    assert [message["role"] for message in talk.messages] == ["user", "assistant"]
    assert talk.messages[-1]["content"] == first
    prompt = (
        "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nturn on the light<|im_end|>\n<|im_start|>assistant\n"
    )
    assert first == package.generate(prompt, 12)
    before = package.counters()["tokens"]
    second = "".join(talk.say("and now?", max_tokens=12))
    computed = package.counters()["tokens"] - before
    longer = f"{prompt}{first}<|im_end|>\n<|im_start|>user\nand now?<|im_end|>\n<|im_start|>assistant\n"
    assert second == package.generate(longer, 12)
    assert computed < len(package.tokenize(longer)) - len(package.tokenize(prompt)) // 2  # the beginning was kept
    talk.reset()
    assert "".join(talk.say("turn on the light", max_tokens=12)) == first


def test_an_error_leaves_a_conversation_as_it_was(package: Package) -> None:
    talk = package.chat()
    list(talk.say("lights", max_tokens=4))
    for text, way in (("word " * 600, {}), ("lights", {"temperature": -1.0}), ("lights", {"regex": "("})):
        with pytest.raises(EngineError):
            list(talk.say(text, **way))
        assert len(talk.messages) == 2
    list(talk.say("lights", max_tokens=4))
    assert len(talk.messages) == 4


def test_who_interrupts_an_answer_keeps_what_was_said(package: Package) -> None:
    for leave in ("close", "interrupt"):
        talk = package.chat()
        answer = talk.say("turn on the light", max_tokens=300)
        first = next(answer)
        if leave == "close":
            answer.close()
        else:
            with pytest.raises(KeyboardInterrupt):
                answer.throw(KeyboardInterrupt)
        assert [message["content"] for message in talk.messages] == ["turn on the light", first]
        assert "".join(talk.say("and now", max_tokens=3)) == talk.messages[-1]["content"]


def test_without_a_template_there_is_no_conversation(tmp_path: Path) -> None:
    bare = write(tmp_path / "bare.gguf", decoder(context=64), "gpt2").path
    with load(bare, threads=1) as package, pytest.raises(EngineError, match="chat template") as caught:
        package.chat()
    assert caught.value.kind == "chat_template"


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        (
            '<tool_call>\n{"name": "light", "arguments": {"area": "kitchen", "on": true}}\n</tool_call>',
            [("kitchen", True)],
        ),
        ('{"name": "light", "parameters": {"on": false, "area": "größer"}}', [("größer", False)]),
        (
            'Both. <tool_call>{"name":"light","arguments":{"area":"a","on":true}}</tool_call>'
            '<tool_call>{"name":"light","arguments":{"area":"b","on":false,"level":3}}</tool_call>',
            [("a", True), ("b", False)],
        ),
        ("nothing to do", []),
    ],
)
def test_tool_calls_come_back_parsed(package: Package, content: str, arguments: list[tuple[str, bool]]) -> None:
    talk = package.chat(tools=[LIGHT])
    talk.messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": content}]
    assert [(call.arguments["area"], call.arguments["on"]) for call in talk.tool_calls()] == arguments


@pytest.mark.parametrize(
    "content",
    [
        '<tool_call>{"name": "light", "arguments": {"area": "kitchen"}}</tool_call>',
        '<tool_call>{"name": "light", "arguments": {"area": "kitchen", "on": "yes"}}</tool_call>',
        '<tool_call>{"name": "light", "arguments": {"area": "kitchen", "on": true, "level": 101}}</tool_call>',
        '<tool_call>{"name": "light", "arguments": {"area": "kitchen", "on": true, "color": "red"}}</tool_call>',
        '<tool_call>{"name": "door", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "light", "arguments": ["kitchen", true]}</tool_call>',
        "<tool_call>turn it on</tool_call>",
        '{"name": "light", ',
    ],
)
def test_a_wrong_tool_call_is_an_error(package: Package, content: str) -> None:
    talk = package.chat(tools=[LIGHT])
    talk.messages = [{"role": "assistant", "content": content}]
    with pytest.raises(EngineError, match="tool call") as caught:
        talk.tool_calls()
    assert caught.value.kind == "tool_call"


def _converse(monkeypatch: pytest.MonkeyPatch, path: Path, lines: str, *options: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    main(["chat", str(path), "--max-tokens", "6", "--temperature", "0", "--threads", "1", *options])


def test_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: Path) -> None:
    _converse(monkeypatch, path, "hello\n/reset\nhello\n\n/speed\nhello\n/what\n/system be kind\nhello\n/quit\nnever\n")
    told = capsys.readouterr()
    answers = told.out.splitlines()
    assert len(answers) >= 4
    with load(path, threads=1) as package:
        expected = "".join(package.chat().say("hello", max_tokens=6))
    assert told.out.startswith(f"{expected}\n{expected}\n")
    assert "a second]" in told.err
    assert "Got /what" in told.err


def test_the_terminal_refuses_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bare = write(tmp_path / "bare.gguf", decoder(context=64), "gpt2").path
    with pytest.raises(SystemExit) as caught:
        _converse(monkeypatch, bare, "hello\n")
    assert caught.value.code == 7
    assert capsys.readouterr().err.count("\n") == 1


def test_a_package_enforces_its_own_schema(tmp_path: Path) -> None:
    schema: Any = '{"enum": ["yes", "no"]}'
    own = write(tmp_path / "own.gguf", decoder(context=64), "gpt2", schema=schema).path
    with load(own, threads=1) as package:
        assert package.schema == schema
        assert package.generate("light") in ('"yes"', '"no"')
        assert "".join(package.stream("light")) in ('"yes"', '"no"')
        assert package.generate("light", free=True) not in ('"yes"', '"no"')
        assert package.generate("light", choices=["maybe"]) == "maybe"
