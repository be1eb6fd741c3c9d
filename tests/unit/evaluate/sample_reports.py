"""Made-up but plausible reports, for tests of how reports are written."""

from __future__ import annotations

import numpy as np

from smallwright.evaluate.budget import Measurements, judge
from smallwright.evaluate.cost import Cost, GenerationSpeed
from smallwright.evaluate.environment import Machine
from smallwright.evaluate.metrics import LanguageScore
from smallwright.evaluate.quality import ClassifierQuality, LanguageQuality, Sample, classifier_quality
from smallwright.evaluate.report import (
    BuildStage,
    CompressionStep,
    DataSummary,
    Leakage,
    Neighbour,
    PackageFacts,
    Report,
    TrainingCurve,
    TrainingPoint,
)
from smallwright.evaluate.settings import BudgetSettings
from smallwright.evaluate.timing import Latency

LABELS = (
    "lights_on", "lights_off", "brightness_up", "brightness_down", "heating_set", "heating_up", "heating_down",
    "play_music", "stop_music", "volume_up", "volume_down", "lock_door", "unlock_door", "open_blinds", "close_blinds",
    "timer_set", "vacuum_start", "weather",
)  # fmt: skip
MACHINE = Machine(
    "Imagined CPU @ 2.00GHz", "x86_64", 4, 2, ("avx2", "fma", "avx512_vnni"), 16 * 2**30, "Linux 6.1", "3.11.2",
    {"smallwright": "0.1.0", "numpy": "2.4.0"}, 0.12,
)  # fmt: skip
SAID = (
    "could you turn the big light on in the lounge please",
    "it's freezing in here",
    "a bit more light over the desk",
)


def quality(hostile: str = "") -> ClassifierQuality:
    """A classifier of 900 rows that is right about 94 times in 100; ``hostile`` renames a class and ends a text."""
    generator = np.random.default_rng(7)
    labels = [hostile or LABELS[0], *LABELS[1:]]
    truth = generator.integers(0, len(labels), 900)
    neighbour = np.where(truth % 2 == 0, truth + 1, truth - 1)
    slip = np.where(generator.random(900) < 0.05, neighbour, truth)
    logits = generator.normal(0, 1, (900, len(labels))).astype(np.float32)
    logits[np.arange(900), slip] += generator.uniform(4.0, 9.0, 900).astype(np.float32)
    strange = generator.normal(0, 1, (120, len(labels))) * 1.4
    teacher = np.where(generator.random(900) < 0.05, neighbour, truth)
    linear = np.where(generator.random(900) < 0.13, neighbour, truth)
    return classifier_quality(
        [f"{SAID[row % 3]} ({row}){hostile}" for row in range(900)],
        [labels[index] for index in truth],
        logits,
        labels,
        temperature=1.1,
        majority_label=labels[1],
        teacher_predicted=[labels[index] for index in teacher],
        others_predicted={
            "teacher": [labels[index] for index in teacher],
            "TF-IDF + linear SVM": [labels[index] for index in linear],
        },
        simple_predicted={"TF-IDF + linear SVM": [labels[index] for index in linear]},
        strange_logits=strange,
        confusion_pairs=8,
        wrong_examples=14,
    )


def latency(p50_ms: float) -> Latency:
    """A latency with a plausible tail."""
    tail = (p50_ms, p50_ms * 1.45, p50_ms * 1.9, p50_ms * 1.06, p50_ms * 0.7, p50_ms * 3)
    return Latency(200, 5, *tail, round_p50_min_ms=p50_ms * 0.98, round_p50_max_ms=p50_ms * 1.03)


def _curve(name: str, steps: int, best: float) -> TrainingCurve:
    points = tuple(
        TrainingPoint(step, 3.0 * 0.5 ** (6 * step / steps) + 0.08, best - 0.6 * 0.5 ** (9 * step / steps))
        for step in range(0, steps + 1, steps // 20)
    )
    return TrainingCurve(name, "accuracy", points)


def _neighbours(found: ClassifierQuality) -> tuple[Neighbour, ...]:
    score = found.accuracy
    return (
        Neighbour(
            "this file",
            "package",
            score.accuracy,
            score.low,
            score.high,
            found.macro_f1,
            None,
            1_912_320,
            0.84,
            1.21,
            3_650_000,
            note="q8_0, 2 layers, trimmed vocabulary",
        ),
        Neighbour(
            "teacher",
            "teacher",
            0.951,
            0.935,
            0.963,
            0.949,
            None,
            90_868_376,
            12.4,
            17.9,
            212_000_000,
            note="PyTorch, float32",
        ),
        Neighbour(
            "teacher, quantised in our engine",
            "teacher_quantized",
            0.949,
            0.933,
            0.961,
            0.947,
            None,
            24_300_000,
            4.9,
            6.6,
            29_000_000,
            note="q8_0, our engine",
        ),
        Neighbour(
            "TF-IDF + linear SVM",
            "linear",
            0.866,
            0.842,
            0.886,
            0.861,
            None,
            4_210_000,
            0.61,
            0.9,
            11_000_000,
            note="scikit-learn, C = 1",
        ),
        Neighbour("majority", "majority", 0.071, 0.056, 0.090, 0.007, None, note="always lights_off"),
    )


def classifier_report(hostile: str = "", *, ship: bool = True) -> Report:
    """A whole report of a classifier."""
    found = quality(hostile)
    budget = BudgetSettings(
        size="2MB", memory="8MB", latency_p50="2ms" if ship else "0.5ms", keep_accuracy=0.97, min_accuracy=0.8
    )
    kept = found.retention.kept if found.retention else None
    measured = Measurements(1_912_320, 3_650_000, 0.84, 1.21, kept, found.accuracy.accuracy)
    return Report(
        name=f"smart-home{hostile}",
        task="classify",
        verdict=judge(budget, measured),
        package=PackageFacts(
            f"smart-home{hostile}.gguf", "9f2c" * 16, 1_912_320, "bert", 1_790_000, 2, 192, 2_411, 64, "q8_0", 1.1
        ),
        neighbours=_neighbours(found),
        costs=(
            Cost("this file", 1, 118.0, 6.2, latency(0.84), None, 38_900_000, 3_650_000, 1_912_320),
            Cost("this file, all cores", 0, 121.0, 6.4, latency(0.57), None, 39_000_000, 3_700_000, 1_912_320),
            Cost("teacher", 1, 5230.0, 810.0, latency(12.4), None, 512_000_000, 212_000_000, 90_868_376),
            Cost(
                "teacher, quantised in our engine",
                1,
                131.0,
                14.0,
                latency(4.9),
                None,
                64_000_000,
                29_000_000,
                24_300_000,
            ),
            Cost("TF-IDF + linear SVM", 1, 1900.0, 60.0, latency(0.61), None, 141_000_000, 11_000_000, None),
        ),
        data=DataSummary(
            {"train": 12_000, "validation": 1_200, "test": 900, "out_of_scope": 120},
            18,
            {"empty text": 3, f"no label{hostile}": 2},
            (Leakage("train", "test", 14, 14),),
            (f"2 labels have fewer than 10 rows{hostile}",) if hostile else (),
        ),
        machine=MACHINE,
        quality=found,
        training=(_curve("teacher", 1_400, 0.955), _curve(f"student{hostile}", 4_000, 0.948)),
        compression=(
            CompressionStep("teacher", 90_868_376, 90_868_376, "6 layers, width 384, float32"),
            CompressionStep("keep 2 layers", 90_868_376, 62_400_000, "layers 0 and 5"),
            CompressionStep("trim vocabulary", 62_400_000, 7_160_000, "30 522 to 2 411 tokens"),
            CompressionStep(f"round to q8_0{hostile}", 7_160_000, 1_912_320),
        ),
        build=(
            BuildStage("data", 1.4, 1.3, 210_000_000),
            BuildStage("teacher", 96.2, 188.0, 1_450_000_000, reused=True),
            BuildStage("soft_targets", 14.8, 28.7, 900_000_000),
            BuildStage("student", 131.0, 255.0, 1_310_000_000),
            BuildStage("package", 0.9, 0.9, 820_000_000),
            BuildStage(f"evaluate{hostile}", 41.5, 60.0, 640_000_000),
        ),
        provenance={"recipe": "5d41402abc4b2a76", "seed": "0", "data": f"c0ffee00c0ffee00{hostile}"},
        notes=(f"a note{hostile}",) if hostile else (),
        created_at="2026-01-02 03:04 UTC",
    )


def language_report() -> Report:
    """A whole report of a language model."""
    base = classifier_report()
    speed = GenerationSpeed(32, 63, 8_900.0, 1_240.0)
    return Report(
        name="shakespeare",
        task="generate",
        verdict=judge(None, Measurements()),
        package=PackageFacts(
            "shakespeare.gguf", "ab12" * 16, 6_400_000, "llama", 10_700_000, 6, 256, 2_048, 256, "q4_0"
        ),
        neighbours=(
            Neighbour(
                "this file",
                "package",
                bits_per_byte=2.04,
                size_bytes=6_400_000,
                decode_tokens_per_second=1_240,
                added_rss_bytes=9_000_000,
            ),
            Neighbour("byte 4-gram", "ngram", bits_per_byte=2.55, size_bytes=2_334_060, note="interpolated, same text"),
        ),
        costs=(Cost("this file", 1, 140.0, 8.0, None, speed, 44_000_000, 9_000_000, 6_400_000),),
        data=DataSummary({"train": 1_003_854, "validation": 55_770, "test": 55_770}, 0, {}, ()),
        machine=base.machine,
        language=LanguageQuality(
            LanguageScore(19_999, 61_234, 46.3, 2.04),
            LanguageScore(19_999, 61_234, 45.1, 2.03),
            4,
            2.55,
            (Sample("ROMEO:\n", "What light is this that breaks upon the hour,\nAnd speaks no word?"),),
        ),
        training=(TrainingCurve("student", "bits per byte", base.training[1].points),),
        build=base.build,
    )
