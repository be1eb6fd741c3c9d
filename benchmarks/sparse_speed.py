"""What do dropped weights save at run time, beside dense weights of 4 and of 3 bits?

Random codes of real shapes: two Llama-shaped decoders (8M: weights in the cache; 360M: in memory) and an encoder of
MiniLM's shape (12 tokens, 150 classes). Each is stored in q4_0, q3_span, q2_span and, with growing shares dropped, in
q4_sparse. Every file's answer is checked against PyTorch first. Then one process a file and thread count, all in turn,
the order reversed every round: tokens a second or milliseconds a text, bytes of the file, memory added to the process.
Ratios are of the same round, to dense files; where they pass 1 is the break-even share.

The claims hold answers and file sizes; which store is faster is a result, not a claim.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from claims import Claims
from minilm import describe_minilm
from peers.shapes import SHAPES
from smallwright.evaluate.process import Process, Subject
from smallwright.run import load
from smallwright.spec import ModelSpec
from storing.files import Store, count_bits, interpolate_break_even, make_package, measure_error

QUESTION = "What do dropped weights save at run time, beside dense weights of 4 and of 3 bits?"
SHARES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
DENSE = ("q4_0", "q3_span", "q2_span")
AGAINST = ("q4_0", "q3_span")
ENCODER = "MiniLM"
MODELS = ("8M", "360M", ENCODER)
DECODED = {"8M": 256, "360M": 32}  # tokens of one timed call
TEXT_TOKENS, TEXTS = 12, 50
CHECKED_TOKENS = 8
MOST_ERROR = 0.1  # of activations in 8 bits; a misread weight gives about 1
PROMPT = "a few words"


@dataclass(frozen=True)
class Cell:
    """One file on one thread count. ``milliseconds``: a token or text, by round; ``added_rss_bytes``: at most."""

    model: str
    store: Store
    threads: int
    size_bytes: int
    added_rss_bytes: int
    milliseconds: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Over rounds."""
        return statistics.median(self.milliseconds)


def describe(model: str) -> ModelSpec:
    """The model of that name."""
    return describe_minilm() if model == ENCODER else SHAPES[model].spec


def make_files(claims: Claims, model: str, stores: Sequence[Store], folder: Path) -> dict[Store, Path]:
    """Write every file and hold its answer against PyTorch's."""
    folder.mkdir(parents=True, exist_ok=True)
    spec, paths, errors = describe(model), {}, {}
    for store in stores:
        path = folder / f"{model}-{store.name.replace(' ', '-').replace('%', '')}.gguf"
        reference = make_package(spec, store, path)
        errors[store.name] = measure_error(reference, path, CHECKED_TOKENS)
        paths[store] = path
        print(f"{model} {store.name:14} {path.stat().st_size:>12,} bytes  error {errors[store.name]:.4f}", flush=True)
    claims.check(f"{model}: largest error of a file's logits", round(max(errors.values()), 4), "<=", MOST_ERROR)
    claims.numbers.setdefault("errors", {})[model] = errors
    return paths


def time_files(model: str, paths: Mapping[Store, Path], threads: int, rounds: int) -> list[Cell]:
    """Every file in a process of its own, in turn."""
    task = "classify" if model == ENCODER else "generate"
    text = find_text(next(iter(paths.values()))) if model == ENCODER else PROMPT
    taken: dict[Store, list[float]] = {store: [] for store in paths}
    with contextlib.ExitStack() as stack:
        workers = {
            store: stack.enter_context(Process(Subject(store.name, str(path), threads=threads, task=task), text))
            for store, path in paths.items()
        }
        for worker in workers.values():
            _call(worker, model, text, first=True)
        memory = {store: worker.ask("memory") for store, worker in workers.items()}
        for turn in range(rounds):
            for store in list(workers) if turn % 2 == 0 else reversed(list(workers)):
                taken[store].append(_call(workers[store], model, text))
    return [
        Cell(
            model,
            store,
            threads,
            path.stat().st_size,
            memory[store]["peak_since_import_bytes"] - memory[store]["import_rss_bytes"],
            tuple(taken[store]),
        )
        for store, path in paths.items()
    ]


def _call(worker: Process, model: str, text: str, *, first: bool = False) -> float:
    """Milliseconds of a token or of a text."""
    if model == ENCODER:
        if first:
            worker.ask("classify", texts=[text] * TEXTS)
        return statistics.median(worker.ask("time")["nanoseconds"]) / 1e6
    told = worker.ask("speed", prompt=text, max_tokens=DECODED[model])
    decoded = told["long_rows"] - told["short_rows"]
    if decoded != DECODED[model] - 1:  # the first of them costs no pass of its own
        raise RuntimeError(f"{worker.subject.name} must decode {DECODED[model]} tokens. Got {decoded + 1}.")
    return (told["long_ns"] - told["short_ns"]) / decoded / 1e6


def find_text(path: Path) -> str:
    """A text of TEXT_TOKENS tokens."""
    with load(path, threads=1) as package:
        words = ["a"]
        while len(package.tokenize(" ".join(words))) < TEXT_TOKENS:
            words.append("few" if len(words) % 2 else "a")
        text = " ".join(words)
        count = len(package.tokenize(text))
    if count != TEXT_TOKENS:
        raise RuntimeError(f"the timed text must have {TEXT_TOKENS} tokens. Got {count}.")
    return text


def compare(cells: Sequence[Cell]) -> dict[str, Any]:
    """Of the cells of one model and thread count: ratios to the dense ones, and where they pass 1."""
    by_name = {cell.store.name: cell for cell in cells}
    found: dict[str, Any] = {}
    for against in AGAINST:
        dense = by_name[against]
        ratios: dict[str, dict[float, float]] = {"time": {}, "file": {}, "memory": {}}
        spread = {}
        for cell in cells:
            if cell.store.format != "q4_sparse":
                continue
            rounds = [ours / theirs for ours, theirs in zip(cell.milliseconds, dense.milliseconds, strict=True)]
            ratios["time"][cell.store.dropped] = statistics.median(rounds)
            ratios["file"][cell.store.dropped] = cell.size_bytes / dense.size_bytes
            ratios["memory"][cell.store.dropped] = cell.added_rss_bytes / dense.added_rss_bytes
            spread[cell.store.dropped] = (min(rounds), max(rounds))
        found[against] = {
            "ratios": ratios,
            "time_spread": spread,
            "break_even": {name: interpolate_break_even(shares) for name, shares in ratios.items()},
        }
    return found


def report(claims: Claims, model: str, threads: int, cells: Sequence[Cell]) -> None:
    """Print the table and keep the numbers."""
    spec, compared = describe(model), compare(cells)
    unit = "text" if model == ENCODER else "token"
    print(f"\n{model}, {threads} thread{'s' if threads > 1 else ''}: milliseconds a {unit}, median (least to most)")
    for cell in cells:
        ratios = [
            f"{compared[against]['ratios']['time'][cell.store.dropped]:.2f} of {against}"
            for against in AGAINST
            if cell.store.format == "q4_sparse"
        ]
        print(
            f"  {cell.store.name:14} {cell.median_ms:8.4f} ({min(cell.milliseconds):.4f} to "
            f"{max(cell.milliseconds):.4f})  {cell.size_bytes / 1e6:8.2f} MB  memory {cell.added_rss_bytes / 1e6:7.1f} "
            f"MB  {count_bits(spec, cell.store):.3f} bits a weight of the layers  {', '.join(ratios)}"
        )
    for against in AGAINST:
        print(f"  break-even against {against}: {compared[against]['break_even']}")
    claims.numbers.setdefault("cells", []).extend(
        {**asdict(cell), "store": cell.store.name, "per_second": 1e3 / cell.median_ms} for cell in cells
    )
    claims.numbers.setdefault("compared", {})[f"{model}, threads {threads}"] = compared


def main() -> None:
    """Make the files, check them, time them, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="which models, with commas between")
    parser.add_argument("--threads", default="1,2", help="thread counts, with commas between")
    parser.add_argument("--rounds", type=int, default=11, help="timed calls of every file")
    parser.add_argument("--out", type=Path, help="keeps the files there; a temporary folder, if not given")
    options = parser.parse_args()
    stores = [*(Store(name) for name in DENSE), *(Store("q4_sparse", share) for share in SHARES)]
    claims = Claims("sparse_speed", QUESTION)
    claims.numbers.update(rounds=options.rounds, seed=0)
    with contextlib.ExitStack() as stack:
        folder = options.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for model in options.models.split(","):
            paths = make_files(claims, model, stores, folder)
            sizes = {store.name: path.stat().st_size for store, path in paths.items()}
            claims.check(f"{model}: bytes with half of the weights, 4 bits", sizes["q4_sparse 50%"], "<", sizes["q4_0"])
            for threads in map(int, options.threads.split(",")):
                report(claims, model, threads, time_files(model, paths, threads, options.rounds))
    claims.finish()


if __name__ == "__main__":
    main()
