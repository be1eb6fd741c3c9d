"""Teachers: as they are, with their labels in our order, or trained first; and answers that are asked for once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from smallwright.data.row import Row
from smallwright.errors import CheckpointError, DataError, RecipeError
from smallwright.model import (
    Transformer,
    is_own,
    load_classifier,
    load_hf,
    load_model,
    preset,
    preset_classifier,
    read_spec,
    save_model,
    seeded,
)
from smallwright.teacher import answers as answers_module
from smallwright.teacher.answers import answer_logits
from smallwright.teacher.fit import TEACHER_FOLDER, fit_teacher
from smallwright.teacher.settings import TeacherSettings
from smallwright.teacher.table import UsedTokens
from smallwright.tokenizer.encode import encode_texts
from smallwright.tokenizer.load import load_roles, load_tokenizer

LABELS = ("dim", "heat", "play")
WORDS = ["light", "lamp", "warm", "cold", "music", "song", "the", "please", "now", "room"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = 40


def make_tokenizer(path: Path) -> None:
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
    vocabulary |= {f"unseen{index}": index for index in range(len(vocabulary), VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(path / "tokenizer.json"))
    (path / "tokenizer_config.json").write_text(json.dumps({"cls_token": "[CLS]", "pad_token": "[PAD]"}))


def make_encoder(path: Path, labels: tuple[str, ...] = ()) -> Path:
    """A BERT folder as transformers writes it: an encoder, or a classifier where there are labels."""
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    torch.manual_seed(0)
    names = {"id2label": dict(enumerate(labels)), "label2id": {n: i for i, n in enumerate(labels)}} if labels else {}
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=24,
        **names,
    )
    model = BertForSequenceClassification(config) if labels else BertModel(config)
    model.save_pretrained(path)
    make_tokenizer(path)
    return path


def make_rows(count: int, seed: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        label = int(rng.integers(3))
        words = [WORDS[2 * label + int(rng.integers(2))], *rng.choice(WORDS[6:], 2)]
        rows.append(Row(" ".join(rng.permutation(words)), LABELS[label]))
    return rows


def fit(settings: dict, out: Path, **rest: object) -> dict:
    arguments = {"rows": make_rows(120, 0), "validation": make_rows(40, 1), "labels": LABELS, "threads": 1} | rest
    return fit_teacher(TeacherSettings.model_validate(settings), out=out, quiet=True, **arguments)


def test_a_classifier_is_used_as_it_is_with_labels_in_our_order(tmp_path: Path) -> None:
    source = make_encoder(tmp_path / "given", ("play", "dim", "heat"))
    facts = fit({"path": str(source)}, tmp_path / "out")
    assert set(facts) == {"parameters"}
    ours = load_model(tmp_path / "out" / TEACHER_FOLDER)
    assert ours.spec.labels == LABELS
    from transformers import BertForSequenceClassification

    theirs = BertForSequenceClassification.from_pretrained(source).eval()
    tokens = torch.randint(VOCABULARY, (3, 9))
    with torch.no_grad():
        torch.testing.assert_close(ours.classify(tokens), theirs(tokens).logits[:, [1, 2, 0]], atol=1e-5, rtol=1e-4)
    again = BertForSequenceClassification.from_pretrained(tmp_path / "out" / TEACHER_FOLDER).eval()
    assert [again.config.id2label[index] for index in range(3)] == list(LABELS)
    assert load_roles(tmp_path / "out" / TEACHER_FOLDER) == load_roles(source) != {}


def test_a_checkpoint_of_our_own_teaches_too(tmp_path: Path) -> None:
    labels = ("play", "dim", "heat")
    spec = preset("nano", vocabulary=VOCABULARY, causal=False, heads={"mine": preset_classifier(labels)}, context=24)
    with seeded(3):
        given = Transformer(spec).eval()
    source = tmp_path / "given"
    save_model(given, source)
    assert is_own(source)
    make_tokenizer(source)
    tokens = torch.randint(VOCABULARY, (3, 9))
    for load, most in (("float32", 1e-6), ("int8", 0.05)):
        facts = fit({"path": str(source), "load": load}, tmp_path / load)
        found = load_model(tmp_path / load / TEACHER_FOLDER, held_as=load)
        assert found.spec.labels == LABELS and facts["parameters"] == sum(w.numel() for w in given.parameters())
        apart = (found.classify(tokens) - given.classify(tokens)[:, [1, 2, 0]]).abs().max()
        assert apart <= most * given.classify(tokens).abs().max()
    other = ("dim", "heat", "play", "cook")
    assert load_classifier(source, other, replace_head=True).spec == read_spec(source, labels=other)
    facts = fit({"path": str(source), "finetune": {"epochs": 4, "learning_rate": 3e-3}}, tmp_path / "tuned")
    assert facts["scores"]["accuracy"] > 0.5
    with pytest.raises(CheckpointError, match=r"Got missing \['cook'\], unknown \[\] in .*Add finetune"):
        fit({"path": str(source)}, tmp_path / "out", labels=other)
    with pytest.raises(CheckpointError, match=r"classes must be those that are asked for\. Got 3 others"):
        load_classifier(source, other)


def test_a_teacher_that_does_not_know_the_labels_is_refused(tmp_path: Path) -> None:
    source = make_encoder(tmp_path / "given", ("play", "dim", "cook"))
    law = r"classifier of the data's 3 labels. Got missing \['heat'\], unknown \['cook'\] in .*Add finetune: \{\}"
    with pytest.raises(CheckpointError, match=law):
        fit({"path": str(source)}, tmp_path / "out")
    source = make_encoder(tmp_path / "encoder")
    with pytest.raises(CheckpointError, match=r"Got a checkpoint without a classifier"):
        fit({"path": str(source)}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_encoder_learns_the_task(tmp_path: Path) -> None:
    source = make_encoder(tmp_path / "given")
    finetune = {"epochs": 8, "learning_rate": 3e-3, "head_scale": 1.0, "batch_size": 16, "dropout": 0.0}
    finetune["precision"] = "float32"
    facts = fit({"path": str(source), "finetune": finetune}, tmp_path / "out")
    assert facts["scores"]["accuracy"] > 0.9 and facts["steps"] == 64
    folder = tmp_path / "out" / TEACHER_FOLDER
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    rows = make_rows(40, 1)
    logits = answer_logits(
        model, encode_texts(tokenizer, [row.text for row in rows], max_tokens=24), tmp_path / "asked"
    )
    right = [LABELS[index] == row.label for index, row in zip(logits.argmax(1), rows, strict=True)]
    assert np.mean(right) == pytest.approx(facts["scores"]["accuracy"], abs=0.03)
    # rows of words that never occur are as they were; those that do have moved
    before, after = load_hf(source, labels=LABELS).embedding.tokens.weight, model.embedding.tokens.weight
    assert torch.equal(before[len(SPECIAL) + len(WORDS) :], after[len(SPECIAL) + len(WORDS) :])
    assert not torch.equal(before[4:14], after[4:14])
    # called again, it trains nothing and writes the same
    stamp = (tmp_path / "out" / "training" / "model.safetensors").stat().st_mtime_ns
    weights = (folder / "model.safetensors").read_bytes()
    assert fit({"path": str(source), "finetune": finetune}, tmp_path / "out") == facts
    assert (tmp_path / "out" / "training" / "model.safetensors").stat().st_mtime_ns == stamp
    assert (folder / "model.safetensors").read_bytes() == weights


def test_a_classifier_of_other_labels_can_be_trained_on_ours(tmp_path: Path) -> None:
    source = make_encoder(tmp_path / "given", ("yes", "no"))
    fit({"path": str(source), "finetune": {"epochs": 1}}, tmp_path / "out")
    assert load_model(tmp_path / "out" / TEACHER_FOLDER).spec.labels == LABELS


def test_a_teacher_from_scratch(tmp_path: Path) -> None:
    make_tokenizer(tmp_path)
    settings = {"from": "scratch", "preset": "nano", "finetune": {"epochs": 5, "batch_size": 16}}
    facts = fit(settings, tmp_path / "out", tokenizer=tmp_path / "tokenizer.json", context=16)
    assert facts["scores"]["accuracy"] > 0.9
    model = load_model(tmp_path / "out" / TEACHER_FOLDER)
    assert model.spec.labels == LABELS and model.spec.context == 16 and model.spec.embedding.vocabulary == VOCABULARY
    with pytest.raises(RecipeError, match=r"from scratch needs a tokenizer"):
        fit(settings, tmp_path / "other")


def test_a_row_without_a_known_label_is_named(tmp_path: Path) -> None:
    source = make_encoder(tmp_path / "given")
    with pytest.raises(DataError, match=r"one of the 3 labels. Got 'cook' for 'boil an egg'"):
        fit({"path": str(source), "finetune": {}}, tmp_path / "out", rows=[Row("boil an egg", "cook")])


def test_used_tokens_trains_as_the_whole_table_does(tmp_path: Path) -> None:
    from smallwright.train.optimizer import make_optimizers

    source, results = make_encoder(tmp_path / "given", LABELS), []
    rng = np.random.default_rng(0)
    sequences = [rng.integers(2, 20, 6).astype(np.int32) for _ in range(4)]

    def learn(model: torch.nn.Module, rows: list[np.ndarray]) -> None:
        (optimizer,) = make_optimizers(model, learning_rate=1e-3, weight_decay=0.1)
        for _ in range(3):
            logits = model.classify(torch.from_numpy(np.stack(rows).astype(np.int64)))
            torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
            optimizer.step()
            optimizer.zero_grad()

    for small in (False, True):
        model = load_hf(source)
        if small:
            with UsedTokens(model, sequences) as used:
                assert len(model.embedding.tokens.weight) < VOCABULARY
                learn(model, [used.renumber(sequence) for sequence in sequences])
        else:
            learn(model, sequences)
        results.append(model.state_dict())
    for name, tensor in results[0].items():
        torch.testing.assert_close(results[1][name], tensor, atol=1e-6, rtol=1e-5, msg=name)


def test_pairs_are_those_of_the_tokens_own_numbers(tmp_path: Path) -> None:
    """A model that learned on renumbered tokens would read other rows of its pairs afterwards."""
    heads = {"classifier": preset_classifier(LABELS)}
    model = Transformer(preset("pico", vocabulary=40, causal=False, heads=heads, context=16, bigrams=64)).eval()
    sequences = [np.array([7, 9, 30], np.int32), np.array([9, 7], np.int32)]
    outside = [model.classify(torch.tensor(sequence[None]).long()) for sequence in sequences]
    with UsedTokens(model, sequences) as used:
        inside = [model.classify(torch.tensor(used.renumber(sequence)[None]).long()) for sequence in sequences]
    torch.testing.assert_close(inside, outside)


class CountingModel(torch.nn.Module):
    """Answers with a row of its table, and counts how many texts it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.arange(60.0).view(20, 3))
        self.asked = 0
        self.patience = 10**9

    def classify(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        if self.asked >= self.patience:
            raise KeyboardInterrupt
        self.asked += len(tokens)
        return self.table[tokens[:, 0]]


def test_answers_are_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_module, "CHUNK_TEXTS", 8)
    rng, model = np.random.default_rng(0), CountingModel()
    sequences = [rng.integers(0, 20, rng.integers(1, 9)).astype(np.int32) for _ in range(30)]
    expected = np.stack([model.table[sequence[0]].detach().numpy() for sequence in sequences])
    model.patience = 16
    with pytest.raises(KeyboardInterrupt):
        answer_logits(model, sequences, tmp_path)
    assert model.asked == 16 and not (tmp_path / "answers.json").exists()
    model.patience = 10**9
    np.testing.assert_array_equal(answer_logits(model, sequences, tmp_path), expected)
    assert model.asked == 30  # the two whole chunks were not asked again
    np.testing.assert_array_equal(answer_logits(model, sequences, tmp_path), expected)
    assert model.asked == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.json", "answers.npy"]
    answer_logits(model, sequences[:-1], tmp_path)  # other texts
    assert model.asked == 59
    with torch.no_grad():
        model.table.add_(1.0)  # another teacher
    np.testing.assert_array_equal(answer_logits(model, sequences, tmp_path), expected + 1.0)
    assert model.asked == 89


def test_answers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = CountingModel()
    with torch.no_grad():
        model.table[3, 1] = float("nan")
    with pytest.raises(CheckpointError, match=r"answers must be finite"):
        answer_logits(model, [np.array([3])], tmp_path)
    assert not (tmp_path / "answers.npy").exists()
