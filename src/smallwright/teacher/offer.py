"""What a teacher can hand on.

Enters: nothing. Leaves: ``Offer``, which each kind of teacher declares of itself.
Not here: what a student makes of it (train/), the refusals of what a teacher does not offer (recipe.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Offer:
    """Each is True where the kind of teacher can give it.

    Attributes:
        text: answers in words.
        class_probabilities: of every class of a classifier.
        top_logits: of the most probable next tokens, at every position of a text.
        hidden_states: what its layers hand on.
        network: its weights and its tokenizer, of which students and packages are made.
    """

    text: bool = False
    class_probabilities: bool = False
    top_logits: bool = False
    hidden_states: bool = False
    network: bool = False
