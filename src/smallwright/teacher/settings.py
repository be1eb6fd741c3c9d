"""What a recipe may say about its teacher: a network on disk; or a server that is asked (endpoint_settings.py), or a
package (package_settings.py).

Enters: the ``teacher`` part of a recipe. Leaves: checked, frozen settings.
Not here: loading and fine-tuning (fit.py), asking (asking.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from smallwright.spec import MOST_BIGRAMS
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.offer import Offer
from smallwright.teacher.package_settings import PackageSettings
from smallwright.train.settings import TrainSettings

FROM_SCRATCH = {"epochs": 20, "learning_rate": 1e-3, "head_scale": 1.0, "weight_decay": 0.05}


class NetworkSettings(BaseModel):
    """Where a network comes from and whether it still has to learn the task."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: Literal["hf", "scratch"] = Field(
        default="hf",
        alias="from",
        description="hf: a Hugging Face folder on disk; scratch: a preset, trained here. (endpoint: a server that is "
        "asked; package: a file that our engine opens; they have keys of their own.)",
    )
    path: str | None = Field(default=None, description="hf: folder with config.json, model.safetensors, tokenizer.json")
    load: Literal["float32", "bfloat16", "int8"] = Field(
        default="float32",
        description="hf, used as it is: what its matrices are held as while it answers, each row of int8 with a scale; "
        "norms, biases and sums stay float32",
    )
    preset: str = Field(default="small", description="scratch: a row of model/presets.py")
    bigrams: int | None = Field(
        default=None,
        ge=1,
        le=MOST_BIGRAMS,
        description="from scratch: rows of a table of token pairs, added to the tokens' own; None: no such table",
    )
    finetune: TrainSettings | None = Field(
        default=None,
        description="hf: how to train it on the rows; None: it is a classifier of these labels, used as it is. "
        "scratch: how to train it; what is not given has defaults of its own",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_scratch(cls, value: Any) -> Any:
        source = value.get("from", value.get("source", "hf")) if isinstance(value, Mapping) else "hf"
        if source not in ("hf", "scratch"):
            raise ValueError(f"teacher.from must be hf, scratch, endpoint or package. Got {source!r}. Use one of these")
        if not isinstance(value, Mapping) or value.get("from", value.get("source")) != "scratch":
            return value
        given = value.get("finetune") or {}
        return {**value, "finetune": {**FROM_SCRATCH, **given}} if isinstance(given, Mapping) else value

    @model_validator(mode="after")
    def _parts_agree(self) -> NetworkSettings:
        if self.source == "hf" and self.path is None:
            raise ValueError("teacher.from: hf needs a path. Give the folder, or use from: scratch")
        if self.source == "scratch" and self.path is not None:
            raise ValueError("teacher.from: scratch has no path. Remove it, or use from: hf")
        if self.source == "hf" and self.bigrams is not None:
            raise ValueError("teacher.bigrams is for from: scratch. Remove it")
        if self.load != "float32" and (self.source != "hf" or self.finetune is not None):
            raise ValueError(
                f"teacher.load: {self.load} is for a checkpoint that is used as it is, for training holds float32. "
                "Leave load out, or finetune"
            )
        return self


class MemberSettings(NetworkSettings):
    """One more network of an ensemble."""

    weight: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="weights: given: its vote, where that of the teacher's first network is 1",
    )


class EnsembleSettings(BaseModel):
    """Who answers together with the teacher's network: the weighted mean of their class probabilities."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    linear: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of a TF-IDF + linear SVM fitted on the same training rows; None: 0.5 where no teachers are "
        "named, else it does not answer",
    )
    teachers: tuple[MemberSettings, ...] = Field(
        default=(), max_length=16, description="more networks; each learns from the same rows, from a seed of its own"
    )
    weights: Literal["given", "uniform", "competence"] = Field(
        default="given",
        description="given: linear's share, and the networks' weights in the rest; uniform: one vote each; competence: "
        "class by class, by the F1 of each on the validation rows",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_linear(cls, value: Any) -> Any:
        alone = isinstance(value, Mapping) and not value.get("teachers") and value.get("linear") is None
        return {**value, "linear": 0.5} if alone else value


class TeacherSettings(NetworkSettings):
    """The teacher's network, and who answers with it."""

    offer: ClassVar[Offer] = Offer(
        text=True, class_probabilities=True, top_logits=True, hidden_states=True, network=True
    )

    ensemble: EnsembleSettings | None = Field(
        default=None, description="classify: more teachers, whose answers are averaged with the network's"
    )


# What stands between angle brackets is no part of a recipe: a reader of errors leaves it out.
TEACHERS: dict[str, type[BaseModel]] = {
    "<network>": TeacherSettings,
    "<endpoint>": EndpointSettings,
    "<package>": PackageSettings,
}


def _name_kind(value: Any) -> str:
    given = value.get("from", value.get("source")) if isinstance(value, Mapping) else getattr(value, "source", None)
    return f"<{given}>" if given in ("endpoint", "package") else "<network>"


AnyTeacherSettings = Annotated[
    Annotated[TeacherSettings, Tag("<network>")]
    | Annotated[EndpointSettings, Tag("<endpoint>")]
    | Annotated[PackageSettings, Tag("<package>")],
    Discriminator(_name_kind),
]
