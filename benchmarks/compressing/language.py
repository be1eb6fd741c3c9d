"""What does a decoder lose in each way of storing it, and what does llama.cpp's q4_k_m lose?

A decoder learns novels, encyclopedia articles and technical documents (the texts of distilling/language.py), or is
given. Each way writes a package; our engine foretells the held-out text from it, token by token, so that two files are
compared on the same tokens. llama.cpp makes q4_k_m of the float32 file with an importance matrix of the calibration
text, and judges every file with its own program, too.

All widths are multiples of 256, so that no matrix falls back from q4_k to another format.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import gguf
import numpy as np

from claims import Claims
from compressing.caches import judge_caches
from compressing.cells import Subject, Way, Written, file_name, list_sparse
from compressing.learning import language_lessons
from compressing.llama import LlamaTools
from distilling.language import BATCH, CONTEXT, LEARN, TEACHER_TOKENS, write_texts
from peers.install import install_llama_tools
from peers.layout import find_layout
from smallwright.compress.quantizing.mixed import Sensitivity, choose_formats, measure_sensitivity
from smallwright.data.shards import Shard, write_shard
from smallwright.evaluate.cost import score_text
from smallwright.model import Transformer, load_model, preset, save_model, seeded
from smallwright.pipeline.heads import make_heads
from smallwright.spec.formats import BLOCK_FORMATS
from smallwright.spec.tensors import list_tensors
from smallwright.tokenizer.describe import describe
from smallwright.tokenizer.load import load_tokenizer
from smallwright.tokenizer.settings import TokenizerSettings
from smallwright.tokenizer.train import train_tokenizer
from smallwright.train.loop import train
from smallwright.train.options import LoopOptions
from smallwright.train.settings import DistilSettings
from smallwright.train.tasks import LanguageModelTask

FEEDFORWARD = 768  # of the preset micro 704, which q4_k cannot store
WAYS = (
    Way("f32", "f32", span=0),
    Way("q8_0 round", "q8_0"),
    Way("q4_0 round", "q4_0"),
    Way("q4_0 awq", "q4_0", using="awq"),
    Way("q4_0 gptq", "q4_0", using="gptq"),
    Way("q4_0 gptq, biases", "q4_0", using="gptq", correct_bias=True),
    Way("q3_span round", "q3_span"),
    Way("q3_span gptq", "q3_span", using="gptq"),
    Way("q2_span round", "q2_span"),
    Way("q2_span gptq", "q2_span", using="gptq"),
)
FOREIGN = ("q3_span", "q2_span", "q4_sparse")  # llama.cpp lists such files and cannot run them
MIXED = Way("mixed gptq", "mixed", using="gptq")
FEW = Way("mixed gptq, 3.5 bits", "mixed", using="gptq")
FEW_BITS = 3.5  # a weight, on average of all matrices
KIND = "q4_k_m"


def list_ways(train_steps: int, heal_steps: int) -> list[Way]:
    """All but the mixed ones."""
    return [
        *WAYS,
        Way("q3_span trained", "q3_span", train_steps=train_steps),
        Way("q2_span trained", "q2_span", train_steps=train_steps),
        Way("q2_span, norms trained", "q2_span", trained="biases_and_norms", train_steps=train_steps),
        *list_sparse(heal_steps),
    ]


@dataclass(frozen=True)
class Judged:
    """A file on the held-out text, in our engine.

    ``loss``: mean nats a token. ``lost``: above float32's, on the same tokens; ``lost_error``: its standard error.
    """

    loss: float
    perplexity: float
    lost: float
    lost_error: float


def check_language(
    claims: Claims,
    folder: Path,
    *,
    decoder: Path | None,
    steps: int,
    texts: int,
    train_steps: int,
    heal_steps: int,
    test_tokens: int,
    threads: int | None,
) -> None:
    """Store a decoder in every way and judge the files.

    Args:
        folder: receives texts, checkpoint and files.
        decoder: a folder with a checkpoint and its tokenizer; None: one is trained.
        steps: of that training, BATCH blocks of CONTEXT tokens each.
        texts: blocks of the training text for calibration.
        train_steps, heal_steps: of training through codes, and of what is kept of a sparse model, where a way trains.
        test_tokens: scored, from the beginning of the test text.
        threads: of training; None: as torch has them.
    """
    write_texts(folder)
    given = decoder or train_decoder(folder, steps, threads)
    model, tokenizer = load_model(given), load_tokenizer(given)
    shard = _read_shard(folder, given, "train")
    blocks = shard.blocks(CONTEXT)
    chosen = np.sort(np.random.default_rng(0).choice(len(blocks), min(texts, len(blocks)), replace=False))
    calibration = [blocks[row, :-1].astype(np.int64) for row in chosen]
    test = "\n".join(json.loads(line)["text"] for line in (folder / "test.jsonl").open(encoding="utf-8"))
    head = next(iter(model.spec.heads))
    lessons = language_lessons(LEARN, folder, threads, lambda: _open_task(folder, given))
    subject = Subject(model, tokenizer, {"kind": "generate", "head": head}, calibration, lessons)
    ways = list_ways(train_steps, heal_steps)
    written = {way.name: subject.write(way, folder / "files" / file_name(way.name)) for way in ways}
    layout = find_layout()
    install_llama_tools(layout)
    tools = LlamaTools(layout)
    given_text = folder / "calibration.txt"
    given_text.write_text("".join(tokenizer.decode(block.tolist()) for block in calibration), encoding="utf-8")
    theirs = _quantize_by_llama(tools, written["f32"].path, given_text)
    sensitivities = measure_sensitivity(model, calibration, MIXED.options)
    known = [_narrow(one) for one in sensitivities]  # llama.cpp is to open this file
    formats, measured = subject.mix(known, theirs.stat().st_size, written["q8_0 round"], "q8_0")
    written[MIXED.name] = subject.write(MIXED, folder / "files" / "mixed.gguf", formats)
    matrices = sum(math.prod(tensor.shape) for tensor in list_tensors(model.spec) if tensor.matrix)
    others = sum(4 * math.prod(tensor.shape) for tensor in list_tensors(model.spec) if not tensor.matrix)
    few = choose_formats(model.spec, sensitivities, int(matrices * FEW_BITS / 8) + others)
    written[FEW.name] = subject.write(FEW, folder / "files" / file_name(FEW.name), few)
    files = {name: one.path for name, one in written.items()} | {KIND: theirs}
    (folder / "test.txt").write_text(test, encoding="utf-8")
    judged = judge(files, test, test_tokens)
    foreign = {way.name for way in ways if way.format in FOREIGN} | {FEW.name}
    read = {name: path for name, path in files.items() if name not in foreign}
    said = {name: tools.perplexity(path, folder / "test.txt", context=CONTEXT) for name, path in read.items()}
    report(claims, model, written, judged, said, theirs)
    caches = judge_caches({name: files[name] for name in ("f32", "q4_0 gptq")}, test, test_tokens, CONTEXT)
    for name, found in caches.items():
        claims.check(f"{name}: nats a token that 8-bit keys and values lose", round(found["8"]["lost"], 5), "<=", 0.001)
    claims.numbers["language"] |= {
        "caches": caches,
        "decoder": "given" if decoder else f"trained for {steps} steps",
        "calibration_texts": len(calibration),
        "calibration_tokens": sum(map(len, calibration)),
        "sensitivity": measured,
    }


def train_decoder(folder: Path, steps: int, threads: int | None) -> Path:
    """A decoder of about 6 million weights with widths that q4_k divides, on the training text alone."""
    out = folder / "decoder"
    if (out / "config.json").is_file():
        return out
    texts = [json.loads(line)["text"] for line in (folder / "train.jsonl").open(encoding="utf-8")]
    tokenizer = train_tokenizer(texts, TokenizerSettings(kind="train", vocabulary=TEACHER_TOKENS))
    path = folder / "tokenizer.json"
    path.write_text(tokenizer.to_str(), encoding="utf-8")
    shards = {split: _write_shard(folder, path, split) for split in ("train", "validation")}
    heads = make_heads("generate", ())
    spec = preset("micro", vocabulary=tokenizer.get_vocab_size(), causal=True, heads=heads, context=CONTEXT)
    layers = (replace(layer, feedforward=replace(layer.feedforward, width=FEEDFORWARD)) for layer in spec.layers)
    with seeded(0):
        model = Transformer(replace(spec, layers=tuple(layers)))
    task = LanguageModelTask(shards["train"], shards["validation"], context=CONTEXT, batch_size=BATCH, seed=0)
    learn = {name: value for name, value in LEARN.items() if name != "batch_size"}
    objective = DistilSettings(objectives=["cross_entropy"]).make_student_objective(has_teacher=False)
    train(model, task, objective, folder / "training", LoopOptions(**learn, max_steps=steps, threads=threads))
    save_model(model, out, path)
    return out


def judge(files: Mapping[str, Path], test: str, test_tokens: int) -> dict[str, Judged]:
    """Every file on the same tokens."""
    nats = {}
    for name, path in files.items():
        window = {"window": CONTEXT, "stride": CONTEXT // 2}
        nats[name] = -score_text(path, test, **window, max_tokens=test_tokens, threads=1)[0]
    whole = nats["f32"]
    judged = {}
    for name, found in nats.items():
        apart, loss = found - whole, float(found.mean())
        spread = float(apart.std(ddof=1)) / math.sqrt(len(apart))
        judged[name] = Judged(loss, math.exp(loss), float(apart.mean()), spread)
        print(f"{name:24} {files[name].stat().st_size:>9,} bytes  {judged[name]}", flush=True)
    return judged


def report(
    claims: Claims,
    model: Transformer,
    written: Mapping[str, Written],
    judged: Mapping[str, Judged],
    said: Mapping[str, tuple[float, float]],
    theirs: Path,
) -> None:
    """The numbers and what they are held to."""
    kinds = [tensor.tensor_type.name for tensor in gguf.GGUFReader(theirs).tensors]
    claims.numbers["language"] = {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "files": {name: {**asdict(one), "path": None} for name, one in written.items()},
        "judged": {name: asdict(one) for name, one in judged.items()},
        "llama_perplexity": said,
        KIND: {"size_bytes": theirs.stat().st_size, "tensors": {kind: kinds.count(kind) for kind in set(kinds)}},
    }
    layer = model.spec.layers[0]
    widths = {model.spec.width, layer.feedforward.width, layer.mixer.heads * layer.mixer.head_width}
    claims.check("widths that q4_k cannot store", sum(width % 256 > 0 for width in widths), "==", 0)
    lost = {name: one.lost for name, one in judged.items()}
    recovered = 1 - lost["q4_0 gptq"] / lost["q4_0 round"]
    claims.check("share of what rounding to q4_0 loses that GPTQ recovers", round(recovered, 3), ">=", 0.3)
    claims.check("bytes of the mixed file", written[MIXED.name].size_bytes, "<=", theirs.stat().st_size)
    claims.check("nats a token that the mixed file loses, q4_k_m's", lost[MIXED.name], "<=", lost[KIND])
    names = ("f32", MIXED.name, KIND)
    whole, ours, other = (math.log(said[name][0]) for name in names)
    claims.check("the same by llama-perplexity", round(ours - whole, 5), "<=", round(other - whole, 5))


def _quantize_by_llama(tools: LlamaTools, source: Path, text: Path) -> Path:
    importance = tools.make_importance(source, text, source.with_name("importance.gguf"), context=CONTEXT)
    out = source.with_name(f"{KIND}.gguf")
    tools.quantize(source, out, KIND, importance)
    return out


def _narrow(one: Sensitivity) -> Sensitivity:
    nats, sizes = ({name: found[name] for name in found if name in BLOCK_FORMATS} for found in (one.nats, one.sizes))
    return Sensitivity(one.name, nats, sizes)


def _open_task(folder: Path, decoder: Path) -> LanguageModelTask:
    shards = [_read_shard(folder, decoder, split) for split in ("train", "validation")]
    return LanguageModelTask(*shards, context=CONTEXT, batch_size=BATCH, seed=0)


def _read_shard(folder: Path, decoder: Path, split: str) -> Shard:
    path = folder / "shards" / split
    return Shard.open(path) if path.is_dir() else _write_shard(folder, decoder / "tokenizer.json", split)


def _write_shard(folder: Path, tokenizer_json: Path, split: str) -> Shard:
    tokenizer = load_tokenizer(tokenizer_json)
    end = describe(tokenizer).eos
    texts = [json.loads(line)["text"] for line in (folder / f"{split}.jsonl").open(encoding="utf-8")]
    documents = ([*tokenizer.encode(text, add_special_tokens=False).ids, end] for text in texts)
    return write_shard(folder / "shards" / split, documents, tokenizer.get_vocab_size())
