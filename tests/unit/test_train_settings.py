"""What recipes may say about training and teachers."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from smallwright.errors import RecipeError
from smallwright.teacher.settings import TeacherSettings
from smallwright.train.options import LoopOptions, check_options
from smallwright.train.settings import DistilSettings, TrainSettings


def test_settings_reach_the_loop() -> None:
    options = TrainSettings(epochs=3, dropout=None, patience=2).loop_options(seed=7, threads=2)
    assert (options.epochs, options.dropout, options.patience, options.seed, options.threads) == (3, None, 2, 7, 2)
    for settings in (TrainSettings(), DistilSettings()):
        given = settings.loop_options(seed=0)
        for name in LoopOptions.__dataclass_fields__.keys() - {"seed", "threads"}:
            assert getattr(given, name) == getattr(settings, name), name


def test_unknown_and_senseless_values_are_refused() -> None:
    for bad in ({"epoch": 1}, {"epochs": 0}, {"clip_norm": 0}, {"dropout": 1.0}, {"precision": "fp8"}):
        with pytest.raises(ValidationError):
            TrainSettings(**bad)
    with pytest.raises(ValidationError):
        DistilSettings(objectives=["kl"])


def test_without_a_teacher_labels_decide() -> None:
    settings = DistilSettings()
    assert "soft_targets" in settings.make_student_objective(has_teacher=True).name
    assert settings.make_student_objective(has_teacher=False).name == "cross_entropy(label_smoothing=0.0)"
    both = DistilSettings(objectives=["soft_targets", "cross_entropy"])
    assert both.make_student_objective(has_teacher=False).name == "cross_entropy(label_smoothing=0.0)"


def test_teacher_sources() -> None:
    teacher = TeacherSettings.model_validate({"from": "scratch", "finetune": {"epochs": 3}})
    assert teacher.finetune is not None
    assert (teacher.finetune.epochs, teacher.finetune.learning_rate) == (3, 1e-3)
    assert TeacherSettings.model_validate({"path": "x"}).finetune is None
    assert TeacherSettings.model_validate(teacher.model_dump(by_alias=True)) == teacher
    for bad, law in (({"from": "hf"}, "needs a path"), ({"from": "scratch", "path": "x"}, "has no path")):
        with pytest.raises(ValidationError, match=law):
            TeacherSettings.model_validate(bad)


def test_loop_options_are_checked() -> None:
    with pytest.raises(RecipeError, match=r"accumulate must be above 0. Got 0"):
        check_options(LoopOptions(accumulate=0))
    with pytest.raises(RecipeError, match=r"warmup_fraction must be from 0 to 1. Got 2"):
        check_options(LoopOptions(warmup_fraction=2))


def test_reading_settings_needs_no_torch() -> None:
    code = "import sys, smallwright.teacher.settings, smallwright.train.settings; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
