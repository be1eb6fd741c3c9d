"""What does a small decoder gain from a larger one, with the same tokens and with its own?

A teacher learns novels, encyclopedia articles and technical documents (gutenberg_a, wikitext2_valid_test and
python_peps); a student of a fifth of its weights or less learns the same texts by each way of distilling, at equal
steps, and is judged by the text that it foretells: the shipped file, on text that neither has seen.

Enters: a folder for the builds, steps and seeds. Leaves: claims, and numbers by way and seed.
Not here: which parts of the benchmark run (distillation.py).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import smallwright
from claims import Claims
from smallwright.evaluate.report import Report
from smallwright.recipe import Recipe

SOURCES = ("gutenberg_a", "wikitext2_valid_test", "python_peps")
PIECE_BYTES = 8_000
MOST_BYTES = 1_200_000  # of each source for training
HELD_OUT_BYTES = 24_000  # of each source, for test; for validation a third of it
TEACHER_STEPS, STUDENT_STEPS = 600, 240
TEACHER_TOKENS, STUDENT_TOKENS, CONTEXT, BATCH = 6_144, 4_096, 256, 8
LEARN = {
    "epochs": 1_000,  # steps decide
    "batch_size": BATCH,
    "learning_rate": 2e-3,
    "optimizer": "muon",
    "beta2": 0.95,
    "warmup_fraction": 0.05,
    "dropout": 0.0,
    "weight_decay": 0.01,
}
SOFT = {"objectives": ["soft_targets"], "answers": "online", "temperature": 1.0, "weight": 0.5}
# Not tuned: half of each loss is the text's own, at temperature 1, for every way.
WAYS: dict[str, dict[str, Any]] = {
    "plain": {"objectives": ["cross_entropy"]},
    "forward KL": {**SOFT, "divergence": "forward"},
    "reverse KL": {**SOFT, "divergence": "reverse"},
    "skewed forward KL": {**SOFT, "divergence": "skewed_forward"},
    "on-policy": {**SOFT, "divergence": "jensen_shannon", "skew": 0.5, "own_texts": 0.25},
    "on-policy, rising": {
        **SOFT,
        "divergence": "jensen_shannon",
        "skew": 0.5,
        "own_texts": {"start": 0.0, "end": 0.5},
    },
    "hidden states": {**SOFT, "divergence": "forward", "match": {"hidden_states": 1.0}},
    "hidden states, balanced": {
        **SOFT,
        "divergence": "forward",
        "match": {"hidden_states": 1.0},
        "balance": "uncertainty",
    },
}
ACROSS: dict[str, dict[str, Any]] = {
    "own tokens, plain": {"objectives": ["cross_entropy"]},
    "own tokens, shared vocabulary": {"objectives": ["shared_vocabulary"], "temperature": 1.0, "weight": 0.5},
    "own tokens, shared vocabulary with tail": {
        "objectives": ["shared_vocabulary"],
        "temperature": 1.0,
        "weight": 0.5,
        "tail": True,
    },
    "own tokens, universal logit": {"objectives": ["universal_logit"], "weight": 0.5},
    "own tokens, aligned likelihood": {"objectives": ["aligned_likelihood"], "temperature": 1.0, "weight": 0.5},
}


@dataclass(frozen=True)
class Found:
    """One build: what its file foretells, and its seconds.

    ``stages``: processor seconds of every stage. ``seconds``, ``cpu_seconds``: of the student's own, by the clock
    (which other work on the machine delays) and of processor time.
    ``leaks``: pieces of held-out text that were found among the learned ones, and taken out of these.
    """

    perplexity: float
    bits_per_byte: float
    parameters: int
    seconds: float
    cpu_seconds: float
    stages: Mapping[str, float]
    leaks: int


def check_language(
    claims: Claims,
    folder: Path,
    *,
    teacher_steps: int | None = None,
    student_steps: int | None = None,
    seeds: Sequence[int],
    ways: Sequence[str] | None = None,
    threads: int | None = None,
) -> None:
    """Train the teacher, then every student.

    Args:
        folder: receives the texts and the builds; finished stages in it are found again.
        teacher_steps, student_steps: optimizer steps of BATCH blocks of CONTEXT tokens; None: those of the table.
        seeds: of the students, one of each way for each.
        ways: names of WAYS and ACROSS to run; None: all.
        threads: of training; None: all that the process may use.
    """
    teacher_steps, student_steps = teacher_steps or TEACHER_STEPS, student_steps or STUDENT_STEPS
    sizes = write_texts(folder)
    parts = {"tokenizer": own_tokens(TEACHER_TOKENS), "student": size("micro"), "threads": threads}
    taught = build(folder, "teacher", parts, teacher_steps)
    print(f"teacher: {taught}", flush=True)
    checkpoint = next(folder.glob("builds/teacher/stages/student-*/student"))
    given = {"teacher": {"from": "hf", "path": str(checkpoint)}, "student": size("pico"), "threads": threads}
    found: dict[str, list[Found]] = {}
    for seed in seeds:
        for way, distill in {**WAYS, **ACROSS}.items():
            if ways is not None and way not in ways:
                continue
            tokens = own_tokens(STUDENT_TOKENS) if way in ACROSS else {"kind": "teacher", "trim": False}
            parts = {**given, "tokenizer": tokens, "distill": distill, "seed": seed}
            if way in ACROSS and distill["objectives"] == ["cross_entropy"]:
                parts["teacher"] = None
            found.setdefault(way, []).append(build(folder, "student", parts, student_steps))
            print(f"{way:32} seed {seed}: {found[way][-1]}", flush=True)
    claims.numbers["language"] = {
        "text_bytes": sizes,
        "steps": {"teacher": teacher_steps, "student": student_steps, "tokens_a_step": BATCH * CONTEXT},
        "teacher": describe([taught]),
        "students": {way: describe(results) for way, results in found.items()},
        "across_tokenizers": [
            read_facts(card) for card in sorted(folder.glob("builds/student/stages/cross-answers-*"))
        ],
    }
    hold(claims, taught, found)


def hold(claims: Claims, taught: Found, found: Mapping[str, Sequence[Found]]) -> None:
    """What must be so for the table to mean anything; who wins is for the table to say."""
    students = [one for results in found.values() for one in results]
    claims.check("held-out pieces that stand in another split too", max(one.leaks for one in students), "==", 0)
    claims.check("the teacher's parameters", taught.parameters, "<=", 8_000_000)
    claims.check("the largest student's parameters", max(one.parameters for one in students), "<=", 1_500_000)
    smallest = min(taught.parameters / one.parameters for one in students)
    claims.check("how many times smaller a student is", round(smallest, 2), ">=", 5)
    plain = [one.bits_per_byte for way in ("plain", "own tokens, plain") for one in found.get(way, ())]
    if plain:
        claims.check("bits per byte of the teacher, below every plain student's", taught.bits_per_byte, "<", min(plain))
    stages = {entry for one in (taught, *students) for entry in one.stages.items()}
    minutes = sum(seconds for _, seconds in stages) / 60
    claims.check("processor minutes of all stages", round(minutes, 1), "<=", 60)


def describe(results: Sequence[Found]) -> dict[str, Any]:
    """Means and standard deviations over seeds, and the values themselves."""
    described: dict[str, Any] = {"seeds": len(results), "parameters": results[0].parameters}
    for name in ("bits_per_byte", "perplexity", "seconds", "cpu_seconds"):
        values = [getattr(one, name) for one in results]
        spread = statistics.stdev(values) if len(values) > 1 else None
        described[name] = {"mean": statistics.mean(values), "sd": spread, "values": values}
    described["stages"] = [dict(one.stages) for one in results]
    return described


def read_facts(stage: Path) -> dict[str, Any]:
    """What the asking of the teacher across tokenizers came to, and its cost."""
    card = json.loads((stage / "card.json").read_text(encoding="utf-8"))
    return {**card["facts"], **card["cost"]}


def own_tokens(vocabulary: int) -> dict[str, Any]:
    """A tokenizer learned from the training texts."""
    return {"kind": "train", "vocabulary": vocabulary}


def size(preset: str) -> dict[str, Any]:
    """A decoder from scratch."""
    return {"from": "scratch", "preset": preset, "context": CONTEXT}


def build(folder: Path, name: str, parts: Mapping[str, Any], steps: int) -> Found:
    """One recipe from text to the judged file. Stages that another recipe of the name ran are found."""
    distill = {**LEARN, "max_steps": steps, "objectives": ["cross_entropy"], **parts.get("distill", {})}
    texts = {split: str(folder / f"{split}.jsonl") for split in ("train", "validation", "test")}
    document = {
        "name": name,
        "task": {"kind": "generate"},
        "data": texts,
        **parts,
        "distill": distill,
        "compress": [{"method": "quantize", "format": "q8_0"}],
        "evaluate": {
            "baseline": False,
            "samples": 0,
            "cold_starts": 1,
            "latency_rounds": 1,
            "max_score_tokens": 1_000_000,
        },
    }
    report = smallwright.build(Recipe.from_mapping(document, root=folder), out=folder / "builds").report
    return read(report)


def read(report: Report) -> Found:
    """The numbers of the shipped file."""
    assert report.language is not None  # texts are judged as language
    score = report.language.score
    stages = {stage.name: stage.cpu_seconds for stage in report.build}
    student = next(stage for stage in report.build if stage.name == "student")
    return Found(
        perplexity=score.perplexity,
        bits_per_byte=score.bits_per_byte,
        parameters=report.package.parameters,
        seconds=student.wall_seconds,
        cpu_seconds=student.cpu_seconds,
        stages=stages,
        leaks=sum(leak.rows for leak in report.data.leakage),
    )


def write_texts(folder: Path) -> dict[str, int]:
    """train.jsonl, validation.jsonl and test.jsonl, and the bytes of each. Every source is cut at its end, so that no
    held-out piece lies between learned ones.
    """
    parts: dict[str, list[list[str]]] = {"train": [], "validation": [], "test": []}
    folder.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        for split, pieces in split_source(source).items():
            parts[split].append(pieces)
    sizes = {}
    for split, sources in parts.items():
        # Round by round from each source, so that any beginning of a split holds all of them.
        longest = max(len(pieces) for pieces in sources)
        mixed = [pieces[turn] for turn in range(longest) for pieces in sources if turn < len(pieces)]
        lines = "".join(json.dumps({"text": piece}) + "\n" for piece in mixed)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
        sizes[split] = sum(len(piece.encode("utf-8")) for piece in mixed)
    return sizes


def split_source(source: str) -> dict[str, list[str]]:
    """The pieces of one source by split: first to learn, then to validate, last to test."""
    documents = list(read_documents(source))
    pieces: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    room = {"test": HELD_OUT_BYTES, "validation": HELD_OUT_BYTES // 3, "train": MOST_BYTES}
    if source == "python_peps":
        backwards = [piece for document in reversed(documents) for piece in reversed(cut(document))]
        turns = [backwards]
    else:  # the end of every book
        turns = [list(reversed(cut(document))) for document in documents]
    shares = len(turns)
    for backwards in turns:
        queue = iter(backwards)
        for split, most in room.items():
            taken = 0
            for piece in queue:
                pieces[split].append(piece)
                taken += len(piece.encode("utf-8"))
                if taken >= most / shares:
                    break
    return {split: list(reversed(part)) for split, part in pieces.items()}


def read_documents(source: str) -> Iterator[str]:
    """The texts of a source, each PEP one, in an order by hash so that the held-out ones are of all years."""
    data = os.environ.get("SMALLWRIGHT_DATA")
    if not data:
        sys.exit("SMALLWRIGHT_DATA must name the folder of the public data. Got nothing. Export it.")
    folder = Path(data) / source
    if source == "python_peps":
        with gzip.open(folder / "peps.jsonl.gz", "rt", encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in lines]
        yield from sorted(texts, key=lambda text: hashlib.sha256(text.encode("utf-8")).digest())
        return
    for path in sorted(folder.glob("*.txt")):
        yield path.read_text(encoding="utf-8")


def cut(text: str) -> list[str]:
    """Pieces of whole lines, about PIECE_BYTES each."""
    pieces: list[str] = []
    held: list[str] = []
    count = 0
    for line in text.splitlines(keepends=True):
        held.append(line)
        count += len(line.encode("utf-8"))
        if count >= PIECE_BYTES:
            pieces.append("".join(held))
            held, count = [], 0
    rest = "".join(held)
    return [piece for piece in (*pieces, rest) if piece.strip()]
