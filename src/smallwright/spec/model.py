"""One frozen description for every model: what the torch reference builds, the package carries and the engine plans.

Enters: plain values (from a preset, a Hugging Face config or a package's JSON). Leaves: a validated ``ModelSpec``.
Not here: weights, families' names, torch.

Dimension letters are those of ARCHITECTURE.md: ``D`` model width, ``H`` heads, ``K`` key/value heads, ``V`` vocabulary.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from smallwright.errors import ModelSpecError

NORM_KINDS = ("rms", "layer")
POSITION_KINDS = ("rotary", "learned")
ACTIVATIONS = ("silu", "gelu", "gelu_tanh", "relu")
HEAD_KINDS = ("language_model", "classifier")
MOST_BIGRAMS = 1 << 24  # rows of a table of token pairs; the engine refuses more
POOLINGS = ("first", "mean", "last", "mean_before_norm")


@dataclass(frozen=True)
class NormSpec:
    """A normalisation. ``kind`` rms (weight only) or layer (weight and bias); ``placement`` pre or post.

    ``pre``: x + f(norm(x)), with one more norm after the last layer. ``post``: norm(x + f(x)), as in BERT.
    """

    kind: str = "rms"
    epsilon: float = 1e-5
    placement: str = "pre"


@dataclass(frozen=True)
class EmbeddingSpec:
    """The token table (V, D) and what is added to it.

    ``positions``: rows of a learned position table, None where positions are rotary.
    ``token_types``: rows of BERT's segment table (row 0 is always the one used), None where there is none.
    ``bigrams``: rows of a table of pairs, each token with the one before it, hashed to a row; None where there is none.
    ``norm``: whether the sum passes a norm of the model's kind before the first layer (BERT does).
    """

    vocabulary: int
    positions: int | None = None
    token_types: int | None = None
    norm: bool = False
    bigrams: int | None = None


@dataclass(frozen=True)
class AttentionSpec:
    """Softmax attention with ``heads`` query heads and ``key_value_heads`` (equal: MHA; fewer: GQA; one: MQA).

    ``bias`` is on q, k, v; ``output_bias`` on the output projection; ``qk_norm`` an RMS norm over each head's
    q and k before the rotation (Qwen3).
    """

    heads: int
    key_value_heads: int
    head_width: int
    bias: bool = False
    output_bias: bool = False
    qk_norm: bool = False
    kind: str = "attention"


@dataclass(frozen=True)
class FeedForwardSpec:
    """``gated``: down(act(gate(x)) * up(x)); otherwise ``plain``: down(act(up(x)))."""

    width: int
    activation: str = "silu"
    bias: bool = False
    kind: str = "gated"


@dataclass(frozen=True)
class LayerSpec:
    """One layer: a mixer over tokens and a feed-forward over channels. Widths may differ from layer to layer."""

    mixer: AttentionSpec
    feedforward: FeedForwardSpec


@dataclass(frozen=True)
class HeadSpec:
    """What reads the last hidden states.

    ``language_model``: logits over the vocabulary; ``tied`` shares the token table.
    ``classifier``: ``pooling`` picks or averages the hidden states, ``pooler`` adds a (D, D) tanh layer (BERT's),
    then a (classes, D) output with bias. ``labels`` are the classes in order. ``mean_before_norm`` averages what the
    last layer leaves and normalises the average: a token that says little then weighs little, where ``mean`` gives
    each the same weight.
    """

    kind: str
    tied: bool = False
    pooling: str = "first"
    pooler: bool = False
    output_bias: bool = True
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelSpec:
    """A whole model. ``context`` is the most tokens of one sequence. ``rotary_base`` None: positions are learned.

    Raises:
        ModelSpecError: on construction, when the parts contradict each other; the message names field and value.
    """

    width: int
    context: int
    causal: bool
    embedding: EmbeddingSpec
    layers: tuple[LayerSpec, ...]
    heads: dict[str, HeadSpec] = field(default_factory=dict)
    norm: NormSpec = NormSpec()
    rotary_base: float | None = 10000.0

    def __post_init__(self) -> None:
        _check(self)

    @property
    def position(self) -> str:
        """``rotary`` or ``learned``."""
        return "learned" if self.rotary_base is None else "rotary"

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of the (only) classifier head, empty where there is none."""
        return next((head.labels for head in self.heads.values() if head.kind == "classifier"), ())

    def with_vocabulary(self, vocabulary: int) -> ModelSpec:
        """The same model over another number of tokens."""
        return replace(self, embedding=replace(self.embedding, vocabulary=vocabulary))

    def with_layers(self, keep: tuple[int, ...]) -> ModelSpec:
        """The same model with only the layers whose indices are in ``keep``, in that order."""
        missing = [index for index in keep if not 0 <= index < len(self.layers)]
        if missing or not keep:
            raise ModelSpecError(
                f"kept layers must be indices from 0 to {len(self.layers) - 1}, at least one. Got {list(keep)}."
            )
        return replace(self, layers=tuple(self.layers[index] for index in keep))

    def to_json(self) -> str:
        """Canonical JSON (sorted keys, no spaces): equal specs give equal bytes."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """The inverse of ``to_json``.

        Raises:
            ModelSpecError: the text is not JSON, or a key is unknown or missing.
        """
        try:
            return cls._from_dict(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelSpecError(f"a model description must be the JSON of a ModelSpec. Got: {error}.") from error

    @classmethod
    def _from_dict(cls, value: dict[str, Any]) -> ModelSpec:
        layers = tuple(
            LayerSpec(AttentionSpec(**layer["mixer"]), FeedForwardSpec(**layer["feedforward"]))
            for layer in value["layers"]
        )
        heads = {
            name: HeadSpec(**{**head, "labels": tuple(head.get("labels", ()))}) for name, head in value["heads"].items()
        }
        parts = {
            "embedding": EmbeddingSpec(**value["embedding"]),
            "norm": NormSpec(**value["norm"]),
            "layers": layers,
            "heads": heads,
        }
        return cls(**{**value, **parts})


def _require(condition: bool, law: str, got: object, place: str) -> None:
    if not condition:
        raise ModelSpecError(f"{law}. Got {got} in {place}.")


def _check(spec: ModelSpec) -> None:
    for name in ("width", "context"):
        _require(getattr(spec, name) > 0, f"{name} must be positive", getattr(spec, name), name)
    _require(spec.embedding.vocabulary > 0, "vocabulary must be positive", spec.embedding.vocabulary, "embedding")
    _require(spec.norm.kind in NORM_KINDS, f"norm kind must be one of {NORM_KINDS}", spec.norm.kind, "norm")
    _require(spec.norm.placement in ("pre", "post"), "placement must be pre or post", spec.norm.placement, "norm")
    _require(len(spec.layers) > 0, "a model has at least one layer", 0, "layers")
    learned = spec.embedding.positions is not None
    _require(
        learned == (spec.rotary_base is None),
        "positions are either learned (embedding.positions) or rotary (rotary_base)",
        f"positions={spec.embedding.positions}, rotary_base={spec.rotary_base}",
        "embedding",
    )
    if spec.embedding.positions is not None:
        _require(
            spec.embedding.positions >= spec.context, "learned positions cover the context", spec.context, "context"
        )
    if spec.embedding.bigrams is not None:
        rows, kinds = spec.embedding.bigrams, {head.kind for head in spec.heads.values()}
        _require(0 < rows <= MOST_BIGRAMS, f"bigrams must be from 1 to {MOST_BIGRAMS}", rows, "embedding")
        # A pass of a language model may begin in the middle of a text, where the token before is not known.
        _require(kinds <= {"classifier"}, "bigrams need whole texts: heads are classifiers", sorted(kinds), "embedding")
    for index, layer in enumerate(spec.layers):
        _check_layer(layer, f"layers.{index}", rotary=spec.rotary_base is not None)
    for name, head in spec.heads.items():
        _require(head.kind in HEAD_KINDS, f"head kind must be one of {HEAD_KINDS}", head.kind, f"heads.{name}")
        _require(head.pooling in POOLINGS, f"pooling must be one of {POOLINGS}", head.pooling, f"heads.{name}")
        _require(
            head.pooling != "mean_before_norm" or spec.norm.placement == "pre",
            "pooling mean_before_norm needs a norm after the last layer (placement pre)",
            spec.norm.placement,
            f"heads.{name}",
        )
        if head.kind == "classifier":
            _require(len(set(head.labels)) >= 2, "a classifier has at least two labels", head.labels, f"heads.{name}")


def _check_layer(layer: LayerSpec, place: str, *, rotary: bool) -> None:
    mixer, feedforward = layer.mixer, layer.feedforward
    _require(mixer.kind == "attention", "mixer kind must be attention", mixer.kind, place)
    _require(min(mixer.heads, mixer.key_value_heads, mixer.head_width) > 0, "head counts are positive", mixer, place)
    _require(mixer.heads % mixer.key_value_heads == 0, "key_value_heads divides heads", mixer, place)
    _require(not rotary or mixer.head_width % 2 == 0, "rotary heads have an even width", mixer.head_width, place)
    _require(feedforward.kind in ("gated", "plain"), "feedforward is gated or plain", feedforward.kind, place)
    _require(feedforward.width > 0, "feedforward width is positive", feedforward.width, place)
    _require(
        feedforward.activation in ACTIVATIONS, f"activation is one of {ACTIVATIONS}", feedforward.activation, place
    )
