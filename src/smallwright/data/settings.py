"""What a recipe may say about data.

Enters: the ``data`` part of a recipe. Leaves: frozen, checked settings.
Not here: reading anything; ``${NAME}`` is already expanded when these are made.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Format = Literal["jsonl", "csv", "tsv", "parquet", "folder", "text", "lines"]


class FieldSettings(BaseModel):
    """Under which name a source keeps each part of a row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field("text", min_length=1, description="Field or column that holds the text.")
    label: str = Field("label", min_length=1, description="Field or column that holds the class.")
    prompt: str | None = Field(
        None, min_length=1, description="generate only: field of the prompt; with completion it stands in for text."
    )
    completion: str | None = Field(None, min_length=1, description="generate only: field of the completion.")

    @model_validator(mode="after")
    def _both_or_none(self) -> FieldSettings:
        if (self.prompt is None) != (self.completion is None):
            raise ValueError("prompt and completion must be given together")
        return self


class SourceSettings(BaseModel):
    """One or several files, or folders of text. In a recipe a plain string stands for ``{path: string}``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: tuple[str, ...] = Field(
        min_length=1, description="File or folder, or a list of them; relative to the recipe's folder."
    )
    format: Format | None = Field(None, description="None: by the file's extension; a folder is a folder of texts.")
    fields: FieldSettings = Field(FieldSettings(), description="Names of the fields in the source.")
    labels: dict[str, str] | None = Field(
        None,
        description="Class names by the source's values, for example {0: bearish}. Rows with other values are "
        "rejected. None: the values are the names.",
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str | list | tuple) else value

    @field_validator("path", mode="before")
    @classmethod
    def _accept_string(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("labels", mode="before")
    @classmethod
    def _keys_as_text(cls, value: Any) -> Any:
        # YAML reads {0: bearish} with a number as key.
        return {_key_text(key): name for key, name in value.items()} if isinstance(value, dict) else value


def _key_text(key: Any) -> Any:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key) if isinstance(key, int) else key


class AugmentSettings(BaseModel):
    """Variants of the training rows that keep their label (or completion), made once: see augment.py."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    copies: int = Field(2, ge=1, le=1000, description="Variants of each training row.")
    typos: float = Field(0.05, ge=0, le=1, description="Chance that a word is misspelt.")
    casing: float = Field(0.1, ge=0, le=1, description="Chance of small letters, capitals or a capital first.")
    dropping: float = Field(0.1, ge=0, lt=1, description="Chance that a word is left out.")
    mixing: float = Field(
        0.0, ge=0, le=1, description="classify only: chance of another end, that of a text of the same class."
    )

    @model_validator(mode="after")
    def _changes_something(self) -> AugmentSettings:
        if not (self.typos or self.casing or self.dropping or self.mixing):
            raise ValueError("data.augment must change something. Give typos, casing, dropping or mixing a chance")
        return self


class DataSettings(BaseModel):
    """The ``data`` part of a recipe. Only ``train`` must be given; what is missing is split off from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: SourceSettings = Field(description="Rows to learn from.")
    validation: SourceSettings | None = Field(None, description="Rows to choose by. None: split off from train.")
    test: SourceSettings | None = Field(None, description="Rows to measure on. None: split off from train.")
    unlabelled: SourceSettings | None = Field(
        None, description="classify only: texts that nobody labelled, on which the student hears only its teacher."
    )
    labels_per_class: int | None = Field(
        None,
        ge=1,
        description="classify only: keep the labels of so many training rows a class; the others are unlabelled then.",
    )
    out_of_scope: SourceSettings | None = Field(None, description="classify only: texts that belong to no class.")
    out_of_scope_label: str | None = Field(
        None, min_length=1, description="classify only: rows with this label, in any source, are out of scope."
    )
    validation_fraction: float = Field(0.1, ge=0, lt=1, description="Share of train, where validation is not given.")
    test_fraction: float = Field(0.1, ge=0, lt=1, description="Share of train, where test is not given.")
    on_leak: Literal["report", "drop", "refuse"] = Field(
        "drop",
        description="A text of train or validation that stands in test too (or of train in validation): only report; "
        "drop it from the former, so that test stays as given; or refuse the data.",
    )
    augment: AugmentSettings | None = Field(
        None,
        description="More training rows: variants of those that are there. None: none. Validation and test stay.",
    )
    max_rows: int | None = Field(None, ge=1, description="At most this many training rows, classes in proportion.")
    seed: int = Field(0, ge=0, lt=2**63, description="Decides the splits, together with the rows' contents.")

    @model_validator(mode="after")
    def _leaves_train(self) -> DataSettings:
        validation = self.validation_fraction if self.validation is None else 0.0
        test = self.test_fraction if self.test is None else 0.0
        paired = {
            source.fields.prompt is not None
            for source in (self.train, self.validation, self.test)
            if source is not None
        }
        if len(paired) > 1:
            raise ValueError("prompt and completion must be named for every source, or for none")
        if validation + test >= 1:
            raise ValueError(
                f"validation_fraction + test_fraction must be below 1, else nothing is left to learn from. "
                f"Got {validation} + {test}"
            )
        return self
