"""Verbs that open a package: ``run``, ``prepare`` and ``inspect``. They need the base install only."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from smallwright.cli.arguments import number, whole
from smallwright.errors import EngineError

if TYPE_CHECKING:
    from argparse import Namespace

    from smallwright.cli.arguments import CommandLine
    from smallwright.run import Package, Prediction


def register(command_line: CommandLine) -> None:
    """Add the verbs."""
    _add_run(command_line)
    command_line.add_verb(prepare).add_argument("file", metavar="FILE", help="A package (.gguf).")
    add = command_line.add_verb(inspect).add_argument
    add("file", metavar="FILE", help="A package (.gguf).")
    add("--json", dest="as_json", action="store_true", help="Everything, as JSON.")


def _add_run(command_line: CommandLine) -> None:
    parser = command_line.add_verb(run)
    add = parser.add_argument
    add("file", metavar="FILE", help="A package (.gguf).")
    add("text", metavar="TEXT", nargs="*", default=[], help="Texts; without any, one per line from standard input.")
    add("--threads", metavar="N", type=whole(0), default=0, help="0 is every core [default: %(default)s].")
    add("--in-place", action="store_true", help="Leave the weights in the file: less memory, slower.")
    add("--json", dest="as_json", action="store_true", help="One JSON object per text.")
    add = parser.add_argument_group("answers of a classifier").add_argument
    add(
        "--top",
        metavar="N",
        type=whole(1),
        default=1,
        help="Classes to show, most likely first [default: %(default)s].",
    )
    add = parser.add_argument_group("answers of a generator").add_argument
    add("--max-tokens", metavar="N", type=whole(1), default=128, help="Most tokens to generate [default: %(default)s].")
    add("--temperature", metavar="X", type=number(0), default=0.0, help="0 is greedy [default: %(default)s].")
    add("--top-k", metavar="N", type=whole(0), default=0, help="0 is off [default: %(default)s].")
    add("--top-p", metavar="X", type=number(0, 1), default=1.0, help="0 to 1; 1 is off [default: %(default)s].")
    add("--min-p", metavar="X", type=number(0, 1), default=0.0, help="0 is off [default: %(default)s].")
    add("--repetition-penalty", metavar="X", type=number(0), default=1.0, help="1 is off [default: %(default)s].")
    add("--seed", metavar="N", type=whole(0), default=0, help="Of sampling [default: %(default)s].")
    add("--stop", metavar="TEXT", action="append", default=[], help="The text ends before it; may be repeated.")
    add = parser.add_argument_group("what a generated text must obey (one of these)").add_argument
    add("--schema", metavar="FILE", help="A JSON schema.")
    add("--grammar", metavar="FILE", help="A Lark or GBNF grammar.")
    add("--regex", metavar="PATTERN", help="A regular expression that the whole text matches.")
    add("--choice", metavar="TEXT", action="append", dest="choices", help="One of these; repeat it.")


def prepare(asked: Namespace) -> None:
    """Write the packed weights of a package beside it (FILE.tiles): it then opens sooner, with the same answers."""
    from smallwright.run.prepare import prepare as write_tiles

    written = write_tiles(asked.file)
    print(f"{written}: {written.stat().st_size / 1e6:.1f} MB; delete it at any time")


def run(asked: Namespace) -> None:
    """Answer texts with a package: labels from a classifier, more text from a generator."""
    from smallwright.run import load

    with load(asked.file, threads=asked.threads, in_place=asked.in_place) as package:
        texts: Iterable[str] = asked.text or _lines()
        if package.task == "classify":
            for item in texts:
                _print_prediction(item, package.classify(item), asked.top, asked.as_json)
            return
        options = _options(asked)
        for item in texts:
            _print_generation(package, item, options, asked.as_json)


def _options(asked: Namespace) -> dict[str, Any]:
    plain = ("max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "stop", "regex")
    options = {name: getattr(asked, name) for name in (*plain, "choices")}
    for name in ("schema", "grammar"):
        path = getattr(asked, name)
        options[name] = None if path is None else _read_text(path, name)
    return options


def _read_text(path: str, name: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise EngineError(f"a {name} must be a readable text file. Got {path}: {reason}.") from error


def inspect(asked: Namespace) -> None:
    """Show what a package is: architecture, sizes, formats, labels, provenance."""
    from smallwright.run import load

    with load(asked.file, threads=1) as package:
        description: dict[str, Any] = package.description
    if asked.as_json:
        print(json.dumps(description, indent=1, ensure_ascii=False))
        return
    for key, value in description.items():
        print(f"{key:>18}  {_short(value)}")


def _lines() -> Iterable[str]:
    if sys.stdin.isatty():
        print("One text per line; end with Ctrl-D.", file=sys.stderr)
    for place, raw in enumerate(sys.stdin.buffer, 1):
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise EngineError(
                f"input must be UTF-8. Got byte 0x{raw[error.start]:02x} in line {place} of the input. Convert it."
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


def _print_generation(package: Package, prompt: str, options: dict[str, Any], as_json: bool) -> None:
    if as_json:
        answer = package.complete(prompt, **options, confidence=True)
        line: dict[str, Any] = {"prompt": prompt, "text": answer.text, "ending": answer.ending}
        for name in ("confidence", "least_confidence", "probability"):
            value = getattr(answer, name)
            line[name] = None if value is None else round(value, 6)
        print(json.dumps(line, ensure_ascii=False), flush=True)
        return
    from smallwright.run.options import CONSTRAINTS

    if package.schema is not None or any(options[name] is not None for name in CONSTRAINTS):
        print(package.generate(prompt, **options), flush=True)  # whole, or not at all
        return
    for piece in package.stream(prompt, **options):
        print(piece, end="", flush=True)
    print(flush=True)


def _short(value: Any) -> str:
    if isinstance(value, (dict, list)):
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= 160 else f"{text[:157]}..."
    return str(value)
