"""What the benchmark of sparse files counts, and that its check of their answers can fail."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.unit.test_package import decoder, encoder

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from sparse_speed import AGAINST, MOST_ERROR, Cell, compare  # noqa: E402 - below the benchmarks, which are no package
from storing.files import Store, count_bits, interpolate_break_even, make_package, measure_error  # noqa: E402


@pytest.mark.parametrize(
    ("ratios", "share"),
    [
        ({0.3: 1.5, 0.5: 0.5}, 0.4),  # a straight line passes 1 in the middle
        ({0.3: 1.4, 0.5: 1.2, 0.7: 0.8}, 0.6),
        ({0.7: 0.8, 0.3: 1.4, 0.5: 1.2}, 0.6),  # in any order
        ({0.3: 0.9, 0.5: 0.8}, 0.3),  # always
        ({0.3: 1.2, 0.5: 1.1}, None),  # never
        ({0.3: 0.9, 0.5: 1.1, 0.7: 0.9}, 0.6),  # the last time, downwards
        ({0.3: 0.9, 0.5: 1.1}, None),  # not for the largest share
        ({0.3: 1.2, 0.5: 1.0}, 0.5),
    ],
)
def test_where_ratios_pass_one(ratios: dict[float, float], share: float | None) -> None:
    found = interpolate_break_even(ratios)
    assert found is None if share is None else found == pytest.approx(share)


def test_ratios_are_of_the_same_round() -> None:
    """A machine that is twice as slow in the second round changes no ratio."""
    cells = [Cell("8M", Store(name), 1, size, size, ms) for name, size, ms in (("q4_0", 100, (2.0, 4.0)),)]
    cells.append(Cell("8M", Store("q3_span"), 1, 80, 80, (1.0, 2.0)))
    cells += [Cell("8M", Store("q4_sparse", share), 1, 90, 90, (ms, 2 * ms)) for share, ms in ((0.3, 3.0), (0.5, 1.0))]
    found = compare(cells)
    assert set(found) == set(AGAINST)
    assert found["q4_0"]["ratios"]["time"] == {0.3: 1.5, 0.5: 0.5}
    assert found["q4_0"]["time_spread"][0.3] == (1.5, 1.5)
    assert found["q4_0"]["break_even"]["time"] == pytest.approx(0.4)
    assert found["q3_span"]["break_even"] == {"time": 0.5, "file": None, "memory": None}


@pytest.mark.parametrize("store", [Store("q4_0"), Store("q3_span"), Store("q2_span"), Store("q4_sparse", 0.5)])
@pytest.mark.parametrize("classes", [False, True])
def test_files_are_what_the_model_says(tmp_path: Path, store: Store, classes: bool) -> None:
    spec = replace(encoder() if classes else decoder(), layers=(encoder() if classes else decoder()).layers[:1])
    path = tmp_path / "model.gguf"
    model = make_package(spec, store, path)
    assert measure_error(model, path, 8) < MOST_ERROR
    formats = store.formats(spec)
    assert {formats[name] for name in formats if name.startswith("layers.") and "norm" not in name} >= {store.format}
    assert formats["embedding.tokens.weight"] == ("q4_0" if store.format == "q4_sparse" else store.format)
    with torch.no_grad():
        model.layers[0].mixer.q.weight.neg_()  # the check sees one matrix that is read wrongly
    assert measure_error(model, path, 8) > MOST_ERROR


def test_bits_are_those_of_the_format() -> None:
    assert count_bits(decoder(), Store("q4_0")) == 4.5
    assert count_bits(decoder(), Store("q3_span")) == 3.125
    assert count_bits(decoder(), Store("q4_sparse", 0.5)) == 3.125
