"""Weights held in fewer bytes: what is lost is the rounding of the weights and nothing else, and the bytes are counted.

Oracles: transformers in float32 over weights that were rounded here by another way; torch's own int8 product.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.unit.test_distilling import LEARN, make_recipe, write_rows
from tokenizers import Tokenizer

from smallwright.compress.vocabulary import trim_embedding
from smallwright.data import Shard
from smallwright.data.top_answers import TopAnswers
from smallwright.errors import CheckpointError, RecipeError
from smallwright.model import Transformer, load_hf, load_model, save_hf, save_model
from smallwright.model.weight_only import AS_STORED, HELD_AS, HeldLinear, count_held_bytes, quantise_rows
from smallwright.pipeline.build import build
from smallwright.pipeline.classify import make_classifier
from smallwright.pipeline.generate import make_generator
from smallwright.pipeline.shared import PACKAGE_FILE, STUDENT_FOLDER, TEACHER_FOLDER
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load as open_package
from smallwright.teacher.answers import answer_logits
from smallwright.teacher.language import ANSWERS, answer_next_tokens
from smallwright.tokenizer.train import train_bpe, train_wordpiece

transformers = pytest.importorskip("transformers")

VOCABULARY, TOLERANCE = 96, 1e-4
TOKENS = torch.randint(1, VOCABULARY, (3, 17), generator=torch.Generator().manual_seed(7))
TEXT = "the cat sat on the mat. the dog sat on the log.\n"
LABELS = ("on", "off")


def make_decoder(folder: Path, *, vocabulary: int = VOCABULARY, tied: bool = False, **values: Any) -> Any:
    """A random Llama as transformers writes it."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.2,
        tie_word_embeddings=tied,
        **values,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    model.save_pretrained(folder)
    return model


def make_encoder(folder: Path, vocabulary: int = VOCABULARY) -> Any:
    """A random BERT that classifies."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=40,
        initializer_range=0.2,
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )
    model = transformers.BertForSequenceClassification(config).eval()
    model.save_pretrained(folder)
    return model


MAKERS = {
    "llama": make_decoder,
    "llama, tied": lambda folder: make_decoder(folder, tied=True),
    "llama, biases": lambda folder: make_decoder(folder, attention_bias=True, mlp_bias=True),
    "bert": make_encoder,
}


def answer(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found = model(TOKENS)
    return found if isinstance(found, torch.Tensor) else found.logits


def round_matrices(model: Any, how: str) -> None:
    """Round the weights of a transformers model in place, in float64 and with numpy where they become int8."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() != 2 or "position_embeddings" in name or "token_type" in name:
                continue
            if how == "bfloat16":
                weight.copy_(weight.to(torch.bfloat16))
                continue
            values = weight.double().numpy()
            scales = np.abs(values).max(axis=1, keepdims=True) / 127
            scales[scales == 0] = 1  # BERT's row of padding is zeros
            weight.copy_(torch.from_numpy(np.rint(values / scales) * scales))


@pytest.mark.parametrize("held_as", ["bfloat16", "int8"])
@pytest.mark.parametrize("case", MAKERS)
def test_answers_are_those_of_transformers_over_rounded_weights(case: str, held_as: str, tmp_path: Path) -> None:
    theirs = MAKERS[case](tmp_path)
    exact = answer(theirs)
    round_matrices(theirs, held_as)
    expected, found = answer(theirs), answer(load_hf(tmp_path, held_as=held_as))
    assert (found - expected).abs().max() < TOLERANCE
    assert (expected - exact).abs().max() > 10 * TOLERANCE, "the rounding itself must show"


@pytest.mark.parametrize("case", MAKERS)
def test_a_checkpoint_in_bfloat16_loses_nothing_in_bfloat16(case: str, tmp_path: Path) -> None:
    MAKERS[case](tmp_path / "float32").to(torch.bfloat16).save_pretrained(tmp_path)
    theirs = type(MAKERS[case](tmp_path / "float32")).from_pretrained(tmp_path, dtype=torch.float32).eval()
    whole, half = load_hf(tmp_path), load_hf(tmp_path, held_as="bfloat16")
    assert torch.equal(answer(half), answer(whole))
    assert (answer(half) - answer(theirs)).abs().max() < TOLERANCE


def test_int8_errs_as_much_as_noise_of_its_step(tmp_path: Path) -> None:
    """Against transformers' float32: rounding is like a uniform error within half a step of each weight."""
    theirs = make_decoder(tmp_path)
    exact = answer(theirs)
    ours = (answer(load_hf(tmp_path, held_as="int8")) - exact).square().mean().sqrt()
    weights = {name: weight.detach().clone() for name, weight in theirs.named_parameters() if weight.dim() == 2}
    draws = []
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in weights.items():
                steps = weight.abs().amax(dim=1, keepdim=True) / 127
                noise = (torch.rand(weight.shape, generator=generator) - 0.5) * steps
                theirs.get_parameter(name).copy_(weight + noise)
        draws.append((answer(theirs) - exact).square().mean().sqrt())
    assert 0.5 < float(ours / torch.stack(draws).mean()) < 2.0


def test_a_product_errs_by_half_a_step_of_each_weight_at_most() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(12, 40, generator=generator)
    matrix[3], matrix[4, 5] = 0.0, 60.0  # a row of nothing, and one with an outlier
    x, codes = torch.randn(9, 40, generator=generator), quantise_rows(matrix)
    assert codes[0].abs().max() == 127 and codes[1][3] == 0
    found = HeldLinear(*codes, bias=False)(x)
    bound = 0.5 * codes[1] * x.abs().sum(dim=1, keepdim=True)
    assert ((found - x @ matrix.T).abs() <= bound * 1.001 + 1e-5).all()
    assert ((found - x @ matrix.T).abs() > 0.01 * bound).any()
    half = HeldLinear(matrix.to(torch.bfloat16), None, bias=False)(x)
    assert ((half - x @ matrix.T).abs() <= 2**-9 * (x.abs() @ matrix.abs().T) + 1e-5).all()


def test_codes_and_products_are_torchs_own() -> None:
    matrix = torch.randn(32, 64, generator=torch.Generator().manual_seed(1))
    codes, scales = quantise_rows(matrix)
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    theirs = torch.quantize_per_channel(matrix, scales.double(), zeros, 0, torch.qint8).int_repr()
    apart = (codes.int() - theirs.int()).abs()
    assert apart.max() <= 1 and (apart == 0).float().mean() > 0.99  # it multiplies by 1 / scale: ties may differ
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(2))
    layer = HeldLinear(codes, scales, bias=False)
    torch.testing.assert_close(layer(x), torch._weight_int8pack_mm(x, codes, scales), atol=1e-4, rtol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
    assert found.dtype == torch.bfloat16  # 3 roundings of 2^-9 at most: x, the sum, the scaled sum
    sums = x.abs() @ (codes.abs() * scales[:, None]).T
    assert ((found.float() - layer(x)).abs() <= 3 * 2**-9 * sums).all()


def test_large_matrices_are_turned_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, x = torch.randn(23, 8), torch.randn(2, 3, 8)
    whole = HeldLinear(*quantise_rows(matrix), bias=True)
    torch.nn.init.normal_(whole.bias)
    expected = whole(x)
    monkeypatch.setattr("smallwright.model.weight_only._MOST_AT_ONCE", 5 * 8)
    torch.testing.assert_close(whole(x), expected)
    monkeypatch.setattr("smallwright.model.weight_only._MOST_ROUNDED", 5 * 8)
    assert all(torch.equal(*pair) for pair in zip(quantise_rows(matrix), (whole.weight, whole.scales), strict=True))


@pytest.mark.parametrize("case", MAKERS)
def test_bytes_are_counted(case: str, tmp_path: Path) -> None:
    MAKERS[case](tmp_path)
    counted = []
    for held_as in HELD_AS:
        model = load_hf(tmp_path, held_as=held_as)
        counted.append(count_held_bytes(model.spec, held_as))
        assert counted[-1] == sum(tensor.nbytes for tensor in model.state_dict().values())
    assert counted[0] > 1.5 * counted[1] > 1.5 * 1.3 * counted[2]  # of so small a model much is norms and positions


def test_nothing_of_it_is_trained_and_its_vocabulary_can_be_trimmed(tmp_path: Path) -> None:
    kept = np.array([5, 0, 17, 90])
    for tied in (False, True):
        make_decoder(tmp_path / str(tied), tied=tied)
        for held_as in ("bfloat16", "int8"):
            model = load_hf(tmp_path / str(tied), held_as=held_as)
            assert all(weight.dim() == 1 for weight in model.parameters())
            smaller = trim_embedding(model, kept)
            tokens = torch.tensor([[2, 0, 3, 1]])
            expected = model.logits(torch.from_numpy(kept)[tokens])[..., torch.from_numpy(kept)]
            torch.testing.assert_close(smaller.logits(tokens), expected, atol=1e-5, rtol=1e-5)


def test_classes_come_in_the_order_asked_for(tmp_path: Path) -> None:
    make_encoder(tmp_path)
    plain, turned = (load_hf(tmp_path, labels=labels, held_as="int8") for labels in (LABELS, LABELS[::-1]))
    torch.testing.assert_close(answer(turned), answer(plain)[:, [1, 0]])


def test_as_stored_is_what_the_file_has_and_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("smallwright.model.save_hf"), "SHARD_BYTES", 20_000)
    make_decoder(tmp_path / "float32").to(torch.bfloat16).save_pretrained(tmp_path / "given")
    stored = load_hf(tmp_path / "given", held_as=AS_STORED)
    save_hf(stored, tmp_path / "back")
    shards = sorted((tmp_path / "back").glob("*.safetensors"))
    assert len(shards) > 2 and (tmp_path / "back/model.safetensors.index.json").is_file()
    found = {name: tensor for shard in shards for name, tensor in load_file(shard).items()}
    given = load_file(tmp_path / "given/model.safetensors")
    assert found.keys() == given.keys() and all(torch.equal(found[name], given[name]) for name in given)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "back")
    assert theirs.dtype == torch.bfloat16
    assert torch.equal(answer(load_model(tmp_path / "back")), answer(load_model(tmp_path / "given")))


def test_our_own_layout_can_be_held_so_too(tmp_path: Path) -> None:
    from smallwright.model import preset, preset_classifier, seeded

    heads = {"classes": preset_classifier(LABELS)}
    spec = preset("pico", vocabulary=VOCABULARY, causal=False, heads=heads, context=32, bigrams=64)
    with seeded(0):
        save_model(Transformer(spec), tmp_path / "own")
    exact, held = load_model(tmp_path / "own"), load_model(tmp_path / "own", held_as="int8")
    assert {"embedding.tokens.scales", "embedding.bigrams.scales"} <= held.state_dict().keys()
    assert 0 < (answer(held) - answer(exact)).abs().max() < 0.1 * answer(exact).abs().max()
    with pytest.raises(CheckpointError, match=r"held as one of float32, bfloat16, int8\. Got 'int4'"):
        load_model(tmp_path / "own", held_as="int4")


# ---- recipes


def make_classifying_teacher(folder: Path) -> Path:
    """A random BERT with the labels of the rows of test_distilling.py, and a tokenizer of their words."""
    folder.mkdir()
    train_wordpiece(write_rows(folder), vocabulary=200).save(str(folder / "tokenizer.json"))
    make_encoder(folder, Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size())
    return folder


def test_a_recipe_asks_its_encoder_in_int8_and_counts_its_bytes(tmp_path: Path) -> None:
    path = make_classifying_teacher(tmp_path / "given")
    teacher, told = {"from": "hf", "path": str(path)}, {}
    quick = {"latency_rounds": 1, "cold_starts": 1, "bootstrap_resamples": 100, "baseline": False}
    for load in HELD_AS:
        recipe = make_recipe(tmp_path, teacher={**teacher, "load": load}, evaluate=quick)
        report = build(recipe, out=tmp_path, quiet=True).report
        told[load] = next(line for line in report.neighbours if line.kind == "teacher")
        assert told[load].note == f"{load}, 1 thread"
    spec = load_hf(path).spec
    assert {load: line.size_bytes for load, line in told.items()} == {
        load: count_held_bytes(spec, load) for load in HELD_AS
    }
    folders = list((tmp_path / "lamps/stages").glob("answers-*"))
    assert len(folders) == 3, "each is asked for itself"
    (rows,) = (tmp_path / "lamps/stages").glob("data-*/train.jsonl")
    texts = [json.loads(line)["text"] for line in rows.read_text(encoding="utf-8").splitlines()]
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    tokens = [np.array(tokenizer.encode(text).ids) for text in texts]
    labels = tuple(sorted(LABELS))
    kept = [np.load(folder / "train.npy") for folder in folders]
    for load in HELD_AS:
        wanted = answer_logits(load_hf(path, labels=labels, held_as=load), tokens, tmp_path / load)
        assert sum(np.allclose(wanted, one, atol=1e-5) for one in kept) == 1, "its own answers, and no other's"


def test_a_recipe_asks_its_causal_teacher_in_int8(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.txt").write_text(TEXT * 60, encoding="utf-8")
    given = tmp_path / "given"
    given.mkdir()
    tokenizer = train_bpe(
        [TEXT, "whole words that nobody needs, needed nowhere, whatever words they were"], vocabulary=310
    )
    tokenizer.save(str(given / "tokenizer.json"))
    make_decoder(given, vocabulary=tokenizer.get_vocab_size()).to(torch.bfloat16).save_pretrained(given)
    learn = {**LEARN, "epochs": 1, "batch_size": 4}
    document = {
        "name": "cats",
        "task": {"kind": "generate"},
        "data": {"train": "text"},
        "tokenizer": {"kind": "teacher"},
        "student": {"from": "scratch", "preset": "nano", "context": 32},
        "distill": learn,
        "threads": 1,
    }
    made, shops = {}, {}
    for load in HELD_AS:
        teacher = {"from": "hf", "path": str(given), "load": load}
        recipe = Recipe.from_mapping({**document, "teacher": teacher}, root=tmp_path)
        shops[load] = Workshop(tmp_path / "out", threads=1, quiet=True)
        made[load] = make_generator(recipe, shops[load])
    folders = {load: shop.outcomes["teacher"].folder / TEACHER_FOLDER for load, shop in shops.items()}
    kinds = {load: {w.dtype for w in load_file(one / "model.safetensors").values()} for load, one in folders.items()}
    assert kinds == {"float32": {torch.float32}, "bfloat16": {torch.bfloat16}, "int8": {torch.bfloat16}}
    held = load_model(folders["int8"], held_as="int8")
    assert held.spec.embedding.vocabulary < tokenizer.get_vocab_size(), "trimmed to the text"
    facts = shops["int8"].outcomes["teacher"].facts
    assert (facts["load"], facts["weight_bytes"]) == ("int8", count_held_bytes(held.spec, "int8"))
    kept = {load: (shop.outcomes["answers"].folder / ANSWERS).read_bytes() for load, shop in shops.items()}
    assert kept["float32"] == kept["bfloat16"] != kept["int8"]
    shard = Shard.open(made["int8"].lessons.folder / "train")
    again = answer_next_tokens(held, shard, tmp_path / "again", context=32)
    assert (
        again.records.tobytes() == TopAnswers.open(shops["int8"].outcomes["answers"].folder / ANSWERS).records.tobytes()
    )
    logits = []
    for load in HELD_AS:  # the neighbour in the report is the checkpoint itself, whatever it was held as
        with open_package(shops[load].outcomes["teacher-package"].folder / PACKAGE_FILE, threads=1) as package:
            logits.append(package.logits([1, 5, 9]))
    assert np.array_equal(logits[0], logits[1]) and np.array_equal(logits[0], logits[2])


@pytest.mark.parametrize("load", ["bfloat16", "int8"])
def test_it_sits_beside_a_student_too(load: str, tmp_path: Path) -> None:
    path = make_classifying_teacher(tmp_path / "given")
    teacher = {"from": "hf", "path": str(path), "load": load}
    distill = {**LEARN, "epochs": 1, "answers": "online", "match": {"hidden_states": 1.0, "attention_relations": 1.0}}
    recipe = make_recipe(tmp_path, teacher=teacher, tokenizer={"kind": "teacher"}, distill=distill)
    made = make_classifier(recipe, Workshop(tmp_path / "out", threads=1, quiet=True))
    assert made.student.facts["steps"] > 0
    student = load_model(made.student.folder / STUDENT_FOLDER)
    assert student.spec.embedding.vocabulary < load_model(path).spec.embedding.vocabulary


@pytest.mark.parametrize(
    ("teacher", "student", "law"),
    [
        (
            {"from": "hf", "path": "x", "finetune": {}},
            {},
            r"teacher\.load: int8 is for a checkpoint that is used as it is",
        ),
        ({"from": "scratch", "preset": "pico"}, {}, r"teacher\.load: int8 is for a checkpoint that is used as it is"),
        ({"from": "hf", "path": "x"}, {"student": {"from": "teacher"}}, r"float32 weights\. Got teacher\.load: int8"),
        ({"from": "endpoint", "url": "http://127.0.0.1:1/v1", "model": "m"}, {}, "it has no load"),
        ({"from": "package", "file": "x.gguf"}, {}, "load"),
    ],
)
def test_where_there_is_nothing_to_hold_in_fewer_bytes_it_is_refused(
    teacher: dict[str, Any], student: dict[str, Any], law: str, tmp_path: Path
) -> None:
    tokenizer = {"tokenizer": {"kind": "teacher"}} if student else {}
    with pytest.raises(RecipeError, match=law):
        make_recipe(tmp_path, teacher={**teacher, "load": "int8"}, **student, **tokenizer)
