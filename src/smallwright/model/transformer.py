"""The torch reference: one transformer for every ``ModelSpec``.

Enters: a ``ModelSpec``; then tokens (B, T), padded on the right, and lengths (B,). Leaves: hidden states and logits.
Not here: names of other people's families (families.py), files (load_hf.py, checkpoint.py), training.

Padding costs nothing where it can: a causal model needs no mask for padding on the right, and a bidirectional one makes
a mask only when some row is shorter than the batch. Batches of like length (train/) do the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from smallwright.errors import ModelSpecError
from smallwright.model.attention import KeyValues, Layout, rotation
from smallwright.model.block import Layer
from smallwright.model.dropout import Dropout
from smallwright.model.embedding import Embedding
from smallwright.model.heads import ClassifierHead, LanguageModelHead
from smallwright.model.norm import Norm
from smallwright.model.weight_only import hold_modules
from smallwright.spec import ModelSpec

State = list[KeyValues]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator inside, and put its state back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


class Transformer(nn.Module):
    """A model whose ``state_dict()`` has exactly the names, order and shapes of ``spec.tensors.list_tensors(spec)``.

    Weights start as normal(0, 0.02), biases 0, norms 1; in pre-norm models the two projections of a layer that write
    to the residual stream are divided by sqrt(2 * layers), so that its variance does not grow with depth (GPT-2).

    They are drawn from torch's global generator: seed it, or build inside ``seeded(seed)``.

    Args:
        spec: what to build.
        dropout: probability, as in BERT: after the embedding, on attention weights, before each residual sum and
            before the classifier's output. Only in training mode.
        initialize: false leaves the weights unset, for callers that load them next.
    """

    def __init__(self, spec: ModelSpec, *, dropout: float = 0.0, initialize: bool = True) -> None:
        super().__init__()
        self.spec = spec
        self.dropout_probability = dropout
        with torch.device("meta"):  # torch's own initialisation would take time and turn the global generator
            self.embedding = Embedding(spec)
            self.layers = nn.ModuleList(Layer(spec.width, layer, spec.norm, dropout) for layer in spec.layers)
            self.norm = Norm(spec.width, spec.norm) if spec.norm.placement == "pre" else None
            self.heads = nn.ModuleDict({name: self._build_head(name, dropout) for name in spec.heads})
        self.dropout = Dropout(dropout)
        self.to_empty(device="cpu")
        if initialize:
            self.initialize()

    @classmethod
    def from_tensors(cls, spec: ModelSpec, tensors: Mapping[str, Tensor], *, dropout: float = 0.0) -> Transformer:
        """A model that takes over ``tensors`` (named as ``list_tensors`` says), without a copy where torch allows.

        Matrices that are not float32 (``weight_only.make_holder``) answer, and are not trained.

        Raises:
            ModelSpecError: a tensor is missing, unknown or of another shape.
        """
        model = cls(spec, dropout=dropout, initialize=False)
        hold_modules(model, tensors)
        wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        wrong = [name for name in {**wanted, **given} if wanted.get(name) != given.get(name)]
        if wrong:
            first = wrong[0]
            raise ModelSpecError(
                f"tensors must be those of the model's description. Got {given.get(first, 'none')} instead of "
                f"{wanted.get(first, 'none')} for {first} ({len(wrong)} differ)."
            )
        model.load_state_dict(dict(tensors), assign=True)
        return model.requires_grad_(True)

    def _build_head(self, name: str, dropout: float) -> LanguageModelHead | ClassifierHead:
        head = self.spec.heads[name]
        if head.kind == "language_model":
            return LanguageModelHead(self.spec.width, self.spec.embedding.vocabulary, head)
        return ClassifierHead(self.spec.width, head, dropout)

    @torch.no_grad()
    def initialize(self) -> None:
        """Give every weight its starting value; the same state of torch's generator gives the same values."""
        for module in self.modules():
            if isinstance(module, Norm):
                module.weight.fill_(1.0)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, (nn.Linear, nn.Embedding)):
                module.weight.normal_(0.0, 0.02)
                if isinstance(module, nn.Linear) and module.bias is not None:
                    module.bias.zero_()
        if self.spec.norm.placement == "pre":
            scale = (2 * len(self.layers)) ** -0.5
            for layer in self.layers:
                layer.mixer.output.weight.mul_(scale)
                layer.feedforward.down.weight.mul_(scale)

    def hidden(self, tokens: Tensor, lengths: Tensor | None = None, *, state: State | None = None) -> Tensor:
        """Last hidden states, after the final norm where there is one.

        Args:
            tokens: (B, T) int64, padded on the right with any valid token; T in 1..context.
            lengths: (B,) int64 in 1..T, the real tokens of each row; None: all of them.
            state: causal models only, from ``start()``: tokens follow those already in it, and are added to it.
        Returns:
            (B, T, D); rows from ``lengths[b]`` on are finite and without meaning.
        Raises:
            ModelSpecError: more tokens than the context, or a state for a model that is not causal.
        """
        x = self._run_layers(tokens, lengths, state)
        return x if self.norm is None else self.norm(x)

    def _run_layers(self, tokens: Tensor, lengths: Tensor | None, state: State | None = None) -> Tensor:
        start = state[0].length if state else 0
        self._check_pass(tokens, start, state)
        layout = self.lay_out(tokens, lengths, start)
        x = self.dropout(self.embedding(tokens, start))
        for index, layer in enumerate(self.layers):
            x = layer(x, layout, state[index] if state else None)
        return x

    def start(self) -> State:
        """An empty state for ``hidden`` and ``logits``, one entry a layer."""
        return [KeyValues() for _ in self.layers]

    def classify(self, tokens: Tensor, lengths: Tensor | None = None, *, head: str | None = None) -> Tensor:
        """Class logits (B, C) float32 of tokens (B, T) with ``lengths`` (B,); see ``hidden``.

        Raises:
            ModelSpecError: the model has no classifier head, or none of that name.
        """
        if lengths is None:
            lengths = torch.full((tokens.shape[0],), tokens.shape[1], device=tokens.device)
        name = self.find_head("classifier", head)
        return self.read_head(name, self._run_layers(tokens, lengths), lengths)

    def logits(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        state: State | None = None,
        head: str | None = None,
    ) -> Tensor:
        """Logits over the vocabulary (B, T, V) float32 of tokens (B, T); see ``hidden``.

        Args:
            tokens: (B, T) int64.
            positions: (N,) int64, which of the flattened B x T to answer: the head is read for these only, and the
                logits are (N, V).
            state: see ``hidden``.
            head: the head's name; None: the only one of its kind.

        Raises:
            ModelSpecError: the model has no language-model head, or none of that name.
        """
        name = self.find_head("language_model", head)
        hidden = self.hidden(tokens, state=state)
        if positions is not None:
            hidden = hidden.flatten(0, 1)[positions]
        return self.heads[name](hidden, self.embedding.tokens)

    def read_head(self, name: str, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What a head says of the last layer's output (B, T, D), before the final norm: (B, C) or (B, T, V) float32.

        ``lengths``: (B,) int64, needed by classifiers only.
        """
        spec = self.spec.heads[name]
        if spec.pooling == "mean_before_norm":
            return self.heads[name](x, lengths, self.norm)
        hidden = x if self.norm is None else self.norm(x)
        return self.heads[name](hidden, self.embedding.tokens if spec.kind == "language_model" else lengths)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None, *, head: str | None = None) -> Tensor:
        """What the head of that name says (None: the only head): (B, C) or (B, T, V) float32 logits."""
        if head is None and len(self.spec.heads) == 1:
            head = next(iter(self.spec.heads))
        if head in self.spec.heads and self.spec.heads[head].kind == "classifier":
            return self.classify(tokens, lengths, head=head)
        return self.logits(tokens, head=head)

    def find_head(self, kind: str, name: str | None = None) -> str:
        """The name of the head of that kind: ``name`` itself if it is one, the only one if ``name`` is None.

        Raises:
            ModelSpecError: there is none, or several and no name.
        """
        names = [known for known, head in self.spec.heads.items() if head.kind == kind]
        if name in names:
            return str(name)
        if name is None and len(names) == 1:
            return names[0]
        have = ", ".join(f"{known} ({head.kind})" for known, head in self.spec.heads.items()) or "none"
        raise ModelSpecError(f"the model must have the {kind} head that is asked for. Got {name!r}; its heads: {have}.")

    def _check_pass(self, tokens: Tensor, start: int, state: State | None) -> None:
        if start + tokens.shape[1] > self.spec.context or tokens.shape[1] == 0:
            raise ModelSpecError(
                f"a sequence must have 1 to {self.spec.context} tokens, the model's context. "
                f"Got {start + tokens.shape[1]}. Cut the input."
            )
        if state is not None and not self.spec.causal:
            raise ModelSpecError("a state needs a causal model. Got a bidirectional one. Pass the whole sequence.")

    def lay_out(self, tokens: Tensor, lengths: Tensor | None = None, start: int = 0) -> Layout:
        """What every layer is told of a pass over tokens (B, T) with ``lengths`` (B,), from position ``start`` on."""
        batch_length, device = tokens.shape[1], tokens.device
        rotations = {}
        if self.spec.rotary_base is not None:
            for width in {layer.mixer.head_width for layer in self.spec.layers}:
                rotations[width] = rotation(width, self.spec.rotary_base, start, batch_length, device)
        if self.spec.causal:
            if start == 0:
                return Layout(mask=None, causal=True, rotations=rotations)
            seen = torch.ones(batch_length, start + batch_length, dtype=torch.bool, device=device).tril(start)
            return Layout(mask=seen if batch_length > 1 else None, causal=False, rotations=rotations)
        if lengths is None or int(lengths.min()) == batch_length:
            return Layout(mask=None, causal=False, rotations=rotations)
        real = torch.arange(batch_length, device=device) < lengths[:, None]
        return Layout(mask=real[:, None, None, :], causal=False, rotations=rotations)
