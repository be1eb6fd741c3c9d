"""The recipe: one YAML document that says everything a build does, made of each room's own settings.

Enters: a YAML file (or a mapping) and ``key=value`` overrides. Leaves: a frozen, fully checked ``Recipe``.
Not here: defaults and ranges, which stand beside the code that uses them; running anything (pipeline/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from smallwright.compress.settings import QuantizeSettings, TrainCodesSettings
from smallwright.compress.sparsifying.settings import HealSettings, SparsifySettings
from smallwright.compress.steps import CompressStep
from smallwright.compress.student import StudentSettings
from smallwright.data.settings import DataSettings
from smallwright.errors import RecipeError
from smallwright.evaluate.settings import BudgetSettings, EvaluateSettings
from smallwright.recipe_text import apply_override, copy_tree, expand, explain
from smallwright.spec.formats import has_zero
from smallwright.task import PromptSettings, TaskSettings
from smallwright.teacher.endpoint_settings import CLASSIFIERS_ONLY
from smallwright.teacher.settings import AnyTeacherSettings
from smallwright.tokenizer.settings import TokenizerSettings
from smallwright.train.settings import DistilSettings


class Recipe(BaseModel):
    """A whole build. Only ``name``, ``task`` and ``data`` are required.

    Without a ``teacher`` the student learns from the data alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the output folder and the package")
    task: TaskSettings
    data: DataSettings
    teacher: AnyTeacherSettings | None = None
    tokenizer: TokenizerSettings = TokenizerSettings()
    student: StudentSettings = StudentSettings()
    distill: DistilSettings = DistilSettings()
    compress: tuple[CompressStep, ...] = Field(default=(QuantizeSettings(),), max_length=2)
    budget: BudgetSettings = BudgetSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    seed: int = Field(default=0, ge=0, lt=2**31)
    threads: int | None = Field(default=None, ge=1, description="cores used for training; None: all of this process")

    _root: Path = PrivateAttr(default=Path())

    @property
    def root(self) -> Path:
        """The folder that relative paths in the recipe start from: the recipe file's own."""
        return self._root

    @property
    def answers_prompts(self) -> bool:
        """Whether rows are prompts with completions, rather than texts."""
        return self.data.train.fields.prompt is not None

    @property
    def quantize(self) -> QuantizeSettings:
        """How weights are stored; without such a step they stay float32, or dropped ones would save nothing: sparse."""
        found = next((step for step in self.compress if isinstance(step, QuantizeSettings)), None)
        return found or QuantizeSettings(format="f32" if self.sparsify is None else "q4_sparse")

    @property
    def sparsify(self) -> SparsifySettings | None:
        """Which weights are dropped before that; None: none."""
        return next((step for step in self.compress if isinstance(step, SparsifySettings)), None)

    @property
    def corrects_biases(self) -> bool:
        """Whether compression gives every linear layer a bias, by which its mean output is kept."""
        return self.quantize.correct_bias or (self.sparsify is not None and self.sparsify.correct_bias)

    @property
    def hears_teacher_alone(self) -> bool:
        """Whether there are texts without labels, on which only the teacher speaks."""
        data = self.data
        return self.distill.transfer_rows > 0 or data.unlabelled is not None or data.labels_per_class is not None

    def read_schema(self) -> str | None:
        """The task's JSON schema as compact text, keys in the order they were given; None where there is none.

        Raises:
            RecipeError: the file is missing or no JSON object, or the schema does not compile.
        """
        return self.task.read_schema(self.root)

    @field_validator("compress", mode="before")
    @classmethod
    def _one_step_alone(cls, given: Any) -> Any:
        return (given,) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _parts_agree(self) -> Recipe:
        if self.task.prompt != PromptSettings() and not self.answers_prompts:
            raise ValueError("task.prompt needs rows with data.train.fields.prompt and completion. Leave it out")
        if self.task.answer_schema is not None and not (self.task.kind == "generate" and self.answers_prompts):
            raise ValueError(
                "task.schema needs kind: generate, and rows with data.train.fields.prompt and completion. Name them"
            )
        if self.student.source == "teacher" and self.teacher is None:
            raise ValueError("student.from: teacher needs a teacher. Add one, or use student: {from: scratch}")
        if self.student.source == "teacher" and self.teacher is not None and self.teacher.load != "float32":
            raise ValueError(
                f"student.from: teacher takes its teacher's float32 weights. Got teacher.load: {self.teacher.load}. "
                "Leave load out, or use student: {from: scratch}"
            )
        if self.tokenizer.kind == "teacher" and self.teacher is None:
            raise ValueError("tokenizer.kind: teacher needs a teacher. Add one, or use tokenizer: {kind: train}")
        if self.task.kind == "generate" and self.tokenizer.kind == "train" and self.tokenizer.model != "bpe":
            raise ValueError("tokenizer.model: wordpiece forgets case and spaces, which text needs. Use model: bpe")
        learners = [self.distill, *([self.teacher.finetune] if self.teacher and self.teacher.finetune else [])]
        if self.task.kind == "generate" and any(settings.token_dropout > 0 for settings in learners):
            raise ValueError("token_dropout is for task.kind: classify. Leave it out")
        if self.data.unlabelled is not None and self.task.kind == "generate":
            raise ValueError("data.unlabelled is for task.kind: classify. Leave it out, or add its texts to data.train")
        if self.data.unlabelled is not None and self.teacher is None:
            raise ValueError("data.unlabelled needs a teacher, whom the student hears there. Add one, or leave it out")
        if self.distill.transfer_rows and (self.task.kind == "generate" or self.teacher is None):
            raise ValueError("distill.transfer_rows needs task.kind: classify and a teacher. Leave it out, or add one")
        asks_prompts = self.task.kind == "generate" and self.answers_prompts
        if self.distill.targets != "data" and (self.teacher is None or not asks_prompts):
            raise ValueError(
                f"distill.targets: {self.distill.targets} needs kind: generate, a teacher, and rows with "
                "data.train.fields.prompt and completion. Leave it out, or add them"
            )
        self._check_augment()
        self._check_idle()
        self._check_tokenizers()
        self._check_tutoring()
        self._check_balance()
        self._check_top()
        self._check_offer()
        self._check_compress()
        if self.task.kind == "generate" and self.teacher is not None and self.teacher.ensemble is not None:
            raise ValueError("teacher.ensemble is for task.kind: classify. Leave it out")
        if self.task.kind == "generate" and (self.student.bigrams or (self.teacher and self.teacher.bigrams)):
            raise ValueError("bigrams are for task.kind: classify. Leave them out")
        if self.student.source == "scratch" and self.distill.epochs == 0:
            raise ValueError("distill.epochs: 0 keeps a student as it is, and one from scratch knows nothing. Use more")
        self._check_cuts()
        if self.student.positions and (self.student.source == "scratch" or self.task.kind == "generate"):
            raise ValueError("student.positions is for from: teacher and task.kind: classify. Use student.context")
        if self.student.source == "teacher" and self.student.bigrams:
            raise ValueError("student.bigrams is for from: scratch. Leave it out")
        return self

    def _check_cuts(self) -> None:
        student = self.student
        if student.source == "scratch" and (student.width or student.feedforward):
            raise ValueError("student.width and feedforward are for from: teacher. Choose another preset instead")
        if student.correct_bias and not (student.width or student.feedforward):
            raise ValueError("student.correct_bias is for a width or feedforward below the teacher's. Leave it out")
        if student.source == "scratch" and (student.layers is not None or student.cuts > 1):
            raise ValueError("student.layers and progressive are for from: teacher. Choose another preset instead")
        most = 0 if self.distill.epochs == 0 else self.distill.max_steps or student.cuts
        if student.cuts > max(1, most):
            raise ValueError(
                "student.progressive needs a training step for each cut, and fewer are in distill.epochs or max_steps. "
                "Use fewer cuts, or more steps"
            )

    def _check_idle(self) -> None:
        """Refuse what would change nothing. A default that is written out is no wish."""
        if self.distill.tail and self.task.kind == "classify":
            raise ValueError(
                "distill.tail is for task.kind: generate: a classifier hears of all classes. Got true. Leave it out"
            )
        # What learns later hears the student's own answers, which these keys are of then.
        later = (self.sparsify.heal if self.sparsify else None, self.quantize.train)
        if self.teacher is not None or any(later):
            return
        for name in ("temperature", "divergence", "skew", "tail"):
            wish = getattr(self.distill, name)
            if wish != type(self.distill).model_fields[name].default:
                raise ValueError(
                    f"distill.{name} is of what a teacher says. Got {name}: {str(wish).lower()} and no teacher. Leave "
                    "it out, or add a teacher"
                )

    def _check_augment(self) -> None:
        if self.data.augment is None or self.task.kind == "classify":
            return
        if not self.answers_prompts:
            raise ValueError("data.augment needs labels, or rows with data.train.fields.prompt. Leave it out")
        if self.data.augment.mixing:
            raise ValueError("data.augment.mixing is for task.kind: classify. Leave it out")

    def _check_compress(self) -> None:
        methods = [step.method for step in self.compress]
        if methods not in ([], ["sparsify"], ["quantize"], ["sparsify", "quantize"]):
            raise ValueError(
                "compress has at most one step of each method, sparsify before quantize: codes are chosen for what is "
                f"kept. Got {', '.join(methods)}. Put them so"
            )
        sparsify, format = self.sparsify, self.quantize.format
        if format == "q4_sparse" and sparsify is None:
            raise ValueError(
                "format: q4_sparse stores a bit for every weight and codes for kept ones. Got no sparsify step, so "
                "that all are kept. Add {method: sparsify, ...} before it, or use q4_0"
            )
        if sparsify is not None and format not in ("mixed", "chosen") and not has_zero(format):
            raise ValueError(
                f"dropped weights are 0, which {format} has no code for: they would come back. Use q4_sparse, or a "
                "dense format that has one"
            )
        train = self.quantize.train
        if sparsify is not None and train is not None and train.parameters == "all" and format != "q4_sparse":
            raise ValueError(
                f"training through the codes of {format} would bring dropped weights back. Use format: q4_sparse, or "
                "train.parameters: biases"
            )
        self._check_later_lessons("compress.heal.from", "dense", sparsify.heal if sparsify else None)
        self._check_later_lessons("compress.train.from", "unquantized", train)

    def _check_later_lessons(self, place: str, other: str, wish: HealSettings | TrainCodesSettings | None) -> None:
        if wish is None or wish.source != "teacher":
            return
        heard = any(name != "cross_entropy" for name in self.distill.objectives)
        if self.teacher is None or not heard or self.distill.needs_teacher_beside:
            raise ValueError(
                f"{place}: teacher needs a teacher whose kept answers the student learns. Got none. Use "
                f"from: {other}, or a teacher with distill.objectives: [soft_targets] and answers: kept"
            )

    def _check_offer(self) -> None:
        """Refuse what a teacher does not offer."""
        if self.teacher is None or self.teacher.offer.network:
            return
        kind, wish = f"teacher.from: {self.teacher.source}", self.distill
        if self.task.kind == "generate":
            if wish.targets == "data" or wish.objectives != ("cross_entropy",):
                raise ValueError(
                    f"{kind} gives a generator text, no logits. Use distill: {{targets: teacher, objectives: "
                    "[cross_entropy]}, with rows of prompts and completions, or a teacher from: hf"
                )
            given = self.teacher.model_fields_set & CLASSIFIERS_ONLY
            if given:
                raise ValueError(f"teacher.{min(given)} is for task.kind: classify. Leave it out")
        if self.student.source == "teacher":
            raise ValueError(f"student.from: teacher needs a network, which {kind} is not. Use from: scratch")
        if self.tokenizer.kind == "teacher":
            raise ValueError(f"tokenizer.kind: teacher needs a network, which {kind} is not. Use kind: train")
        if wish.needs_teacher_beside:
            raise ValueError(
                f"distill.match and distill.answers: online need a network, which {kind} is not. Leave them out"
            )

    def _check_tokenizers(self) -> None:
        network = self.teacher is not None and self.teacher.offer.network
        theirs = "teacher" if self.teacher is not None and self.teacher.path is not None else "train"
        if network and self.tokenizer.kind == "teacher" and theirs == "train":
            raise ValueError(
                "tokenizer.kind: teacher needs a teacher with a path: one from scratch learns to read the student's "
                "tokens. Use tokenizer: {kind: train}"
            )
        if network and self.student.source == "teacher" and self.tokenizer.kind != theirs:
            raise ValueError(f"a student made from the teacher keeps its tokenizer. Use tokenizer: {{kind: {theirs}}}")
        asked, crosses = f"distill.objectives: {', '.join(self.distill.objectives)}", self.distill.crosses_tokenizers
        given = self.teacher is not None and self.teacher.path is not None
        apart = given and self.task.kind == "generate" and self.tokenizer.kind == "train"
        if crosses and (not apart or self.answers_prompts):
            needs = "kind: generate, whole texts, teacher.path and tokenizer: {kind: train}"
            raise ValueError(f"{asked} needs {needs}: a teacher with other tokens. Use soft_targets, or add them")
        if apart and (not crosses or "soft_targets" in self.distill.objectives):
            raise ValueError(
                "a teacher of language with a path answers in its own tokens, not in those of tokenizer.kind: train. "
                f"Got {asked}. Use objectives: [shared_vocabulary], or tokenizer: {{kind: teacher}}"
            )

    def _check_tutoring(self) -> None:
        if not self.distill.needs_teacher_beside:
            return
        why = "distill.match, distill.answers: online and distill.own_texts"
        if self.teacher is None:
            raise ValueError(f"{why} need a teacher. Add one, or leave them out")
        if self.teacher.path is not None and self.tokenizer.kind == "train":
            raise ValueError(f"{why} need a teacher that reads the student's tokens. Use tokenizer: {{kind: teacher}}")
        if self.teacher.ensemble is not None and self.distill.answers == "online":
            raise ValueError("an ensemble's answers are kept. Leave out distill.answers: online")
        if self.distill.own_texts and (self.task.kind == "classify" or self.answers_prompts):
            raise ValueError("distill.own_texts needs task.kind: generate and whole texts. Leave it out")

    def _check_top(self) -> None:
        wish = self.distill
        if wish.top == type(wish).model_fields["top"].default:
            return
        if self.task.kind == "classify" or self.teacher is None or not (wish.keeps_answers and wish.hears_top):
            raise ValueError(
                f"distill.top: {wish.top} needs kind: generate and a teacher's kept answers. Got none. "
                "Leave it out, or use a teacher with distill.objectives: [soft_targets] and answers: kept"
            )
        if wish.top == 1 and not wish.tail and wish.objectives != ("universal_logit",):
            raise ValueError(
                "a divergence over one token is always 0. Got distill.top: 1 without tail. Use tail: true, or keep more"
            )

    def _check_balance(self) -> None:
        losses = self.distill.list_losses(has_teacher=self.teacher is not None)
        if self.distill.balance != "fixed" and len(losses) < 2:
            raise ValueError(
                f"distill.balance: {self.distill.balance} needs two losses or more to balance. Got {losses[0]} alone. "
                "Leave it out, or add another with distill.weight, objectives or match"
            )

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
        """Read a recipe file.

        Args:
            path: a YAML file. ``${NAME}`` in any string is replaced by that environment variable, and a string
                ``python:package/folder`` by that folder inside an installed Python package.
            overrides: ``key.sub=value`` strings; the value is read as YAML.

        Raises:
            RecipeError: the file is missing or not YAML; a key is unknown; a value does not fit; a variable is not set.
        """
        path = Path(path)
        if not path.is_file():
            raise RecipeError(f"a recipe must be a readable YAML file. Got {path}, which is not there. Check the path.")
        try:
            text = path.read_text(encoding="utf-8")
            document = yaml.safe_load(text)
        except UnicodeDecodeError as error:
            raise RecipeError(
                f"a recipe must be UTF-8 text. Got byte {error.start} of {path}. Save it as UTF-8."
            ) from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f"{path}, line {mark.line + 1}" if mark else str(path)
            problem = getattr(error, "problem", None) or "unreadable"
            raise RecipeError(f"a recipe must be valid YAML. Got: {problem} in {place}. Mend that line.") from error
        return cls.from_mapping(document, root=path.parent, overrides=overrides, place=str(path), text=text)

    @classmethod
    def from_mapping(
        cls,
        document: object,
        *,
        root: Path = Path(),
        overrides: Sequence[str] = (),
        place: str = "recipe",
        text: str | None = None,
    ) -> Recipe:
        """Check a recipe that is already a mapping. See ``load`` for the arguments and errors."""
        if not isinstance(document, Mapping):
            raise RecipeError(f"a recipe must be a mapping of keys. Got {type(document).__name__} in {place}.")
        tree = copy_tree(document)
        for override in overrides:
            apply_override(tree, override)
        tree = expand(tree, place)
        try:
            recipe = cls.model_validate(tree)
        except ValidationError as error:
            raise RecipeError(explain(error, cls, place, text)) from error
        recipe._root = root
        return recipe

    def to_yaml(self) -> str:
        """The recipe with every default written out; loading it gives an equal recipe."""
        return yaml.safe_dump(self.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True)
