"""GPTQ against its textbook form with explicit inverses, and what it promises: outputs never worse than rounding's."""

from __future__ import annotations

from typing import Any

import gguf
import numpy as np
import pytest

from smallwright.compress.quantize import dequantize, quantize
from smallwright.compress.quantizing.gptq import Coded, Damped, Solver, output_error
from smallwright.compress.quantizing.grid import Grid
from smallwright.errors import ModelSpecError
from smallwright.spec.formats import FORMATS, SCALE_SPAN

PLANES = ("q3_span", "q2_span")
GRIDS = [
    *(Grid(format, span) for format in ("q4_0", "q8_0") for span in (SCALE_SPAN, 0)),
    *(Grid(format, SCALE_SPAN) for format in ("q5_0", *PLANES)),
]
LIMITS = {"q4_0": (-8, 7), "q5_0": (-16, 15), "q8_0": (-127, 127), "q3_span": (-4, 3)}
LIMITS["q2_span"] = (-2, 1)  # counted in steps of 2 from code 1


def solve(weights: np.ndarray, hessian: np.ndarray, grid: Grid, **how: Any) -> tuple[Coded, Damped]:
    solver = Solver(hessian, **how)
    return solver.code(weights, grid), solver.damped


def _layer(columns: int, rows: int = 9, seen: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Weights, and the second moments of inputs that hang together and differ in size."""
    generator = np.random.default_rng(seed)
    mixing = generator.standard_normal((columns, columns)) * np.geomspace(0.05, 3, columns)
    inputs = generator.standard_normal((seen, columns)) @ mixing
    return generator.standard_normal((rows, columns)).astype(np.float32), inputs.T @ inputs


def round_to(weights: np.ndarray, grid: Grid, importance: np.ndarray | None = None) -> Coded:
    """Every weight to its nearest code, in one group of at most 128 inputs."""
    scales = grid.choose_scales(
        weights.astype(np.float64), np.ones(weights.shape[1]) if importance is None else importance
    )
    return Coded(grid.round(weights, np.repeat(scales, 32, axis=1)), scales)


def _textbook(
    weights: np.ndarray, hessian: np.ndarray, scales: np.ndarray, format: str, places: np.ndarray
) -> np.ndarray:
    """Optimal Brain Quantization in a fixed order: after each input the inverse of the rest is made anew."""
    limits, (step, first) = LIMITS[format], (2, 1) if format == "q2_span" else (1, 0)
    left, codes = weights.astype(np.float64), np.zeros(weights.shape)
    wide = np.repeat(scales, 32, axis=1)
    for turn, at in enumerate(places):
        rest = places[turn:]
        inverse = np.linalg.inv(hessian[np.ix_(rest, rest)])
        for row in range(len(left)):
            scale = wide[row, at]
            ratio = 0.0 if scale == 0 else left[row, at] / scale
            code = min(max(round((ratio - first) / step), limits[0]), limits[1]) * step + first
            codes[row, at] = code
            left[row, rest] -= (left[row, at] - code * scale) / inverse[0, 0] * inverse[0]
    return codes


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid.format}-{grid.span}")
@pytest.mark.parametrize("order", ["natural", "activation"])
@pytest.mark.parametrize("columns", [32, 160])
def test_codes_are_those_of_the_textbook(grid: Grid, order: str, columns: int) -> None:
    weights, hessian = _layer(columns)
    coded, damped = solve(weights, hessian, grid, order=order, damping=0.01)
    assert (damped.used, damped.rank, damped.singular) == (0.01, columns, False)
    regular = hessian + 0.01 * np.mean(np.diag(hessian)) * np.eye(columns)
    places = np.arange(columns) if order == "natural" else np.argsort(-np.diag(hessian), kind="stable")
    np.testing.assert_array_equal(coded.codes, _textbook(weights, regular, coded.scales, grid.format, places))


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid.format}-{grid.span}")
def test_what_is_stored_is_what_was_chosen_and_its_scales_agree(grid: Grid) -> None:
    weights, hessian = _layer(288)
    coded, _ = solve(weights, hessian, grid, order="natural")
    stored = grid.pack(coded.codes, coded.scales)
    np.testing.assert_array_equal(dequantize(stored, grid.format, 288), coded.weights)
    if grid.format in PLANES:
        span = np.repeat(coded.scales, 32, axis=1)
        assert all((span[:, at : at + 128] == span[:, at : at + 1]).all() for at in range(0, 288, 128))
        return
    theirs = gguf.quants.dequantize(stored, gguf.GGMLQuantizationType(FORMATS[grid.format].ggml_type))
    np.testing.assert_array_equal(theirs, coded.weights)
    if grid.span and grid.format != "q5_0":
        for begin in range(0, 288 // 32, 4):
            span = coded.scales[:, begin : begin + 4]
            if grid.format == "q8_0":
                assert (span == span[:, :1]).all()
            else:  # the engine takes the unit from the largest scale
                unit = np.ldexp(1.0, np.frexp(np.abs(span).max(axis=1))[1] - 4)[:, None]
                np.testing.assert_array_equal(span / unit, np.rint(span / unit))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("order", ["natural", "activation"])
def test_outputs_are_much_nearer_than_rounding_s(order: str, seed: int) -> None:
    weights, hessian = _layer(256, rows=32, seed=seed)
    rounded = dequantize(quantize(weights, "q4_0", span=SCALE_SPAN), "q4_0", 256)
    coded, _ = solve(weights, hessian, Grid("q4_0", SCALE_SPAN), order=order)
    ours, theirs = (output_error(weights - other, hessian).sum() for other in (coded.weights, rounded))
    assert ours < {"natural": 0.95, "activation": 0.5}[order] * theirs  # here the inputs that count come last


@pytest.mark.parametrize("format", PLANES)
def test_few_bits_keep_outputs_nearer_than_rounding(format: str) -> None:
    weights, hessian = _layer(256, rows=32)
    rounded = dequantize(quantize(weights, format), format, 256)
    coded, _ = solve(weights, hessian, Grid(format, SCALE_SPAN))
    ours, theirs = (output_error(weights - other, hessian).sum() for other in (coded.weights, rounded))
    assert ours < 0.95 * theirs


@pytest.mark.parametrize("format", PLANES)
def test_no_scale_on_a_fine_lattice_is_much_better(format: str) -> None:
    """Against a search over 2,000 scales of both signs, with errors that cost differently."""
    generator = np.random.default_rng(3)
    weights, importance = generator.standard_normal((20, 128)), generator.uniform(0.1, 2, 128)
    grid = Grid(format, SCALE_SPAN)

    def cost(scales: np.ndarray) -> np.ndarray:
        return (importance * (grid.round(weights, scales) * scales - weights) ** 2).sum(axis=1)

    lattice = np.linspace(0.05, 2, 1000)
    best = np.min([cost(np.full((20, 1), sign * scale)) for scale in lattice for sign in (1, -1)], axis=0)
    found = cost(grid.choose_scales(weights, importance)[:, :1])
    assert (found < 1.06 * best).all() and found.sum() < 1.02 * best.sum()


def test_scales_are_chosen_for_what_counts() -> None:
    """With one weight that counts, its error is the least that the grid allows."""
    generator = np.random.default_rng(1)
    weights = generator.standard_normal((50, 32))
    importance = np.full(32, 1e-9)
    importance[7] = 1.0
    for grid in (Grid("q4_0", SCALE_SPAN), Grid("q4_0", 0)):
        coded = round_to(weights, grid, importance)
        plain = round_to(weights, grid)
        ours, theirs = (np.abs(one.weights - weights)[:, 7].mean() for one in (coded, plain))
        assert ours < 0.3 * theirs


def test_a_singular_hessian_is_damped_and_told() -> None:
    weights, _ = _layer(64)
    inputs = np.random.default_rng(0).standard_normal((10, 64))
    inputs[:, 3] = 0
    coded, damped = solve(weights, inputs.T @ inputs, Grid("q4_0", SCALE_SPAN))
    assert damped.singular
    assert (damped.rank, damped.size) == (10, 64)
    assert np.isfinite(coded.weights).all()
    nothing, damped = solve(weights, np.zeros((64, 64)), Grid("q4_0", SCALE_SPAN))
    assert damped.rank == 0
    np.testing.assert_array_equal(nothing.codes, round_to(weights, Grid("q4_0", SCALE_SPAN)).codes)


def test_damping_grows_until_the_hessian_can_be_inverted() -> None:
    weights, hessian = _layer(32)
    values, vectors = np.linalg.eigh(hessian)
    values[:3] = -0.5 * np.mean(np.diag(hessian))  # what rounding errors do to a large singular matrix, overdone
    _, damped = solve(weights, (vectors * values) @ vectors.T, Grid("q4_0", 0), damping=0.01)
    assert damped.used == pytest.approx(1.0)
    assert damped.asked == 0.01


def test_moments_that_are_not_finite_are_refused() -> None:
    weights, hessian = _layer(32)
    hessian[3, 4] = np.nan
    with pytest.raises(ModelSpecError, match=r"second moments of a layer's inputs must be finite\."):
        solve(weights, hessian, Grid("q4_0", 0))


def test_rows_are_coded_alike_in_any_company() -> None:
    weights, hessian = _layer(96, rows=20)
    solver, grid = Solver(hessian, order="natural"), Grid("q4_0", SCALE_SPAN)
    whole = solver.code(weights, grid)
    parts = [solver.code(weights[at : at + 7], grid) for at in range(0, 20, 7)]
    np.testing.assert_array_equal(np.concatenate([part.codes for part in parts]), whole.codes)
