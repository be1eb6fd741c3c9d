"""What do coding a 135M decoder by rounding and by GPTQ cost, in processor time and memory?

The random Llama-shaped 135M of engine_vs_peers.py (`make peers` writes it): its checkpoint to q4_0 and, rounded, to 3
and 2 bits, each in a process of its own; llama-quantize on the f16 file of the same weights, alone and with an
importance matrix from as many random tokens; llm-compressor's GPTQ to 4 bits in groups of 32, on as many. Time is
processor time, of all threads; memory is the resident peak above that after the imports (ours: and after coding one
layer, so that it leaves out the libraries' own buffers; llama.cpp's: in all). One round: each takes minutes, and
nothing of it is a ratio.

What must hold: while coding, no more memory than the float32 model and two of its layers.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from claims import Claims
from peers.install import install_llama_tools, install_venv
from peers.layout import PeersError, find_layout

QUESTION = "What do coding a 135M decoder by rounding and by GPTQ cost, in processor time and memory?"
MODEL, LLM_COMPRESSOR = "135M", "llm-compressor"
WAYS = (("q4_0", "round"), ("q4_0", "gptq"), ("q3_span", "round"), ("q2_span", "round"))


@dataclass(frozen=True)
class Step:
    """One part of the work: processor seconds, and the most memory above the imports' meanwhile."""

    name: str
    cpu_seconds: float
    peak_bytes: int


def work(folder: Path, format: str, using: str, texts: int, tokens: int, threads: int) -> dict[str, Any]:
    """In this process: load, code, write; what each step cost."""
    import numpy as np
    import torch
    from tokenizers import Tokenizer

    from smallwright.compress.quantize import plan_formats
    from smallwright.compress.quantizing.matrix import QuantizeOptions
    from smallwright.compress.quantizing.model import quantize_model
    from smallwright.evaluate.memory import reset_peak, resident
    from smallwright.model import load_hf
    from smallwright.package.write import write_package
    from smallwright.spec.formats import SCALE_SPAN

    torch.set_num_threads(threads)
    _warm_up(folder / "hf", using, tokens)
    imported, steps = resident().current_bytes or 0, []
    if not reset_peak():
        raise RuntimeError("peaks of parts of a process are known on Linux alone.")
    spent = _cpu(resource.RUSAGE_SELF)

    def note(name: str) -> None:
        nonlocal spent
        now = _cpu(resource.RUSAGE_SELF)
        steps.append(Step(name, now - spent, (resident().peak_bytes or 0) - imported))
        spent = now
        reset_peak()

    model = load_hf(folder / "hf").float().eval()
    note("load")
    rng, size = np.random.default_rng(0), model.spec.embedding.vocabulary
    given = [rng.integers(0, size, tokens) for _ in range(texts)] if using != "round" else []
    whole, layer = (sum(weight.nbytes for weight in part.parameters()) for part in (model, model.layers[0]))
    found = quantize_model(model, plan_formats(model.spec, format), given, QuantizeOptions(using, SCALE_SPAN))
    note("code")
    with tempfile.TemporaryDirectory() as out:
        info = write_package(
            Path(out) / "model.gguf",
            spec=found.spec,
            tensors=found.tensors,
            formats=found.formats,
            rows=found.rows,
            tokenizer=Tokenizer.from_file(str(folder / "hf" / "tokenizer.json")),
            task={"kind": "generate", "head": next(iter(found.spec.heads))},
            name=f"{format} {using}",
        )
    note("write")
    return {
        "steps": [asdict(step) for step in steps],
        "model_bytes": whole,
        "layer_bytes": layer,
        "coded_bytes": sum(rows.nbytes for rows in found.rows.values()),
        "size_bytes": info.size_bytes,
        "tokens": texts * tokens if given else 0,
    }


def _warm_up(model: Path, using: str, tokens: int) -> None:
    """Code one layer of the model's widths, and give its memory back: the libraries' own pages and buffers are there
    then, before anything is counted."""
    import numpy as np

    from peers.shapes import Shape
    from smallwright.compress.quantize import plan_formats
    from smallwright.compress.quantizing.matrix import QuantizeOptions
    from smallwright.compress.quantizing.model import quantize_model
    from smallwright.model import Transformer
    from smallwright.spec.formats import SCALE_SPAN
    from smallwright.train.memory import give_back

    facts = json.loads((model / "config.json").read_text(encoding="utf-8"))
    names = {
        "width": "hidden_size",
        "heads": "num_attention_heads",
        "key_value_heads": "num_key_value_heads",
        "feedforward": "intermediate_size",
    }
    spec = Shape(layers=1, vocabulary=300, **{ours: facts[theirs] for ours, theirs in names.items()}).spec
    texts = [np.arange(tokens) % 300] if using != "round" else []
    quantize_model(Transformer(spec).eval(), plan_formats(spec, "q4_0"), texts, QuantizeOptions(using, SCALE_SPAN))
    give_back()


def run_foreign(words: Sequence[object], environment: dict[str, str]) -> dict[str, Any]:
    """Another program: processor seconds and resident peak of that process."""
    before = _cpu(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{Path(str(words[0])).name} must succeed. Got status {process.returncode}.")
    return {"cpu_seconds": _cpu(resource.RUSAGE_CHILDREN) - before, "peak_bytes": used.ru_maxrss * 1024}


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _run_ours(folder: Path, format: str, using: str, options: argparse.Namespace) -> dict[str, Any]:
    words = [sys.executable, __file__, "--worker", f"{format}:{using}", "--folder", str(folder)]
    for name in ("texts", "tokens", "threads"):
        words += [f"--{name}", str(getattr(options, name))]
    count = str(options.threads)
    pinned = {"OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    done = subprocess.run(words, env={**os.environ, **pinned}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"coding must succeed. Got status {done.returncode}: {done.stderr[-500:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _run_llama(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    layout = find_layout()
    install_llama_tools(layout)
    programs = layout.llama_tools_build / "bin"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(programs)}
    source, found = folder / "f16.gguf", {}
    with tempfile.TemporaryDirectory() as scratch:
        text, importance = Path(scratch) / "text.txt", Path(scratch) / "importance.gguf"
        text.write_text(_random_text(folder, options.texts * options.tokens), encoding="utf-8")
        threads, length = options.threads, options.tokens
        quantize, out = programs / "llama-quantize", Path(scratch) / "out.gguf"
        found["llama-quantize q4_0"] = run_foreign([quantize, source, out, "q4_0", threads], environment)
        batch = ["-c", length, "-b", length, "-ub", length, "-t", threads]
        imatrix = [programs / "llama-imatrix", "-m", source, "-f", text, "-o", importance, *batch]
        found["llama-imatrix"] = run_foreign(imatrix, environment)
        weighed = [quantize, "--imatrix", importance, source, out, "q4_0", threads]
        found["llama-quantize q4_0, importance matrix"] = run_foreign(weighed, environment)
    return found


def _run_llm_compressor(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    layout = find_layout()
    install_venv(layout, LLM_COMPRESSOR)
    worker = Path(__file__).parent / "peers" / "worker_llm_compressor.py"
    sizes = [str(size) for size in (options.texts, options.tokens, options.threads)]
    words = [str(layout.python(LLM_COMPRESSOR)), str(worker), str(folder / "hf"), *sizes]
    count = str(options.threads)
    pinned = {"OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count, "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as scratch:  # it leaves logs where it runs
        done = subprocess.run(words, env={**os.environ, **pinned}, capture_output=True, text=True, cwd=scratch)
    if done.returncode:
        raise RuntimeError(f"llm-compressor must succeed. Got status {done.returncode}: {done.stderr[-500:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _random_text(folder: Path, tokens: int) -> str:
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "hf" / "tokenizer.json"))
    drawn = np.random.default_rng(0).integers(0, tokenizer.get_vocab_size(), 2 * tokens)  # some join when read again
    return tokenizer.decode(drawn.tolist())


def report(claims: Claims, found: dict[str, dict[str, Any]]) -> None:
    """Print ours and hold memory against the model and two layers."""
    claims.numbers["ours"] = found
    for name, one in found.items():
        steps = {step["name"]: step for step in one["steps"]}
        room = one["model_bytes"] + 2 * one["layer_bytes"]
        told = ", ".join(
            f"{key} {step['cpu_seconds']:.1f} s to {step['peak_bytes'] / 1e6:.0f} MB" for key, step in steps.items()
        )
        print(f"{name:16} {told}; model and two layers {room / 1e6:.0f} MB", flush=True)
        claims.check(
            f"{name}: peak memory while coding, MB", round(steps["code"]["peak_bytes"] / 1e6), "<=", round(room / 1e6)
        )


def main() -> None:
    """Ours, then llama.cpp's, then the claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=64, help="calibration texts of random tokens")
    parser.add_argument("--tokens", type=int, default=256, help="of each")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only", help="one of ours, FORMAT:METHOD; the whole claim then fails, and says so")
    options = parser.parse_args()
    if options.worker:
        format, _, using = options.worker.partition(":")
        print(json.dumps(work(options.folder, format, using, options.texts, options.tokens, options.threads)))
        return
    claims = Claims("compression_cost", QUESTION)
    try:
        folder = find_layout().models / MODEL
        for name in ("hf/model.safetensors", "f16.gguf"):
            if not (folder / name).is_file():
                raise PeersError(f"{folder / name} must be there. Run make peers.")
        ways = [way for way in WAYS if options.only in (None, ":".join(way))]
        claims.check("ways measured", len(ways), "==", len(WAYS))
        report(claims, {" ".join(way): _run_ours(folder, *way, options) for way in ways})
        if options.only is None:
            claims.numbers["llama.cpp"] = theirs = _run_llama(folder, options)
            for name, one in theirs.items():
                print(f"{name:40} {one['cpu_seconds']:.1f} s, {one['peak_bytes'] / 1e6:.0f} MB in all", flush=True)
            claims.numbers["llm-compressor"] = one = _run_llm_compressor(folder, options)
            print(f"llm-compressor GPTQ: {one['cpu_seconds']:.1f} s, {one['peak_bytes'] / 1e6:.0f} MB", flush=True)
    except PeersError as error:
        sys.exit(f"compression_cost: {error}")
    claims.numbers.update(texts=options.texts, tokens=options.tokens, threads=options.threads, seed=0)
    claims.finish()


if __name__ == "__main__":
    main()
