"""What a recipe may say about training.

Enters: the ``distill`` and ``finetune`` parts of a recipe. Leaves: checked, frozen settings.
Not here: the loop (loop.py). Seed and threads belong to the whole recipe and are passed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from smallwright.train.options import LoopOptions

if TYPE_CHECKING:
    from smallwright.train.objectives import Objective

ObjectiveName = Literal["cross_entropy", "soft_targets", "shared_vocabulary", "universal_logit", "aligned_likelihood"]
CROSS_TOKENIZER = ("shared_vocabulary", "universal_logit", "aligned_likelihood")
"""Objectives of a teacher that reads other tokens than its student; the table itself needs torch."""
DivergenceName = Literal["forward", "reverse", "skewed_forward", "skewed_reverse", "jensen_shannon"]


class TrainSettings(BaseModel):
    """How a model learns. The defaults fine-tune a small pretrained encoder on a few thousand short texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=5, ge=1, le=100_000, description="times over the data")
    max_steps: int | None = Field(
        default=None, ge=1, description="end after so many optimizer steps; None: epochs decide"
    )
    learning_rate: float = Field(default=2e-4, gt=0, le=1, description="highest learning rate")
    optimizer: Literal["adamw", "muon"] = Field(
        default="adamw", description="muon: for the layers' matrices, which from scratch learn faster with it"
    )
    beta2: float = Field(
        default=0.999, ge=0, lt=1, description="memory of AdamW's squared gradients; 0.95 suits few steps"
    )
    head_scale: float = Field(default=5.0, gt=0, le=1000, description="the heads learn so many times faster")
    layer_decay: float = Field(default=1.0, gt=0, le=1, description="each layer's rate over that of the layer above it")
    batch_size: int = Field(default=32, ge=1, le=65_536, description="texts (or blocks of tokens) in a batch")
    accumulate: int = Field(default=1, ge=1, le=65_536, description="batches summed to one optimizer step")
    warmup_fraction: float = Field(default=0.1, ge=0, le=1, description="share of the steps in which the rate rises")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        default="linear", description="how the rate falls to zero"
    )
    weight_decay: float = Field(default=0.01, ge=0, le=10, description="decoupled decay of matrices (not of tables)")
    clip_norm: float | None = Field(default=1.0, gt=0, description="largest gradient norm; None: no clipping")
    dropout: float | None = Field(default=0.1, ge=0, lt=1, description="dropout probability; None: the model's own")
    token_dropout: float = Field(
        default=0.0, ge=0, lt=1, description="classify: chance of leaving out each token, drawn anew at each reading"
    )
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of each label spread over all classes")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of matrix products; auto: bfloat16 where the CPU has AVX-512 BF16 or AMX"
    )
    patience: int | None = Field(default=None, ge=1, description="validations without a better score before the end")
    validate_every: int | None = Field(default=None, ge=1, description="steps between validations; None: each epoch")
    checkpoint_seconds: float = Field(default=60.0, gt=0, description="most work that a kill can lose")

    def loop_options(self, *, seed: int, threads: int | None = None) -> LoopOptions:
        """These settings as the loop's plain options."""
        names = LoopOptions.__dataclass_fields__.keys() & type(self).model_fields.keys()
        return LoopOptions(**{name: getattr(self, name) for name in names}, seed=seed, threads=threads)

    def make_objective(self) -> Objective:
        """Cross-entropy with the labels."""
        from smallwright.train.objectives import make_objective

        return make_objective(("cross_entropy",), label_smoothing=self.label_smoothing)


class MatchSettings(BaseModel):
    """What a student copies from inside its teacher, which then runs beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden_states: float = Field(
        default=1.0, ge=0, le=1000, description="weight of the relative error of hidden states; 0: off"
    )
    attention_relations: float = Field(
        default=0.0, ge=0, le=1000, description="weight of how tokens relate in attention (MiniLMv2); 0: off"
    )
    layers: tuple[tuple[int, int], ...] | None = Field(
        default=None,
        min_length=1,
        description="pairs of layers, the student's and the teacher's, whose hidden states are compared; None: each of "
        "the student's, spread evenly",
    )
    relation_layers: tuple[int, int] | None = Field(
        default=None, description="the pair whose relations are compared; None: the last of both"
    )

    @model_validator(mode="after")
    def _copies_something(self) -> MatchSettings:
        if not (self.hidden_states or self.attention_relations):
            raise ValueError(
                "distill.match must copy something. Got hidden_states: 0 and attention_relations: 0. Give one a "
                "weight, or leave match out"
            )
        return self


class MixingSchedule(BaseModel):
    """A share that moves in a straight line over a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: float = Field(default=0.0, ge=0, le=1, description="share at the first step")
    end: float = Field(default=1.0, ge=0, le=1, description="share at the last step")

    @model_validator(mode="after")
    def _moves(self) -> MixingSchedule:
        if self.start == self.end:
            raise ValueError(
                f"a schedule moves from one share to another. Got {self.start:g} twice. Use two, or a plain share"
            )
        return self


OwnTexts = Annotated[
    Annotated[float, Field(ge=0, le=1), Tag("a share")] | Annotated[MixingSchedule, Tag("MixingSchedule")],
    Discriminator(lambda given: "MixingSchedule" if isinstance(given, (dict, MixingSchedule)) else "a share"),
]


class DistilSettings(TrainSettings):
    """How a student learns from its teacher and the labels. The defaults suit a student of a few million weights."""

    epochs: int = Field(
        default=20,
        ge=0,
        le=100_000,
        description="times over the data; 0: a student made from its teacher is stored as it is",
    )
    learning_rate: float = Field(default=5e-4, gt=0, le=1, description="highest learning rate")
    head_scale: float = Field(default=1.0, gt=0, le=1000, description="the heads learn so many times faster")
    objectives: tuple[ObjectiveName, ...] = Field(default=("soft_targets",), min_length=1, description="summed losses")
    temperature: float = Field(default=2.0, gt=0, le=100, description="softens both distributions of soft_targets")
    transfer_rows: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="classify: texts made of the training texts' words, on which the student hears only the teacher",
    )
    weight: float = Field(default=0.9, ge=0, le=1, description="of soft_targets against cross-entropy with the label")
    divergence: DivergenceName = Field(default="forward", description="of soft_targets: see train/divergences.py")
    skew: float = Field(default=0.1, gt=0, lt=1, description="share of the other side in divergences that mix both")
    tail: bool = Field(
        default=False, description="generate: all tokens beside the teacher's best are one more class of soft_targets"
    )
    top: int = Field(
        default=32,
        ge=1,
        le=256,
        description="generate: how many of the teacher's likeliest tokens are kept at each position; four bytes each",
    )
    balance: Literal["fixed", "uncertainty"] = Field(
        default="fixed",
        description="fixed: losses count as their weights say; uncertainty: each by its weight over its own mean size",
    )
    answers: Literal["kept", "online"] = Field(
        default="kept", description="kept: asked for once, on disk; online: the teacher stays beside the student"
    )
    match: MatchSettings | None = Field(
        default=None, description="copy from inside the teacher; None: its answers only"
    )
    own_texts: OwnTexts = Field(
        default=0.0,
        description="generate: share of the steps, 0 to 1, on text that the student wrote itself and the teacher "
        "judges; {start, end}: it moves from one to the other over the run",
    )
    targets: Literal["data", "teacher", "both"] = Field(
        default="data",
        description="generate, prompts: whose completions the student learns: the rows', those that its teacher writes "
        "for the same prompts, or both",
    )

    @property
    def keeps_answers(self) -> bool:
        """Whether the teacher is asked once, before the student learns."""
        return self.answers == "kept" and not self.own_texts

    @property
    def crosses_tokenizers(self) -> bool:
        """Whether an objective is for a teacher that reads other tokens."""
        return any(name in CROSS_TOKENIZER for name in self.objectives)

    @property
    def needs_teacher_beside(self) -> bool:
        """Whether the teacher's network runs while the student learns."""
        return self.match is not None or not self.keeps_answers

    @property
    def described(self) -> dict[str, Any]:
        """What names a stage: a key that came later counts where it is given, so that older students are found."""
        # ``top`` names the answers, which name the stages that learn from them.
        later = {"balance", "top"} if self.balance == "fixed" else {"top"}
        return self.model_dump(mode="json", exclude={"checkpoint_seconds", *later})

    @property
    def hears_top(self) -> bool:
        """Whether an objective learns from the teacher's likeliest tokens."""
        return any(name not in ("cross_entropy", "aligned_likelihood") for name in self.objectives)

    def list_losses(self, *, has_teacher: bool) -> list[str]:
        """The losses that a student's sum has, by name, each once."""
        names = []
        for name in self.objectives:
            if name == "cross_entropy" or not has_teacher:
                names.append("cross_entropy")
                continue
            names += [name] if self.weight > 0 else []
            names += ["cross_entropy"] if self.weight < 1 or name in CROSS_TOKENIZER else []
        if self.match is not None and has_teacher:
            names += ["hidden_states"] if self.match.hidden_states else []
            names += ["attention_relations"] if self.match.attention_relations else []
        return list(dict.fromkeys(names))

    def make_student_objective(self, *, has_teacher: bool) -> Objective:
        """The sum of the objectives; without a teacher, those that need one give way to cross-entropy."""
        from smallwright.train.objectives import OBJECTIVES, make_objective

        names = tuple(name for name in self.objectives if has_teacher or not OBJECTIVES[name].needs_teacher)
        return make_objective(
            names or ("cross_entropy",),
            balance=self.balance,
            temperature=self.temperature,
            weight=self.weight,
            label_smoothing=self.label_smoothing,
            divergence=self.divergence,
            skew=self.skew,
            tail=self.tail,
        )
