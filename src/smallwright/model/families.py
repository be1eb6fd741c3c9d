"""Other people's model families, one row each: what their configs and their tensor names mean in ours.

Enters: a ``config.json`` as a dict, or a ``ModelSpec``. Leaves: the other one, and the map of tensor names.
Not here: files (load_hf.py, save_hf.py). Nothing outside this module looks at a family's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from smallwright.errors import CheckpointError, ModelSpecError
from smallwright.model.heads import CLASSIFIER, LANGUAGE_MODEL
from smallwright.model.hf_config import MAX_LAYERS, OWN_ACTIVATION_NAMES, Config
from smallwright.spec import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec, NormSpec


@dataclass(frozen=True)
class Family:
    """One family.

    ``modules``: our module names to theirs, ``{}`` standing for the layer's index. ``prefix`` stands before all of them
    but ``head_modules`` in a checkpoint with a head, and before none in one without. ``architectures``: the classes we
    read and the kind of head that each has (None: none that we use). ``classifier``: the family's classifier head
    without its labels. ``optional``: first parts of tensor names that may be left unread. ``aliases``: older spellings.
    """

    model_type: str
    prefix: str
    modules: Mapping[str, str]
    head_modules: Mapping[str, str]
    architectures: Mapping[str, str | None]
    classifier: HeadSpec
    optional: tuple[str, ...]
    read: Callable[[Config], ModelSpec]
    write: Callable[[ModelSpec], dict[str, Any]]
    aliases: Mapping[str, str]

    def tensor_name(self, name: str, *, prefixed: bool) -> str:
        """Their name of our tensor ``name``."""
        module, _, leaf = name.rpartition(".")
        if module in self.head_modules:
            return f"{self.head_modules[module]}.{leaf}"
        parts = module.split(".")
        index = parts[1] if parts[0] == "layers" else ""
        key = ".".join(["layers", "{}", *parts[2:]]) if index else module
        return f"{self.prefix if prefixed else ''}{self.modules[key].format(index)}.{leaf}"

    def modern_name(self, name: str) -> str:
        """Today's spelling of their tensor ``name``."""
        for old, new in self.aliases.items():
            if name.endswith(old):
                return name[: -len(old)] + new
        return name


def _read_decoder(config: Config, *, bias: bool, output_bias: bool, qk_norm: bool) -> ModelSpec:
    width, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    layer = LayerSpec(
        AttentionSpec(
            heads=heads,
            key_value_heads=config.integer("num_key_value_heads", heads),
            head_width=config.integer("head_dim", max(width // heads, 1)),
            bias=bias,
            output_bias=output_bias,
            qk_norm=qk_norm,
        ),
        FeedForwardSpec(
            width=config.integer("intermediate_size"),
            activation=config.activation(),
            bias=config.flag("mlp_bias"),
            kind="gated",
        ),
    )
    return ModelSpec(
        width=width,
        context=config.integer("max_position_embeddings"),
        causal=True,
        embedding=EmbeddingSpec(vocabulary=config.integer("vocab_size")),
        layers=(layer,) * config.integer("num_hidden_layers", most=MAX_LAYERS),
        norm=NormSpec(kind="rms", epsilon=config.number("rms_norm_eps", 1e-6), placement="pre"),
        rotary_base=config.rotary_base(),
    )


def _read_llama(config: Config) -> ModelSpec:
    bias = config.flag("attention_bias")
    return _read_decoder(config, bias=bias, output_bias=bias, qk_norm=False)


def _read_qwen2(config: Config) -> ModelSpec:
    return _read_decoder(config, bias=True, output_bias=False, qk_norm=False)


def _read_qwen3(config: Config) -> ModelSpec:
    bias = config.flag("attention_bias")
    return _read_decoder(config, bias=bias, output_bias=bias, qk_norm=True)


def _write_decoder(spec: ModelSpec) -> dict[str, Any]:
    mixer, feedforward = spec.layers[0].mixer, spec.layers[0].feedforward
    return {
        "hidden_size": spec.width,
        "intermediate_size": feedforward.width,
        "num_hidden_layers": len(spec.layers),
        "num_attention_heads": mixer.heads,
        "num_key_value_heads": mixer.key_value_heads,
        "head_dim": mixer.head_width,
        "hidden_act": OWN_ACTIVATION_NAMES[feedforward.activation],
        "max_position_embeddings": spec.context,
        "rms_norm_eps": spec.norm.epsilon,
        "rope_theta": spec.rotary_base,
        "rope_parameters": {"rope_type": "default", "rope_theta": spec.rotary_base},
        "attention_bias": mixer.bias,
        "mlp_bias": feedforward.bias,
        "vocab_size": spec.embedding.vocabulary,
    }


def _read_bert(config: Config) -> ModelSpec:
    width, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    if width % heads:
        raise config.refuse("num_attention_heads must divide hidden_size", heads, "Mend the file.")
    positions = config.integer("max_position_embeddings")
    layer = LayerSpec(
        AttentionSpec(heads=heads, key_value_heads=heads, head_width=width // heads, bias=True, output_bias=True),
        FeedForwardSpec(
            width=config.integer("intermediate_size"), activation=config.activation(), bias=True, kind="plain"
        ),
    )
    return ModelSpec(
        width=width,
        context=positions,
        causal=False,
        embedding=EmbeddingSpec(
            vocabulary=config.integer("vocab_size"),
            positions=positions,
            token_types=config.integer("type_vocab_size", 2),
            norm=True,
        ),
        layers=(layer,) * config.integer("num_hidden_layers", most=MAX_LAYERS),
        norm=NormSpec(kind="layer", epsilon=config.number("layer_norm_eps", 1e-12), placement="post"),
        rotary_base=None,
    )


def _write_bert(spec: ModelSpec) -> dict[str, Any]:
    mixer, feedforward = spec.layers[0].mixer, spec.layers[0].feedforward
    return {
        "hidden_size": spec.width,
        "intermediate_size": feedforward.width,
        "num_hidden_layers": len(spec.layers),
        "num_attention_heads": mixer.heads,
        "hidden_act": OWN_ACTIVATION_NAMES[feedforward.activation],
        "max_position_embeddings": spec.embedding.positions,
        "type_vocab_size": spec.embedding.token_types,
        "layer_norm_eps": spec.norm.epsilon,
        "position_embedding_type": "absolute",
        "vocab_size": spec.embedding.vocabulary,
    }


_DECODER_MODULES = {
    "embedding.tokens": "embed_tokens",
    "layers.{}.mixer.norm": "layers.{}.input_layernorm",
    "layers.{}.mixer.q": "layers.{}.self_attn.q_proj",
    "layers.{}.mixer.k": "layers.{}.self_attn.k_proj",
    "layers.{}.mixer.v": "layers.{}.self_attn.v_proj",
    "layers.{}.mixer.q_norm": "layers.{}.self_attn.q_norm",
    "layers.{}.mixer.k_norm": "layers.{}.self_attn.k_norm",
    "layers.{}.mixer.output": "layers.{}.self_attn.o_proj",
    "layers.{}.feedforward.norm": "layers.{}.post_attention_layernorm",
    "layers.{}.feedforward.gate": "layers.{}.mlp.gate_proj",
    "layers.{}.feedforward.up": "layers.{}.mlp.up_proj",
    "layers.{}.feedforward.down": "layers.{}.mlp.down_proj",
    "norm": "norm",
}
_BERT_MODULES = {
    "embedding.tokens": "embeddings.word_embeddings",
    "embedding.positions": "embeddings.position_embeddings",
    "embedding.token_types": "embeddings.token_type_embeddings",
    "embedding.norm": "embeddings.LayerNorm",
    "layers.{}.mixer.norm": "encoder.layer.{}.attention.output.LayerNorm",
    "layers.{}.mixer.q": "encoder.layer.{}.attention.self.query",
    "layers.{}.mixer.k": "encoder.layer.{}.attention.self.key",
    "layers.{}.mixer.v": "encoder.layer.{}.attention.self.value",
    "layers.{}.mixer.output": "encoder.layer.{}.attention.output.dense",
    "layers.{}.feedforward.norm": "encoder.layer.{}.output.LayerNorm",
    "layers.{}.feedforward.up": "encoder.layer.{}.intermediate.dense",
    "layers.{}.feedforward.down": "encoder.layer.{}.output.dense",
    f"heads.{CLASSIFIER}.pooler": "pooler.dense",
}


def _decoder(model_type: str, class_name: str, read: Callable[[Config], ModelSpec]) -> Family:
    return Family(
        model_type=model_type,
        prefix="model.",
        modules=_DECODER_MODULES,
        head_modules={f"heads.{CLASSIFIER}.output": "score", f"heads.{LANGUAGE_MODEL}.output": "lm_head"},
        architectures={
            f"{class_name}ForCausalLM": "language_model",
            f"{class_name}ForSequenceClassification": "classifier",
            f"{class_name}Model": None,
        },
        classifier=HeadSpec("classifier", pooling="last", output_bias=False),
        optional=("score.", "lm_head.", "rotary_emb.inv_freq"),
        read=read,
        write=_write_decoder,
        aliases={},
    )


FAMILIES: dict[str, Family] = {
    "llama": _decoder("llama", "Llama", _read_llama),
    "qwen2": _decoder("qwen2", "Qwen2", _read_qwen2),
    "qwen3": _decoder("qwen3", "Qwen3", _read_qwen3),
    "bert": Family(
        model_type="bert",
        prefix="bert.",
        modules=_BERT_MODULES,
        head_modules={f"heads.{CLASSIFIER}.output": "classifier"},
        architectures={
            "BertForSequenceClassification": "classifier",
            "BertModel": None,
            "BertForMaskedLM": None,
            "BertForPreTraining": None,
        },
        classifier=HeadSpec("classifier", pooling="first", pooler=True),
        optional=("classifier.", "pooler.", "cls.", "embeddings.position_ids"),
        read=_read_bert,
        write=_write_bert,
        aliases={"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"},
    ),
}


def read_config(values: Mapping[str, Any], place: str) -> tuple[Family, ModelSpec]:
    """The family of a config and the model it describes, its own head included.

    Args:
        values: the content of a Hugging Face ``config.json``.
        place: where it came from, for error messages.
    Raises:
        CheckpointError: another family or architecture, a setting that we do not compute, a value out of range.
    """
    config = Config(values, place)
    family = FAMILIES.get(str(values.get("model_type")))
    if family is None:
        law = f"model_type must be one of {', '.join(FAMILIES)}"
        raise config.refuse(law, values.get("model_type"), "Choose a checkpoint of one of these families.")
    architectures = values.get("architectures")
    name = architectures[0] if isinstance(architectures, list) and len(architectures) == 1 else architectures
    if not isinstance(name, str) or name not in family.architectures:
        law = f"architectures must be a list of one of {', '.join(family.architectures)}"
        raise config.refuse(law, architectures, "Choose a checkpoint with such a head.")
    config.check_harmless()
    try:
        spec = family.read(config)
        return family, replace(spec, heads=_read_heads(config, family, family.architectures[name]))
    except ModelSpecError as error:
        raise CheckpointError(f"{error} The description is from {place}. Mend the file.") from error


def _read_heads(config: Config, family: Family, kind: str | None) -> dict[str, HeadSpec]:
    if kind is None:
        return {}
    if kind == "language_model":
        return {LANGUAGE_MODEL: HeadSpec("language_model", tied=config.flag("tie_word_embeddings"))}
    names = config.values.get("id2label")
    names = {"0": "LABEL_0", "1": "LABEL_1"} if names is None else names  # transformers leaves its default out
    if not isinstance(names, dict) or set(names) != {str(index) for index in range(len(names))}:
        raise config.refuse("id2label must name the classes 0, 1, ... once each", names, "Mend the file.")
    labels = tuple(str(names[str(index)]) for index in range(len(names)))
    if len(set(labels)) != len(labels) or len(labels) < 2:
        raise config.refuse("id2label must hold two or more different labels", labels, "Choose a classifier.")
    return {CLASSIFIER: replace(family.classifier, labels=labels)}


def write_config(spec: ModelSpec) -> tuple[Family, dict[str, Any]] | None:
    """The family that expresses ``spec`` without loss and the content of its ``config.json``; None where none does.

    The proof is by reading back: whatever a family's config cannot say (uneven layers, a rotary encoder, two heads)
    comes back different.
    """
    for family in FAMILIES.values():
        values = {"model_type": family.model_type, **family.write(spec), **_write_heads(spec, family)}
        try:
            if read_config(values, "the config just written")[1] == spec:
                return family, values
        except CheckpointError:
            continue
    return None


def _write_heads(spec: ModelSpec, family: Family) -> dict[str, Any]:
    head = next(iter(spec.heads.values()), None)
    kind = None if head is None else head.kind
    architectures = [name for name, reads in family.architectures.items() if reads == kind]
    values: dict[str, Any] = {"architectures": architectures[:1]}
    if head is not None and head.kind == "language_model":
        values["tie_word_embeddings"] = head.tied
    if head is not None and head.kind == "classifier":
        values["id2label"] = {str(index): label for index, label in enumerate(head.labels)}
        values["label2id"] = {label: index for index, label in enumerate(head.labels)}
        values["problem_type"] = "single_label_classification"
    return values
