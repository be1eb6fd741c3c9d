"""A student cut from its teacher in several steps: what each model on the way keeps.

Enters: a recipe's ``student`` and the teacher's description. Leaves: the cuts, in order; the last one is the student.
Not here: cutting (student.py), and teaching each model before the next is cut from it (pipeline/cuts.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smallwright.compress.depth import choose_layers
from smallwright.compress.student import StudentSettings, layer_indices, shrink_spec
from smallwright.compress.width import BLOCK
from smallwright.errors import RecipeError
from smallwright.spec import ModelSpec


@dataclass(frozen=True)
class Cut:
    """One of the cuts.

    Attributes:
        settings: how the model is made from the one before it; layers are numbered as in that one.
        layers: the same layers as the teacher numbers them.
        spec: what the model is, before its vocabulary is trimmed.
    """

    settings: StudentSettings
    layers: tuple[int, ...]
    spec: ModelSpec


def plan_cuts(settings: StudentSettings, teacher: ModelSpec) -> tuple[Cut, ...]:
    """What is kept at each of ``settings.cuts`` cuts, so that layers and widths go down in even steps.

    Args:
        settings: of a student made from its teacher.
        teacher: its description.
    Returns:
        The cuts. Each model is a part of the one before it; the last is what one cut would have made. Positions go at
        the first cut, widths are rounded up to multiples of ``BLOCK``.
    Raises:
        RecipeError: the student is no part of this teacher, a given layer map is none between its neighbours, or a
            cut takes nothing away.
    Source: models between a large teacher and a small student, teacher assistants, arXiv:1902.03393, section 3; each
        initialised as a part of the one before it, progressive shrinking, arXiv:1908.09791, section 3.3.
    """
    layers, student = layer_indices(settings.layers, len(teacher.layers)), shrink_spec(settings, teacher)
    if settings.cuts == 1:
        return (Cut(settings, layers, student),)
    maps = _spread_maps(len(teacher.layers), layers, settings.cuts)
    if not isinstance(settings.progressive, int):
        maps = [*settings.progressive, layers]
        _check_maps(maps, len(teacher.layers))
    widths = _spread_width(teacher.width, student.width, settings.cuts)
    neurons = [min(layer.feedforward.width for layer in spec.layers) for spec in (teacher, student)]
    feedforwards = _spread_width(*neurons, settings.cuts)
    cuts: list[Cut] = []
    before, model = tuple(range(len(teacher.layers))), teacher
    for number, kept in enumerate(maps):
        own = {"layers": tuple(before.index(layer) for layer in kept), "progressive": 1}
        if number < len(maps) - 1:
            own["width"] = None if widths[number] == model.width else widths[number]
            own["feedforward"] = None if feedforwards[number] == neurons[0] else feedforwards[number]
        if cuts:
            own["positions"] = None
        one = settings.model_copy(update=own)
        spec = shrink_spec(one, model)
        if spec == model:
            raise RecipeError(
                f"every cut of student.progressive must take layers or channels away. Got {settings.cuts} cuts, of "
                f"which number {number + 1} takes none. Use fewer."
            )
        cuts.append(Cut(one, kept, spec))
        before, model = kept, spec
    return tuple(cuts)


def _spread_maps(total: int, final: Sequence[int], cuts: int) -> list[tuple[int, ...]]:
    """The teacher's layers at each cut. Of those that go in the end, evenly spread ones stay the longest."""
    going = tuple(layer for layer in range(total) if layer not in final)
    maps, whole = [], len(going)
    for number in range(1, cuts + 1):
        count = whole - whole * number // cuts
        going = tuple(going[index] for index in choose_layers(len(going), count)) if count else ()
        maps.append(tuple(sorted((*final, *going))))
    return maps


def _spread_width(most: int, least: int, cuts: int) -> list[int]:
    """Even steps from ``most`` down to ``least``, which is the last; those between rounded up to whole blocks."""
    exact = [most * (cuts - number) + least * number for number in range(1, cuts)]
    return [*(min(most, -(-value // (cuts * BLOCK)) * BLOCK) for value in exact), least]


def _check_maps(maps: Sequence[tuple[int, ...]], total: int) -> None:
    before = tuple(range(total))
    for layers in maps:
        if list(layers) != sorted(set(layers)) or not set(layers) <= set(before):
            raise RecipeError(
                "student.progressive names the teacher's layers that each model on the way keeps, rising, each a part "
                f"of the one before it, the last around student.layers. Got {list(layers)} after {list(before)}. "
                "Correct it, or give the number of cuts."
            )
        before = layers
