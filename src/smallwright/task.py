"""What a recipe's model is for: labels or text, the schema of its answers, the form of its prompts.

Enters: a recipe's ``task``. Leaves: frozen settings; the schema as text.
Not here: rows (data/), enforcing a schema (run/schema.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from smallwright.errors import EngineError, RecipeError
from smallwright.spec.prompt import PromptForm


class PromptSettings(BaseModel):
    """What becomes of a prompt before it is tokenised, in training and in the package alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    begin: str = Field("", max_length=200, description="stands before a prompt")
    end: str = Field("\n", max_length=200, description="stands between a prompt and its completion; may be empty")
    lowercase: bool = Field(False, description="make a prompt's letters small; completions keep their case")

    @property
    def form(self) -> PromptForm:
        """The same as a plain value."""
        return PromptForm(self.begin, self.end, self.lowercase)


class TaskSettings(BaseModel):
    """What the model is for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["classify", "generate"] = Field(description="classify: text to label; generate: text to more text")
    answer_schema: dict[str, Any] | str | None = Field(
        None,
        alias="schema",
        description="generate: a JSON schema that every answer obeys, or its file; rows need a completion",
    )
    prompt: PromptSettings = Field(PromptSettings(), description="generate: how prompts are written for the model")

    def read_schema(self, root: Path) -> str | None:
        """The JSON schema as compact text, keys in the order they were given; None where there is none.

        Args:
            root: the folder that its file's path starts from.
        Raises:
            RecipeError: the file is missing or no JSON object, or the schema does not compile.
        """
        from smallwright.run.schema import AnswerForm

        given, place = self.answer_schema, "task.schema"
        if given is None:
            return None
        if isinstance(given, str):
            path = root / Path(given).expanduser()
            place = str(path)
            try:
                given = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise RecipeError(f"task.schema must be a readable JSON file. Got: {reason} in {place}.") from error
        try:
            AnswerForm(given)
        except EngineError as error:
            raise RecipeError(f"task.schema must be a JSON schema. {error} In {place}.") from error
        return json.dumps(given, ensure_ascii=False, separators=(",", ":"))
