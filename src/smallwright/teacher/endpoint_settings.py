"""What a recipe may say about a teacher behind an OpenAI-compatible server.

Enters: the ``teacher`` part of a recipe with ``from: endpoint``. Leaves: checked, frozen settings.
Not here: requests (endpoint.py), the wording of questions (questions.py). The key of an API is never a setting: only
the name of the environment variable that holds it.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from smallwright.teacher.offer import Offer

# Narrow on purpose: what does not match could be read as one host here and as another by a library.
_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
_OF_NETWORKS = ("path", "load", "preset", "bigrams", "finetune", "ensemble")
CLASSIFIERS_ONLY = frozenset({"descriptions", "new_rows", "top_logprobs", "trust"})
"""Keys that a teacher of text has no use for."""
_OURS = ("model", "messages", "prompt", "stream", "n")


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine by its very name: ``localhost``, 127.0.0.0/8 or ::1. Nothing is resolved."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class NewRowsSettings(BaseModel):
    """Training rows that the teacher writes, from examples of a class and what its name and description say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_class: int = Field(ge=1, le=100_000, description="rows wanted of each class, beside the data's own")
    shown: int = Field(default=5, ge=0, le=100, description="training rows of the class that each request shows")
    at_once: int = Field(default=10, ge=1, le=100, description="texts that one request asks for")
    temperature: float = Field(default=1.0, ge=0, le=2, description="of the server's sampling")
    max_tokens: int = Field(default=1000, ge=1, le=100_000, description="most tokens of one answer")
    most_similar: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="a text that shares more of its words with a row than this (intersection over union) is no new one",
    )
    instruction: str = Field(
        default="Write new texts for the training of a classifier, as different people would write them.",
        min_length=1,
        max_length=10_000,
        description="what stands before the classes: say here what the texts are",
    )


class EndpointSettings(BaseModel):
    """A server that is asked for classes or for text: which one, how, and what becomes of its answers."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    offer: ClassVar[Offer] = Offer(text=True, class_probabilities=True)
    # What only a network on disk has.
    path: ClassVar[None] = None
    load: ClassVar[str] = "float32"
    bigrams: ClassVar[None] = None
    finetune: ClassVar[None] = None
    ensemble: ClassVar[None] = None

    source: Literal["endpoint"] = Field(alias="from", description="endpoint: a server that is asked over HTTP")
    url: str = Field(description="of the API, for example http://127.0.0.1:8080/v1")
    model: str = Field(min_length=1, max_length=300, description="the model's name, as the server knows it")
    api: Literal["chat", "completions"] = Field(
        default="chat", description="chat: /chat/completions; completions: /completions, for models without chat"
    )
    allow_remote: bool = Field(
        default=False, description="let training, transfer and test texts leave this machine; false: loopback only"
    )
    key_variable: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="name of the environment variable that holds the API key; None: no key is sent",
    )
    instruction: str | None = Field(
        default=None,
        min_length=1,
        max_length=10_000,
        description="classify: what stands before the classes (None: a sentence that asks for one of them); generate: "
        "what stands before each prompt (None: nothing)",
    )
    descriptions: dict[str, str] = Field(
        default={}, description="classify: a few words on classes whose names do not say enough"
    )
    examples: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="training rows shown with their labels (classes in turn) or completions in each question",
    )
    new_rows: NewRowsSettings | None = Field(
        default=None, description="classify: more training rows, written by the teacher and labelled by it again"
    )
    top_logprobs: int | None = Field(
        default=20,
        ge=1,
        le=100,
        description="classify: probabilities asked for the answer's tokens, where the classes are at most 26; None: "
        "none, the answer's text alone counts",
    )
    trust: float = Field(
        default=0.9,
        gt=0.5,
        lt=1,
        description="classify: probability of the class that an answer names, if it comes without any",
    )
    most_unread: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="share of answers that may name no class or be no whole text; with more the build refuses",
    )
    extra: dict[str, Any] = Field(
        default={}, description="more fields of each request, or null for one of ours that the server does not take"
    )
    concurrency: int = Field(default=8, ge=1, le=256, description="questions that are under way at once")
    timeout_seconds: float = Field(default=120.0, gt=0, le=86_400, description="longest wait for one answer")
    retries: int = Field(
        default=8, ge=0, le=100, description="further tries after a dropped connection or a passing refusal"
    )
    first_wait_seconds: float = Field(
        default=0.5, ge=0, le=3600, description="before the second try; doubles with each further one"
    )
    longest_wait_seconds: float = Field(default=60.0, ge=0, le=3600, description="between two tries")

    @model_validator(mode="before")
    @classmethod
    def _refuse_networks_keys(cls, value: Any) -> Any:
        given = [key for key in _OF_NETWORKS if isinstance(value, Mapping) and key in value]
        if given:
            raise ValueError(
                f"a teacher behind an endpoint is asked, not loaded: it has no {given[0]}. Remove teacher.{given[0]}, "
                "or use from: hf"
            )
        return value

    @field_validator("url")
    @classmethod
    def _read_url(cls, value: str) -> str:
        found = _URL.fullmatch(value)
        if found is None or int((found.group(3) or ":0")[1:]) > 65_535:
            raise ValueError(
                "teacher.url must be http(s)://HOST[:PORT]/PATH, without user, query or fragment. "
                "Write for example http://127.0.0.1:8080/v1"
            )
        return value.rstrip("/")

    @field_validator("extra")
    @classmethod
    def _read_extra(cls, value: dict[str, Any]) -> dict[str, Any]:
        taken = [key for key in _OURS if key in value]
        if taken:
            raise ValueError(f"teacher.extra must leave {taken[0]} alone. Remove it there")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"teacher.extra must be JSON ({error}). Quote what is not") from error
        return value

    @model_validator(mode="after")
    def _keep_private(self) -> EndpointSettings:
        if is_loopback(self.url):
            return self
        if not self.allow_remote:
            raise ValueError(
                f"texts leave this machine only if the recipe says so. Got {self.url}, which is not a loopback "
                "address. Set teacher.allow_remote: true to send them there"
            )
        if self.key_variable is not None and self.url.startswith("http://"):
            raise ValueError(
                f"a key is sent to other machines over https only. Got {self.url} with teacher.key_variable. Use "
                "https, or a tunnel on 127.0.0.1"
            )
        return self
