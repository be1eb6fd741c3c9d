"""The server of benchmarks/distilling/local_teacher.py understands the words in which it is asked."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from distilling.local_teacher import answer, name_prompt
from smallwright.data import Row
from smallwright.teacher.endpoint import Answer
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.new_rows import read_lines, word_request
from smallwright.teacher.questions import make_questions

LABELS = ("book_flight", "PlayMusic")
SETTINGS = EndpointSettings.model_validate(
    {
        "from": "endpoint",
        "url": "http://127.0.0.1:1/v1",
        "model": "m",
        "top_logprobs": None,
        "new_rows": {"per_class": 2, "at_once": 3},
    }
)


class Writer:
    """Stands for a package that writes: says the prompt and the seed, and never ends the second text."""

    def __init__(self) -> None:
        self.seeds: list[int] = []

    def open_batch(self) -> Writer:
        return self

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, prompt: str, *, seed: int, max_tokens: int, temperature: float) -> Any:
        self.seeds.append(seed)
        text = SimpleNamespace(text=f"{prompt}\n{len(self.seeds)}", whole=len(self.seeds) != 2)
        return SimpleNamespace(result=lambda: text)


def test_a_list_is_written_and_a_class_is_named() -> None:
    writer = Writer()
    classifier = SimpleNamespace(classify=lambda text: SimpleNamespace(label=f"<{text}>"))
    for shown in ((), ("take me to rome",)):
        request = word_request("book_flight", shown, LABELS, SETTINGS)
        document = {"messages": [{"role": "user", "content": request}], "temperature": 0.7}
        said = answer(document, writer, classifier)
        assert len(read_lines(Answer(said, None, 0.0))) == (2 if not shown else 3)
        assert all(line.startswith("book flight ") for line in said.splitlines())
    assert len(set(writer.seeds)) == 6, "equal seeds give equal texts"
    rows = [Row("to rome", label="book_flight"), Row("a song", label="PlayMusic")]
    question = make_questions(SETTINGS, LABELS, rows).ask("fly: me to the moon")
    assert answer(question, writer, classifier) == "<fly: me to the moon>"
    assert name_prompt("PlayMusic") == "play music"
