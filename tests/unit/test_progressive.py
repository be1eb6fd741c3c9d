"""A student cut from its teacher in several steps: what each keeps, what it starts as, and what a kill changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.test_distilling import LEARN, make_encoder, make_recipe
from tests.unit.test_width import TEXTS, make_bert, make_llama

from smallwright.compress.progressive import plan_cuts
from smallwright.compress.student import StudentSettings, make_student, shrink_spec
from smallwright.errors import RecipeError
from smallwright.model import Transformer, load_model, seeded
from smallwright.pipeline import build, make_plan
from smallwright.pipeline.classify import make_classifier
from smallwright.pipeline.cuts import match_of
from smallwright.pipeline.generate import make_generator
from smallwright.pipeline.plan import render_plan
from smallwright.pipeline.shared import STUDENT_FOLDER
from smallwright.pipeline.stage import CARD
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.spec import ModelSpec
from smallwright.tokenizer.settings import TokenizerSettings
from smallwright.tokenizer.train import train_tokenizer
from smallwright.train.settings import MatchSettings
from smallwright.train.tasks import ClassificationTask

HOW: dict[str, Any] = {"kept": None, "vocabulary": 20, "heads": {}, "causal": False, "seed": 0}


def ask(**keys: Any) -> StudentSettings:
    return StudentSettings.model_validate({"from": "teacher", **keys})


def deep(layers: int, make: Any = make_bert) -> Transformer:
    """The same shape with so many layers."""
    spec: ModelSpec = make().spec
    with seeded(2):
        return Transformer(spec.with_layers((0,) * layers)).eval()


def describe(cuts: Any) -> list[tuple[tuple[int, ...], int, int]]:
    return [(cut.layers, cut.spec.width, cut.spec.layers[0].feedforward.width) for cut in cuts]


def test_layers_and_widths_go_down_in_even_steps() -> None:
    """Twelve layers to three, 64 channels to 32, 128 neurons to 32: by hand."""
    teacher = deep(12).spec
    settings = ask(layers=3, width=32, feedforward=32, progressive=3)
    cuts = plan_cuts(settings, teacher)
    # 0, 6 and 11 stay to the end. Of the nine others six are left by the first cut and three by the second.
    assert [cut.layers for cut in cuts[:2]] == [(0, 1, 3, 4, 6, 7, 8, 10, 11), (0, 1, 6, 7, 10, 11)]
    # 53.3 and 42.7 channels are rounded up to whole blocks; 96 and 64 neurons are such.
    assert [len(cut.layers) for cut in cuts] == [9, 6, 3]
    assert set(cuts[0].layers) > set(cuts[1].layers) > set(cuts[2].layers) == {0, 6, 11}
    assert [shape[1:] for shape in describe(cuts)] == [(64, 96), (64, 64), (32, 32)]
    assert (
        cuts[-1].spec == shrink_spec(settings, teacher) == shrink_spec(ask(layers=3, width=32, feedforward=32), teacher)
    )
    for before, cut in zip((teacher, *(cut.spec for cut in cuts)), cuts, strict=False):
        assert shrink_spec(cut.settings, before) == cut.spec


def test_layer_maps_may_be_given() -> None:
    cuts = plan_cuts(ask(layers=[0, 5], progressive=[[0, 1, 4, 5], [0, 4, 5]], positions=8), deep(6).spec)
    assert [cut.layers for cut in cuts] == [(0, 1, 4, 5), (0, 4, 5), (0, 5)]
    assert [cut.settings.layers for cut in cuts] == [(0, 1, 4, 5), (0, 2, 3), (0, 2)]
    assert [cut.settings.positions for cut in cuts] == [8, None, None]
    assert [cut.spec.context for cut in cuts] == [8, 8, 8]


@pytest.mark.parametrize("make", [make_bert, make_llama])
def test_untaught_each_cut_is_the_part_of_the_teacher_that_its_map_names(make: Any) -> None:
    """With layers alone nothing is scaled: every weight is the teacher's, and the last model is that of one cut."""
    teacher = deep(5, make)
    settings = ask(layers=[1, 4], progressive=3)
    model = teacher
    for cut in plan_cuts(settings, teacher.spec):
        model = make_student(cut.settings, teacher=model, **HOW)
        assert model.spec == cut.spec
        for mine, theirs in enumerate(cut.layers):
            for name, tensor in model.layers[mine].state_dict().items():
                assert torch.equal(tensor, teacher.layers[theirs].state_dict()[name])
    for name, tensor in make_student(ask(layers=[1, 4]), teacher=teacher, **HOW).state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_untaught_the_channels_of_each_cut_are_among_those_before() -> None:
    """Tokens' rows are cut without a scale: what stays of them is a part of the teacher's columns."""
    teacher = make_llama()
    model, columns = teacher, teacher.embedding.tokens.weight
    widths = []
    for cut in plan_cuts(ask(layers=len(teacher.layers), width=32, progressive=3), teacher.spec):
        model = make_student(cut.settings, teacher=model, **HOW, sample=TEXTS)
        mine = model.embedding.tokens.weight
        assert all((columns == column[:, None]).all(0).any() for column in mine.T)
        columns = mine
        widths.append(model.spec.width)
    assert widths == [96, 64, 32] and teacher.spec.width == 128


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"layers": 2, "progressive": 5}, r"number 1 takes none"),
        ({"layers": 4, "progressive": 2}, r"number 1 takes none"),
        ({"layers": [0, 2], "progressive": [[0, 1]]}, r"Got \[0, 2\] after \[0, 1\]"),
        ({"layers": [0, 2], "progressive": [[2, 0, 1]]}, r"Got \[2, 0, 1\] after \[0, 1, 2, 3\]"),
        ({"layers": [0, 2], "progressive": [[0, 2, 4]]}, r"Got \[0, 2, 4\] after"),
        ({"layers": [0, 2], "progressive": [[0, 2]]}, r"number 2 takes none"),
        ({"layers": [2, 0]}, r"indices from 0 to 3, rising\. Got \[2, 0\]"),
        ({"layers": [0, 0]}, r"Got \[0, 0\]"),
        ({"layers": [0, 4]}, r"Got \[0, 4\]"),
        ({"layers": [-1, 0]}, r"Got \[-1, 0\]"),
        ({"layers": []}, r"Got \[\]"),
        ({"layers": 5}, r"from 1 to the teacher's 4\. Got 5"),
    ],
)
def test_maps_that_are_none_are_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        plan_cuts(ask(**keys), deep(4).spec)


def test_one_cut_is_named_as_before() -> None:
    assert ask(layers=2).described == ask(layers=2, progressive=1).described
    assert "progressive" not in ask(layers=2).described
    assert ask(layers=2, progressive=2).described["progressive"] == 2


def make_progressive(folder: Path, progressive: Any = 2, **changes: Any) -> Recipe:
    encoder = folder / "encoder"
    encoder.mkdir(exist_ok=True)
    return make_recipe(
        folder,
        teacher={"from": "hf", "path": str(make_encoder(encoder)), "finetune": LEARN},
        tokenizer={"kind": "teacher", "trim": True},
        **{
            "student": {"from": "teacher", "layers": [2], "width": 32, "progressive": progressive},
            "distill": {**LEARN, "epochs": 3, "match": {"layers": [[0, 2]]}},
            **changes,
        },
    )


def read_facts(folder: Path, stage: str) -> dict[str, Any]:
    (path,) = folder.glob(f"{stage}-*/{CARD}")
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["facts"]
    return facts


def test_a_classifier_in_two_cuts(tmp_path: Path) -> None:
    recipe = make_progressive(tmp_path)
    made = make_classifier(recipe, Workshop(tmp_path / "two", threads=1, quiet=True))
    once = make_classifier(make_progressive(tmp_path, 1), Workshop(tmp_path / "two", threads=1, quiet=True))
    assert not once.answers.ran and made.student.key != once.student.key
    first, last = read_facts(tmp_path / "two", "cut-1"), made.student.facts
    assert first["teacher_layers"] == [1, 2] and last["teacher_layers"] == [2]
    assert first["parameters"] > last["parameters"] == once.student.facts["parameters"]
    assert first["steps"] + last["steps"] == once.student.facts["steps"] and abs(first["steps"] - last["steps"]) <= 1
    plan = make_plan(recipe)
    assert plan.student_parameters == make_plan(make_progressive(tmp_path, 1)).student_parameters
    told = render_plan(recipe, plan)
    assert "cut 1              the teacher's layers 1, 2; 64 channels, 128 neurons a layer" in told
    assert "cut 2              the teacher's layers 2; 32 channels, 128 neurons a layer" in told
    assert "the teacher's layers" not in render_plan(recipe, make_plan(make_progressive(tmp_path, 1)))


def test_the_second_cut_is_taken_from_what_the_first_has_learned(tmp_path: Path) -> None:
    """Where the last model learns nothing more to speak of, its weights are the taught ones of the first."""
    learn = {**LEARN, "epochs": 3, "learning_rate": 1e-9}
    student = {"from": "teacher", "layers": [0, 2], "progressive": [[0, 1, 2]], "positions": 16}
    made = make_classifier(
        make_progressive(tmp_path, student=student, distill=learn), Workshop(tmp_path / "out", threads=1, quiet=True)
    )
    (folder,) = (tmp_path / "out").glob("cut-1-*")
    first, last = load_model(folder / STUDENT_FOLDER), load_model(made.student.folder / STUDENT_FOLDER)
    assert (len(first.layers), len(last.layers), last.spec.context) == (3, 2, 16)
    for mine, theirs in ((0, 0), (1, 2)):
        for name, tensor in last.layers[mine].state_dict().items():
            torch.testing.assert_close(tensor, first.layers[theirs].state_dict()[name], atol=1e-6, rtol=0)


class Killed(Exception):
    pass


def test_a_killed_run_ends_in_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the first epoch of the first cut, after it, in the second cut's first step, and in its last."""
    recipe = make_progressive(tmp_path, distill={**LEARN, "epochs": 4})
    wanted = make_classifier(recipe, Workshop(tmp_path / "whole", threads=1, quiet=True)).student
    apart = shutil.ignore_patterns("cut-*", "student-*", "package-*")
    shutil.copytree(tmp_path / "whole", tmp_path / "killed", ignore=apart)
    load, left, reached = ClassificationTask.load, [0], []

    def counted(*given: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return load(*given)

    monkeypatch.setattr(ClassificationTask, "load", counted)
    for left[0] in (3, 6, 5, 7, 10**9):
        try:
            made = make_classifier(recipe, Workshop(tmp_path / "killed", threads=1, quiet=True)).student
        except Killed:
            reached.append(sorted(path.parent.name[:5] for path in (tmp_path / "killed").glob("*-*/training")))
    assert wanted.facts["steps"] == 8
    assert reached == [["cut-1", "teach"]] * 2 + [["cut-1", "stude", "teach"]] * 2
    assert made.key == wanted.key
    assert read_weights(made.folder) == read_weights(wanted.folder)


def read_weights(folder: Path) -> bytes:
    return (folder / STUDENT_FOLDER / "model.safetensors").read_bytes()


def test_a_decoder_in_three_cuts_hears_the_same_answers(tmp_path: Path) -> None:
    made, path = [], make_language(tmp_path)
    student = {"from": "teacher", "layers": [0, 3], "feedforward": 32, "context": 32}
    for progressive, layers in ((1, []), (3, [4, 3, 2]), ([[0, 1, 3]], [3, 2])):
        document = {
            "name": "cats",
            "task": {"kind": "generate"},
            "data": {"train": "text"},
            "teacher": {"from": "hf", "path": str(path)},
            "tokenizer": {"kind": "teacher"},
            "student": {**student, "progressive": progressive},
            "distill": {**LEARN, "batch_size": 4, "max_steps": 7},
            "threads": 1,
        }
        recipe = Recipe.from_mapping(document, root=tmp_path)
        made.append(make_generator(recipe, Workshop(tmp_path / "out", threads=1, quiet=True)).student)
        assert [len(cut.layers) for cut in make_plan(recipe).cuts] == layers
    cards = (tmp_path / "out").glob(f"cut-*/{CARD}")
    facts = [json.loads(card.read_text(encoding="utf-8"))["facts"] for card in cards]
    assert sorted(one["steps"] for one in facts) == [2, 2, 3] and made[0].facts["steps"] == 7
    assert [one.facts["steps"] for one in made] == [7, 3, 4]
    assert len(list((tmp_path / "out").glob("answers-*"))) == 1, "the teacher is asked once"
    specs = [load_model(one.folder / STUDENT_FOLDER).spec for one in made]
    assert specs[0] == specs[1] == specs[2] and len(specs[0].layers) == 2
    assert len({read_weights(one.folder) for one in made}) == 3


def make_language(folder: Path) -> Path:
    """A random Llama of four layers as a Hugging Face folder, with a tokenizer of the text's."""
    transformers = pytest.importorskip("transformers")
    (folder / "text").mkdir()
    texts = ["the cat sat on the mat. the dog sat on the log."] * 60
    (folder / "text/a.txt").write_text("\n".join(texts), encoding="utf-8")
    (folder / "llama").mkdir()
    tokenizer = train_tokenizer(texts, TokenizerSettings(kind="train", vocabulary=300))
    tokenizer.save(str(folder / "llama/tokenizer.json"))
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=64,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder / "llama")
    return folder / "llama"


def test_layers_that_are_compared_are_followed_through_the_cuts() -> None:
    """The student's layer 1 is the teacher's 5: in a model of layers 0, 2, 4 and 5 it is number 3."""
    match = MatchSettings(layers=((0, 1), (1, 4)), relation_layers=(1, 5))
    own = match_of(match, (0, 5), (0, 2, 4, 5))
    assert (own.layers, own.relation_layers) == (((0, 1), (3, 4)), (3, 5))
    assert match_of(match, (0, 5), (0, 5)) == match
    assert match_of(MatchSettings(), (0, 5), (0, 2, 5)) == MatchSettings()
    with pytest.raises(RecipeError, match=r"student's layers 0 to 1\. Got 2"):
        match_of(MatchSettings(layers=((2, 2),)), (0, 5), (0, 2, 4, 5))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"student": {"from": "scratch", "progressive": 2}}, "progressive are for from: teacher"),
        ({"student": {"from": "scratch", "layers": 2}}, "student.layers and progressive are for from: teacher"),
        ({"distill": {"epochs": 0}}, "a training step for each cut"),
        ({"distill": {"max_steps": 1}}, "a training step for each cut"),
        ({"student": {"from": "teacher", "progressive": 0}}, "progressive"),
        ({"student": {"from": "teacher", "progressive": []}}, "progressive"),
    ],
)
def test_what_cannot_be_is_refused_when_the_recipe_is_read(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        make_progressive(tmp_path, **changes)


def test_a_wrong_map_is_refused_before_the_teacher_learns(tmp_path: Path) -> None:
    for student in ({"layers": [2, 0]}, {"layers": 1, "progressive": 9}):
        with pytest.raises(RecipeError, match=r"student\.(layers|progressive)"):
            build(make_progressive(tmp_path, student={"from": "teacher", **student}), out=tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()
