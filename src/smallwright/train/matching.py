"""What a student may copy from inside its teacher: hidden states, and how tokens relate in attention.

Enters: what the layers of both models gave in one pass over the same tokens. Leaves: losses of each text, (B,) float32.
Not here: running the teacher (tutor.py), losses on answers (objectives.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallwright.errors import RecipeError
from smallwright.model import Transformer, seeded
from smallwright.spec import ModelSpec
from smallwright.train.objectives import Term

Seen = dict[str, Tensor]
RELATED = ("q", "k", "v")


def spread_layers(student: int, teacher: int) -> tuple[tuple[int, int], ...]:
    """A layer map for models of ``student`` and ``teacher`` layers: each of the student's layers ends where an equal
    share of the teacher's does (the uniform map of TinyBERT, arXiv:1909.10351, section 4.1).
    """
    return tuple((index, math.ceil((index + 1) * teacher / student) - 1) for index in range(student))


class Matching(nn.Module):
    """The losses, and the projections they need. A student wears it as ``student.matching`` while it learns, so that
    the projections are trained, kept and resumed with it; what ships has none of it.

    Args:
        student: its description.
        teacher: its description; causal where the student is.
        hidden_states: weight of the relative error of the student's hidden states, 0 or more; 0: off. Each state is
            mapped to the teacher's width by a matrix that learns too and, for equal widths, starts as the identity.
        attention_relations: weight of the divergence between the models' relations of queries with queries, keys with
            keys and values with values, 0 or more; 0: off.
        layers: pairs (student's layer, teacher's layer) whose hidden states are compared.
        relation_layers: the one pair whose relations are compared.
        seed: of the projections between unequal widths.
    Raises:
        RecipeError: a layer is not there.
    Source: hidden states, TinyBERT, arXiv:1909.10351, equation 8 (here as a relative error, so that one weight suits
        every model); relations, MiniLMv2, arXiv:2012.15828, equations 4 to 7.
    """

    def __init__(
        self,
        student: ModelSpec,
        teacher: ModelSpec,
        *,
        hidden_states: float,
        attention_relations: float,
        layers: Sequence[tuple[int, int]],
        relation_layers: tuple[int, int],
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_layers([*layers, relation_layers], len(student.layers), len(teacher.layers))
        self.hidden_weight, self.relation_weight = hidden_states, attention_relations
        self.layers = tuple(layers) if hidden_states else ()
        self.relation_layers = relation_layers
        self.relation_heads = _count_relation_heads(student, teacher, relation_layers)
        self.projections = nn.ModuleList(
            nn.Linear(student.width, teacher.width, bias=False, device="cpu") for _ in self.layers
        )
        with torch.no_grad(), seeded(seed):
            for projection in self.projections:
                if student.width == teacher.width:
                    nn.init.eye_(projection.weight)
                else:
                    nn.init.orthogonal_(projection.weight)

    def names(self, side: int) -> list[str]:
        """The modules whose outputs are compared; ``side`` 0 is the student, 1 the teacher."""
        names = [f"layers.{pair[side]}" for pair in self.layers]
        if self.relation_weight:
            names += [f"layers.{self.relation_layers[side]}.mixer.{part}" for part in RELATED]
        return names

    def forward(self, mine: Seen, theirs: Seen, lengths: Tensor) -> tuple[Term, ...]:
        """Both losses, (B,) float32 each, of B texts with ``lengths`` (B,) real tokens: ``hidden_states``, a term for
        each pair of layers, and ``attention_relations``, one each for queries, keys and values."""
        real = torch.arange(next(iter(mine.values())).shape[1], device=lengths.device) < lengths[:, None]
        terms = []
        for (ours, given), projection in zip(self.layers, self.projections, strict=True):
            wanted = theirs[f"layers.{given}"].float()
            error = (projection(mine[f"layers.{ours}"].float()).float() - wanted).square().mean(-1)
            relative = error / wanted.square().mean(-1).clamp(min=1e-8)
            found = _mean_of_real(relative, real)
            terms.append(Term("hidden_states", found, self.hidden_weight, len(self.layers)))
        if self.relation_weight:
            for part in RELATED:
                pair = [
                    _relate(seen[f"layers.{layer}.mixer.{part}"].float(), real, self.relation_heads[part])
                    for seen, layer in zip((mine, theirs), self.relation_layers, strict=True)
                ]
                apart = torch.where(real[:, None, None, :], pair[1].exp() * (pair[1] - pair[0]), 0.0).sum(-1).mean(1)
                found = _mean_of_real(apart, real)
                terms.append(Term("attention_relations", found, self.relation_weight, len(RELATED)))
        return tuple(terms)


def check_layers(pairs: Sequence[tuple[int, int]], student: int, teacher: int) -> None:
    """Refuse a map that names layers which models of ``student`` and ``teacher`` layers have not.

    Raises:
        RecipeError: it does.
    """
    for mine, theirs in pairs:
        if not (0 <= mine < student and 0 <= theirs < teacher):
            raise RecipeError(
                f"a layer map must name the student's layers 0 to {student - 1} and the teacher's 0 to {teacher - 1}. "
                f"Got {[mine, theirs]} in distill.match. Correct it, or leave it out."
            )


def _count_relation_heads(student: ModelSpec, teacher: ModelSpec, pair: tuple[int, int]) -> dict[str, int]:
    """Into how many heads the vectors of both models are cut anew: what divides both, at most the student's heads."""
    mixers = student.layers[pair[0]].mixer, teacher.layers[pair[1]].mixer
    heads = {}
    for part in RELATED:
        widths = [(m.heads if part == "q" else m.key_value_heads) * m.head_width for m in mixers]
        most = mixers[0].heads if part == "q" else mixers[0].key_value_heads
        shared = math.gcd(*widths)
        heads[part] = next(count for count in range(most, 0, -1) if shared % count == 0)
    return heads


def _relate(vectors: Tensor, real: Tensor, heads: int) -> Tensor:
    """Log-probabilities (B, heads, T, T) of each token's scaled dot products with all real tokens of its text."""
    batch, length, width = vectors.shape
    cut = vectors.view(batch, length, heads, width // heads).transpose(1, 2)
    scores = cut @ cut.transpose(2, 3) / math.sqrt(width // heads)
    return F.log_softmax(scores.masked_fill(~real[:, None, None, :], -1e9), dim=-1)


def _mean_of_real(values: Tensor, real: Tensor) -> Tensor:
    """(B, T) to (B,): the mean over each text's real tokens."""
    return (values * real).sum(1) / real.sum(1)


@contextmanager
def record(model: Transformer, names: Sequence[str]) -> Iterator[Seen]:
    """Keep what the named modules give while the context is open: (B, T, width) each."""
    seen: Seen = {}
    modules = dict(model.named_modules())

    def keep(name: str) -> object:
        return modules[name].register_forward_hook(lambda module, given, output: seen.__setitem__(name, output))

    handles = [keep(name) for name in dict.fromkeys(names)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()  # type: ignore[attr-defined]
