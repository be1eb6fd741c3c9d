"""A model's own continuations while it learns: what on-policy distillation asks the teacher about.

Enters: a causal model and the beginnings of texts. Leaves: the texts, as tokens.
Not here: generation for users, which is the engine's (run/).
"""

from __future__ import annotations

import torch
from torch import Tensor

from smallwright.model import Transformer


@torch.no_grad()
def continue_texts(model: Transformer, tokens: Tensor, count: int, *, temperature: float = 1.0) -> Tensor:
    """Draw ``count`` more tokens for each text, each from the model's own probabilities of the next one.

    Args:
        model: causal. Dropout is off meanwhile.
        tokens: (B, P) int64, at least one a text; P + count is at most the model's context.
        count: at least 1.
        temperature: divides the logits; 0 takes the likeliest token.
    Returns:
        (B, P + count) int64. Draws come from torch's global generator.
    """
    was_training = model.training
    model.eval()
    state, read = model.start(), tokens
    for _ in range(count):
        last = torch.tensor([read.shape[1] - 1], device=tokens.device) + read.shape[1] * torch.arange(
            len(tokens), device=tokens.device
        )
        logits = model.logits(read, state=state, positions=last).float()
        if temperature == 0:
            read = logits.argmax(-1, keepdim=True)
        else:
            read = torch.multinomial(torch.softmax(logits / temperature, dim=-1), 1)
        tokens = torch.cat((tokens, read), dim=1)
    model.train(was_training)
    return tokens
