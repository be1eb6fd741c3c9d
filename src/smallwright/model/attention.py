"""Softmax attention over tokens: MHA, GQA and MQA through torch's fused kernel, rotary or not, causal or not.

Enters: normalised hidden states (B, T, D) and the ``Layout`` of the pass. Leaves: the mixer's output (B, T, D).
Not here: norm placement and the residual sum (block.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallwright.model.norm import Norm, cast_once
from smallwright.spec import AttentionSpec, NormSpec

Rotation = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Layout:
    """Who sees whom and who stands where: computed once a pass, shared by all layers.

    ``mask``: bool, broadcastable to (B, 1, T, S), true where a query may look at a key; None: no restriction but
    ``causal``. ``causal``: token t sees tokens 0..t of the same pass. ``rotations``: cosine and sine (T, width) by
    head width, empty where positions are learned.
    """

    mask: Tensor | None
    causal: bool
    rotations: dict[int, Rotation]


class KeyValues:
    """The keys and values that one layer has seen so far, (B, K, S, head_width) each; None before the first pass."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    @property
    def length(self) -> int:
        """Tokens seen so far."""
        return 0 if self.keys is None else self.keys.shape[2]

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add those of new tokens and return those of all tokens."""
        if self.keys is not None and self.values is not None:
            keys, values = torch.cat((self.keys, keys), dim=2), torch.cat((self.values, values), dim=2)
        self.keys, self.values = keys, values
        return keys, values


def rotation(width: int, base: float, start: int, length: int, device: torch.device) -> Rotation:
    """Cosines and sines of rotary positions start .. start + length - 1.

    Args:
        width: head width, even.
        base: the slowest pair turns by base**-(1 - 2/width) radians a token.
        start: position of the first token.
        length: number of tokens.
        device: where to make them.
    Returns:
        cosine and sine, (length, width) float32 each; the two halves of a row are equal.
    Source: RoFormer, arXiv:2104.09864, in the half-split order of GPT-NeoX: pairs are (i, i + width / 2).
    """
    exponents = torch.arange(0, width, 2, dtype=torch.float32, device=device) / width
    positions = torch.arange(start, start + length, dtype=torch.float32, device=device)
    angles = torch.outer(positions, 1.0 / base**exponents)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turn: Rotation) -> Tensor:
    """Turn every pair (i, i + width / 2) of (B, H, T, width) by its angle: float32 where ``x`` has fewer bits."""
    cosine, sine = turn
    return _Turn.apply(x.to(torch.promote_types(x.dtype, cosine.dtype)), cosine, sine)


class _Turn(torch.autograd.Function):
    """One pass over memory where products, halves and their concatenation would be five; back is the angle's minus."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """(B, H, T, width), and two of (T, width)."""
        ctx.save_for_backward(cosine, sine)
        return _turn(x, cosine, sine)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Gradients of x and (none) the angle."""
        cosine, sine = ctx.saved_tensors
        return _turn(gradient, cosine, -sine), None, None


def _turn(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    cosine, sine = cosine[:, :half], sine[:, :half]  # both halves of a row are equal
    first, second = x[..., :half], x[..., half:]
    turned = torch.empty_like(x)
    torch.mul(first, cosine, out=turned[..., :half]).addcmul_(second, sine, value=-1)
    torch.mul(second, cosine, out=turned[..., half:]).addcmul_(first, sine)
    return turned


class Attention(nn.Module):
    """One attention mixer. It owns its norm, which its layer applies before or after it.

    Source: GQA, arXiv:2305.13245; norms on q and k as in Qwen3, arXiv:2505.09388.
    """

    def __init__(self, width: int, spec: AttentionSpec, norm: NormSpec, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.key_value_heads, self.head_width = spec.heads, spec.key_value_heads, spec.head_width
        self.dropout = dropout
        queries, keys = spec.heads * spec.head_width, spec.key_value_heads * spec.head_width
        self.norm = Norm(width, norm)
        self.q = nn.Linear(width, queries, bias=spec.bias)
        self.k = nn.Linear(width, keys, bias=spec.bias)
        self.v = nn.Linear(width, keys, bias=spec.bias)
        head_norm = NormSpec(kind="rms", epsilon=norm.epsilon)
        self.q_norm = Norm(spec.head_width, head_norm) if spec.qk_norm else None
        self.k_norm = Norm(spec.head_width, head_norm) if spec.qk_norm else None
        self.output = nn.Linear(queries, width, bias=spec.output_bias)

    def forward(self, x: Tensor, layout: Layout, state: KeyValues | None = None) -> Tensor:
        """Mix (B, T, D) over tokens; with a ``state``, over the tokens seen before, too, and remember these."""
        batch, length, _ = x.shape
        x = cast_once(x)
        q = self.q(x).view(batch, length, self.heads, self.head_width).transpose(1, 2)
        k = self.k(x).view(batch, length, self.key_value_heads, self.head_width).transpose(1, 2)
        v = self.v(x).view(batch, length, self.key_value_heads, self.head_width).transpose(1, 2)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        if layout.rotations:
            turn = layout.rotations[self.head_width]
            q, k = rotate(q, turn), rotate(k, turn)
        # On a CPU the fused kernel takes float32: in bfloat16 it is several times slower (docs/decisions/006).
        kind = torch.float32 if x.device.type == "cpu" else v.dtype
        q, k, v = q.to(kind), k.to(kind), v.to(kind)
        if state is not None:
            k, v = state.append(k, v)
        with torch.autocast(x.device.type, enabled=False):
            mixed = F.scaled_dot_product_attention(
                q,
                k,
                v,
                attn_mask=layout.mask,
                dropout_p=self.dropout if self.training else 0.0,
                is_causal=layout.causal,
                enable_gqa=self.key_value_heads != self.heads,
            )
        return self.output(mixed.transpose(1, 2).reshape(batch, length, self.heads * self.head_width))
