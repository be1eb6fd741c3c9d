"""Verbs that open a package: ``run`` and ``inspect``. They need the base install only."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smallwright.errors import EngineError

if TYPE_CHECKING:
    from smallwright.run import Package, Prediction


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    app.command()(run)
    app.command()(inspect)


def run(
    file: Annotated[str, typer.Argument(help="A package (.gguf).")],
    text: Annotated[
        list[str] | None, typer.Argument(help="Texts; without any, one per line from standard input.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to show, most likely first.")] = 1,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens to generate.")] = 128,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 is greedy.")] = 0.0,
    top_k: Annotated[int, typer.Option(min=0, help="0 is off.")] = 0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="1 is off.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of sampling.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="0 is every core.")] = 0,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Leave the weights in the file: less memory, slower.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per text.")] = False,
) -> None:
    """Answer texts with a package: labels from a classifier, more text from a generator."""
    from smallwright.run import load

    with load(file, threads=threads, in_place=in_place) as package:
        texts: Iterable[str] = text if text else _lines()
        if package.task == "classify":
            for item in texts:
                _print_prediction(item, package.classify(item), top, as_json)
            return
        sampling = {"max_tokens": max_tokens, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        for item in texts:
            _print_generation(package, item, sampling, as_json)


def inspect(
    file: Annotated[str, typer.Argument(help="A package (.gguf).")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Show what a package is: architecture, sizes, formats, labels, provenance."""
    from smallwright.run import load

    with load(file, threads=1) as package:
        description: dict[str, Any] = package.description
    if as_json:
        print(json.dumps(description, indent=1, ensure_ascii=False))
        return
    for key, value in description.items():
        print(f"{key:>18}  {_short(value)}")


def _lines() -> Iterable[str]:
    if sys.stdin.isatty():
        print("One text per line; end with Ctrl-D.", file=sys.stderr)
    for number, raw in enumerate(sys.stdin.buffer, 1):
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise EngineError(
                f"input must be UTF-8. Got byte 0x{raw[error.start]:02x} in line {number} of the input. Convert it."
            ) from error
        if line:
            yield line


def _print_prediction(text: str, prediction: Prediction, top: int, as_json: bool) -> None:
    ranked = sorted(prediction.probabilities.items(), key=lambda item: (-item[1], item[0]))[:top]
    if as_json:
        answer = {"text": text, "label": prediction.label, "confidence": round(prediction.confidence, 6)}
        answer["top"] = [{"label": label, "probability": round(p, 6)} for label, p in ranked]
        answer["truncated"] = prediction.truncated
        print(json.dumps(answer, ensure_ascii=False), flush=True)
        return
    note = "  (text was cut to the context)" if prediction.truncated else ""
    print("   ".join(f"{label} {probability:.1%}" for label, probability in ranked) + note, flush=True)


def _print_generation(package: Package, prompt: str, sampling: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(
            json.dumps({"prompt": prompt, "text": package.generate(prompt, **sampling)}, ensure_ascii=False), flush=True
        )
        return
    for piece in package.stream(prompt, **sampling):
        print(piece, end="", flush=True)
    print(flush=True)


def _short(value: Any) -> str:
    if isinstance(value, (dict, list)):
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= 160 else f"{text[:157]}..."
    return str(value)
