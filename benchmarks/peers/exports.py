"""From one checkpoint to every engine's own file, each made once.

Enters: a checkpoint's folder. Leaves: its neighbours: our packages, which llama.cpp opens unchanged, and the peers'
folders.
Not here: random weights (shapes.py), and which of the files are measured (engines.py).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from peers.engines import OURS_FILE, PREPARED_FILE
from peers.layout import Layout, run_logged
from peers.shapes import SHAPES, make_checkpoint
from smallwright.compress.quantize import plan_formats
from smallwright.model import load_hf
from smallwright.package.write import write_package
from smallwright.spec.formats import SCALE_SPAN

_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
_PARTIAL = "partial"


def prepare_model(layout: Layout, name: str) -> None:
    """Make the checkpoint and whatever files of it are not there yet."""
    print(f"preparing {name} ...", flush=True)
    folder = layout.models / name
    make_checkpoint(name, folder / "hf")
    _write_packages(folder, name)
    _prepare(layout, folder)
    _quantize(layout, folder)
    for bits in ("int4", "int8"):
        _export(layout, folder, f"openvino_{bits}", _openvino(layout, bits))
        _export(layout, folder, f"genai_{bits}", _genai(layout, bits))
    _export(layout, folder, "ct2_int8", _ctranslate2(layout))


def _write_packages(folder: Path, name: str) -> None:
    """Every matrix, the tied head included, in one format. ``OURS_FILE`` is a package as the product writes it; the
    others have GGML's own rounding, for llama.cpp and as what its tools start from."""
    files = {OURS_FILE: ("q4_0", SCALE_SPAN), **{f"{name}.gguf": (name, 0) for name in ("q4_0", "q8_0", "f16")}}
    wanted = {file: form for file, form in files.items() if not (folder / file).is_file()}
    if not wanted:
        return
    model = load_hf(folder / "hf")
    tokenizer = Tokenizer.from_file(str(folder / "hf" / "tokenizer.json"))
    for file, (format, span) in wanted.items():
        write_package(
            folder / file,
            spec=model.spec,
            tensors={name: value.numpy() for name, value in model.state_dict().items()},
            formats=plan_formats(model.spec, format),
            tokenizer=tokenizer,
            task={"kind": "generate", "head": "language_model"},
            name=name,
            scale_span=span,
        )


def _prepare(layout: Layout, folder: Path) -> None:
    """The same package with its packed weights beside it, made by the engine of this checkout."""
    prepared = folder / PREPARED_FILE
    prepared.unlink(missing_ok=True)
    os.link(folder / OURS_FILE, prepared)
    run_logged([layout.engine_build / "sw-run", prepared, "--prepare"], layout.log("exports"))


def _quantize(layout: Layout, folder: Path) -> None:
    """llama.cpp's own 4-bit format with a table of values, in its own hand."""
    done, partial = folder / "iq4_nl.gguf", folder / f"{_PARTIAL}.gguf"
    if not done.is_file():
        worker = layout.program("llama_worker")
        run_logged([worker, "quantize", folder / "f16.gguf", partial, "iq4_nl"], layout.log("exports"))
        run_logged([worker, partial, "1", "first"], layout.log("exports"))  # it can be opened
        os.replace(partial, done)


def _export(layout: Layout, folder: Path, name: str, command: Sequence[str | Path]) -> None:
    """Run an exporter from ``hf`` to a folder that gets its name when it is whole."""
    if (folder / name).is_dir():
        return
    shutil.rmtree(folder / _PARTIAL, ignore_errors=True)
    run_logged(command, layout.log("exports"), cwd=folder, environment=_OFFLINE)
    os.replace(folder / _PARTIAL, folder / name)


def _openvino(layout: Layout, bits: str) -> list[str | Path]:
    four = ["--sym", "--group-size", "32", "--ratio", "1.0"] if bits == "int4" else []
    tool = layout.python("openvino").with_name("optimum-cli")
    task = ["--task", "text-generation-with-past", "--weight-format", bits, *four]
    return [tool, "export", "openvino", "-m", "hf", *task, _PARTIAL]


def _genai(layout: Layout, bits: str) -> list[str | Path]:
    builder = [layout.python("genai"), "-m", "onnxruntime_genai.models.builder"]
    options = ["-p", bits, "-e", "cpu", "-c", str(layout.root / "cache")]
    return [*builder, "-m", "hf", "-o", _PARTIAL, *options, "--extra_options", f"{bits}_accuracy_level=4"]


def _ctranslate2(layout: Layout) -> list[str | Path]:
    tool = layout.python("ctranslate2").with_name("ct2-transformers-converter")
    return [tool, "--model", "hf", "--output_dir", _PARTIAL, "--quantization", "int8"]


def list_models(words: str) -> list[str]:
    """Names of shapes out of a list with commas."""
    names = [word.strip() for word in words.split(",") if word.strip()]
    strange = [name for name in names if name not in SHAPES]
    if strange or not names:
        raise SystemExit(f"models are among {', '.join(SHAPES)}. Got {words!r} in --models. Use these names.")
    return names
