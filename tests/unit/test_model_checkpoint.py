"""Checkpoint folders: our own layout, what is refused, and that the message says what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from smallwright.errors import CheckpointError
from smallwright.model import (
    CLASSIFIER,
    LANGUAGE_MODEL,
    Transformer,
    describe_hf,
    load_checkpoint,
    load_classifier,
    load_hf,
    load_model,
    preset,
    read_spec,
    save_checkpoint,
    save_hf,
    save_model,
    seeded,
)
from smallwright.model.families import write_config
from smallwright.spec import HeadSpec, ModelSpec

CLASSIFY = {CLASSIFIER: HeadSpec("classifier", pooling="mean", labels=("on", "off"))}
LANGUAGE = {LANGUAGE_MODEL: HeadSpec("language_model", tied=True)}


def make_decoder(heads: dict[str, HeadSpec] = LANGUAGE) -> Transformer:
    with seeded(0):
        return Transformer(preset("nano", vocabulary=64, causal=True, heads=heads, context=32)).eval()


def make_encoder() -> Transformer:
    with seeded(0):
        return Transformer(preset("nano", vocabulary=64, causal=False, heads=CLASSIFY, context=32)).eval()


@pytest.fixture
def decoder(tmp_path: Path) -> Path:
    """The folder of a saved decoder, in Hugging Face's layout."""
    save_hf(make_decoder(), tmp_path / "model")
    return tmp_path / "model"


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_tensors(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def assert_equal(a: Transformer, b: Transformer) -> None:
    assert a.spec == b.spec
    assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())


def test_a_rotary_encoder_is_saved_in_our_own_layout_and_comes_back(tmp_path: Path) -> None:
    model = make_encoder()
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text('{"version": "1.0"}')
    save_model(model, tmp_path / "model", tokenizer)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert json.loads((tmp_path / "model" / "config.json").read_text())["model_type"] == "smallwright"
    assert (tmp_path / "model" / "tokenizer.json").read_bytes() == tokenizer.read_bytes()
    assert_equal(load_model(tmp_path / "model"), model)
    assert not load_model(tmp_path / "model").training


def test_every_model_fits_our_own_layout(tmp_path: Path) -> None:
    save_checkpoint(make_decoder(), tmp_path / "model")
    assert_equal(load_checkpoint(tmp_path / "model"), make_decoder())


def test_what_no_family_can_say_is_not_said(tmp_path: Path) -> None:
    decoder = make_decoder().spec
    uneven = replace(
        decoder,
        layers=(
            *decoder.layers[1:],
            replace(decoder.layers[0], feedforward=replace(decoder.layers[0].feedforward, width=64)),
        ),
    )
    for spec in (
        make_encoder().spec,
        uneven,
        replace(decoder, heads={**LANGUAGE, **CLASSIFY}),
        replace(decoder, heads={"intent": LANGUAGE[LANGUAGE_MODEL]}),
        replace(decoder, norm=replace(decoder.norm, placement="post")),
    ):
        assert write_config(spec) is None
    assert write_config(decoder) is not None
    with pytest.raises(CheckpointError, match=r"known family.*Save it with save_model"):
        save_hf(make_encoder(), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_saving_twice_gives_the_same_bytes_and_replaces(tmp_path: Path) -> None:
    save_model(make_encoder(), tmp_path / "model")
    save_model(make_decoder(), tmp_path / "model")
    save_model(make_decoder(), tmp_path / "again")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "model" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "model"]


def test_a_failed_save_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(make_decoder(), tmp_path / "model")
    before = (tmp_path / "model" / "model.safetensors").read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(import_module("smallwright.model.save_hf"), "save_file", fail)
    for folder in ("model", "other"):
        with pytest.raises(OSError, match="no space"):
            save_model(make_encoder(), tmp_path / folder)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_a_killed_save_left_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".model.new").mkdir()
    (tmp_path / ".model.new" / "config.json").write_text("{")
    save_model(make_decoder(), tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert_equal(load_model(tmp_path / "model"), make_decoder())


def test_other_folders_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(CheckpointError, match="must not overwrite other things"):
        save_model(make_decoder(), tmp_path)
    with pytest.raises(CheckpointError, match="tokenizer_json must be a file"):
        save_model(make_decoder(), tmp_path / "model", tmp_path / "none.json")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


REFUSED_CONFIGS = {
    "model_type": ({"model_type": "mistral"}, r"one of llama, qwen2, qwen3, bert\. Got 'mistral'"),
    "architecture": ({"architectures": ["LlamaForTokenClassification"]}, "architectures must be a list of one of"),
    "no architecture": ({"architectures": None}, "architectures must be a list of one of"),
    "scaled rope": ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4}}, "not scaled here"),
    "older scaled rope": (
        {"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2.0}},
        "rope_scaling must be of type default",
    ),
    "rope by layer": ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "one set of values"),
    "partial rope": ({"partial_rotary_factor": 0.5}, "partial_rotary_factor must be 1"),
    "window": ({"use_sliding_window": True}, r"use_sliding_window must be False\. Got True"),
    "layer types": ({"layer_types": ["sliding_attention"] * 4}, "full_attention"),
    "activation": ({"hidden_act": "xielu"}, r"hidden_act must be one of .*\. Got 'xielu'"),
    "quantised": ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config must be absent"),
    "own code": ({"auto_map": {"AutoModel": "modeling_x.X"}}, "auto_map must be absent"),
    "text for number": ({"hidden_size": "128"}, "hidden_size must be a whole number"),
    "huge": ({"num_hidden_layers": 10**9}, "num_hidden_layers must be a whole number from 1 to 4096"),
    "zero": ({"vocab_size": 0}, "vocab_size must be a whole number"),
    "heads": ({"num_key_value_heads": 3}, "key_value_heads divides heads"),
    "epsilon": ({"rms_norm_eps": -1}, "rms_norm_eps must be a positive number"),
    "flag": ({"attention_bias": "no"}, "attention_bias must be true or false"),
    "shape": ({"intermediate_size": 352}, r"Got \(384, 128\) instead of \(352, 128\) for model\.layers\.0\.mlp"),
    "missing": ({"num_hidden_layers": 5}, r"Got none called model\.layers\.4\.input_layernorm\.weight.*\(9 missing\)"),
    "left over": (
        {"num_hidden_layers": 3},
        r"no tensor that its config does not name.*model\.layers\.3\..*\(9 left over\)",
    ),
    "untied": ({"tie_word_embeddings": False}, r"Got none called lm_head\.weight"),
}


@pytest.mark.parametrize("case", REFUSED_CONFIGS)
def test_configs_that_we_do_not_compute_are_refused(case: str, decoder: Path) -> None:
    changes, message = REFUSED_CONFIGS[case]
    load_hf(decoder)
    change_config(decoder, **changes)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_hf(decoder)
    assert str(decoder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names", [{"0": "a"}, {"0": "a", "2": "b"}, {"0": "a", "1": "a"}, ["a", "b"]])
def test_odd_label_names_are_refused(names: object, tmp_path: Path) -> None:
    head = HeadSpec("classifier", pooling="last", output_bias=False, labels=("x", "y"))
    save_hf(make_decoder({CLASSIFIER: head}), tmp_path / "model")
    assert describe_hf(tmp_path / "model").labels == ("x", "y")
    change_config(tmp_path / "model", id2label=names)
    with pytest.raises(CheckpointError, match="id2label must"):
        load_hf(tmp_path / "model")


def test_missing_files_are_listed_with_what_is_there(decoder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"must be a folder on this disk.*nothing is fetched"):
        load_hf("someone/some-model")
    weights = decoder / "model.safetensors"
    weights.rename(decoder / "other.safetensors")
    with pytest.raises(
        CheckpointError, match=r"must hold model\.safetensors \(or .*\)\. Got config\.json, other\.safetensors in"
    ):
        load_hf(decoder)
    (decoder / "other.safetensors").rename(decoder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pickle files .* can run code .*safe_serialization=True"):
        load_hf(decoder)
    (decoder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"must hold config\.json\. Got pytorch_model\.bin"):
        load_model(decoder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe{}", b"[" * 100_000])
def test_a_damaged_config_is_one_line(content: bytes, decoder: Path) -> None:
    (decoder / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config\.json must be"):
        load_model(decoder)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_weights_file_is_one_line(keep: int, decoder: Path) -> None:
    path = decoder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="a safetensors file must be whole"):
        load_hf(decoder)


def test_weights_must_be_finite_floats(decoder: Path) -> None:
    change_tensors(decoder, lambda tensors: tensors["model.norm.weight"].fill_(float("nan")))
    with pytest.raises(CheckpointError, match=r"weights must be finite\. Got NaN or infinity for model\.norm\.weight"):
        load_hf(decoder)

    def to_integers(tensors: dict[str, torch.Tensor]) -> None:
        tensors["model.norm.weight"] = torch.ones(128, dtype=torch.int8)

    change_tensors(decoder, to_integers)
    with pytest.raises(CheckpointError, match=r"Got torch\.int8 for model\.norm\.weight"):
        load_hf(decoder)


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        ("../model.safetensors", r"beside its index\. Got '\.\./model\.safetensors'"),
        ("weights.bin", "must be a safetensors file"),
        ("model-00001.safetensors", r"Got none called model-00001\.safetensors"),
        (3, "weight_map must map tensors to files"),
    ],
)
def test_odd_shards_are_refused(shard: object, message: str, decoder: Path) -> None:
    names = list(load_file(decoder / "model.safetensors"))
    (decoder / "model.safetensors").rename(decoder / "shard.safetensors")
    index = decoder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict.fromkeys(names, "shard.safetensors")}))
    assert_equal(load_hf(decoder), make_decoder())
    index.write_text(json.dumps({"weight_map": {**dict.fromkeys(names, "shard.safetensors"), names[0]: shard}}))
    with pytest.raises(CheckpointError, match=message):
        load_hf(decoder)


def test_the_head_must_suit_the_task(tmp_path: Path) -> None:
    save_hf(make_decoder(), tmp_path / "lm")
    head = HeadSpec("classifier", pooling="last", output_bias=False, labels=("x", "y"))
    save_hf(make_decoder({CLASSIFIER: head}), tmp_path / "classifier")
    assert load_hf(tmp_path / "lm", task="generate").spec.heads == LANGUAGE
    with pytest.raises(CheckpointError, match="classification needs labels"):
        load_hf(tmp_path / "lm", task="classify")
    with pytest.raises(CheckpointError, match="generation needs a checkpoint with a language-model head"):
        load_hf(tmp_path / "classifier", task="generate")
    with pytest.raises(CheckpointError, match=r"task must be one of classify, generate\. Got 'embed'"):
        load_hf(tmp_path / "lm", task="embed")
    with pytest.raises(CheckpointError, match=r"Got x, y instead of x, z .*fine-tune"):
        load_hf(tmp_path / "classifier", labels=["x", "z"])
    fresh = load_hf(tmp_path / "classifier", labels=["x", "z"], replace_head=True)
    kept = load_hf(tmp_path / "classifier", labels=["x", "y"], replace_head=True)
    assert fresh.spec.labels == ("x", "z")
    weight = f"heads.{CLASSIFIER}.output.weight"
    assert torch.equal(kept.state_dict()[weight], make_decoder({CLASSIFIER: head}).state_dict()[weight])
    assert not torch.equal(fresh.state_dict()[weight], kept.state_dict()[weight])


def test_our_own_layout_refuses_what_does_not_fit(tmp_path: Path) -> None:
    save_checkpoint(make_encoder(), tmp_path / "model")
    spec = json.loads(make_encoder().spec.to_json())
    for value, message in (
        (None, "a model description must be the JSON of a ModelSpec"),
        ({**spec, "width": 0}, "width must be positive"),
        ({**spec, "colour": 1}, "colour"),
    ):
        change_config(tmp_path / "model", spec=value)
        with pytest.raises(CheckpointError, match=message):
            load_model(tmp_path / "model")
    change_config(tmp_path / "model", spec={**spec, "layers": spec["layers"][:1]})
    with pytest.raises(CheckpointError, match=r"exactly the tensors of its description.*\(9\)"):
        load_model(tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"model_type must be smallwright in our own layout\. Got 'llama'"):
        change_config(tmp_path / "model", model_type="llama")
        load_checkpoint(tmp_path / "model")
    assert ModelSpec.from_json(json.dumps(spec)) == make_encoder().spec


def test_read_spec_tells_what_would_be_loaded(tmp_path: Path, decoder: Path) -> None:
    save_model(make_encoder(), tmp_path / "encoder")
    for folder in (decoder, tmp_path / "encoder"):
        assert read_spec(folder) == load_model(folder).spec
    labels = ["x", "y", "z"]
    assert read_spec(decoder, labels=labels) == load_hf(decoder, labels=labels).spec
    (decoder / "model.safetensors").unlink()
    assert read_spec(decoder, labels=labels).labels == ("x", "y", "z")
    for wanted in (["off", "on"], labels):
        found = read_spec(tmp_path / "encoder", labels=wanted)
        assert found.labels == tuple(wanted)
        assert found == load_classifier(tmp_path / "encoder", wanted, replace_head=True).spec
    save_checkpoint(make_decoder(), tmp_path / "own")
    with pytest.raises(CheckpointError, match=r"with the one classifier that it has\. Got 0 in .*own"):
        read_spec(tmp_path / "own", labels=labels)


def test_long_values_are_cut_in_messages(decoder: Path) -> None:
    change_config(decoder, layer_types=["sliding_attention"] * 1000)
    with pytest.raises(CheckpointError, match="full_attention") as caught:
        load_hf(decoder)
    assert len(str(caught.value)) < 500
