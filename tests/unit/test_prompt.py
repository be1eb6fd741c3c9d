"""A prompt is written the same way when a model learns it and when it reads it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.tokenizers_made import make
from tests.unit.test_package import GENERATE, decoder, write

from smallwright.errors import PackageError
from smallwright.run import Package, load
from smallwright.spec.prompt import PromptForm
from smallwright.tokenizer.prompt import write_prompt

FORMS = (PromptForm(), PromptForm("", "", True), PromptForm(" ", "\n=> ", True), PromptForm("Ö: ", "", False))
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40) | st.text("aßẞÄöİıΣσςǅDž K", max_size=20)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[PromptForm, Package]:
    folder = tmp_path_factory.mktemp("prompts")
    opened: dict[PromptForm, Package] = {}
    for number, form in enumerate(FORMS):
        path = folder / f"{number}.gguf"
        write(path, decoder(make("gpt2").get_vocab_size()), task={**GENERATE, "prompt": asdict(form)})
        opened[form] = load(path, threads=1)
    return opened


@settings(deadline=None, max_examples=150)
@given(text=TEXTS, form=st.sampled_from(FORMS))
def test_the_engine_reads_what_was_learned(packages: dict[PromptForm, Package], text: str, form: PromptForm) -> None:
    learned = make("gpt2").encode(write_prompt(text, form), add_special_tokens=False).ids
    assert packages[form].tokens_of(text) == learned


def test_the_form_makes_the_answer_another_one(packages: dict[PromptForm, Package]) -> None:
    """Switched off, it would change nothing: the answer to a prompt is that to the written prompt without a form."""
    form = FORMS[2]
    plain = packages[FORMS[1]].complete(write_prompt("The Hall", form), max_tokens=6)
    assert packages[form].complete("The Hall", max_tokens=6).tokens == plain.tokens


def test_a_conversation_is_written_by_its_template_alone(packages: dict[PromptForm, Package]) -> None:
    package = packages[FORMS[2]]
    assert package.tokenize_chat("The Hall") == package.tokenize("The Hall", add_special=False)


def test_a_form_with_parts_missing_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "m.gguf", decoder(make("gpt2").get_vocab_size()), task={**GENERATE, "prompt": {"begin": " "}})
    with pytest.raises(PackageError, match="end"):
        load(tmp_path / "m.gguf")
