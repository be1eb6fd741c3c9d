"""A recipe before it is checked, and what is wrong with it: overrides, variables, and errors with their line.

Enters: mappings, lists and values from YAML; the error of a failed check. Leaves: the tree, changed; one line.
Not here: what the keys mean (recipe.py).
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from smallwright.compress.steps import STEPS
from smallwright.errors import RecipeError
from smallwright.teacher.settings import TEACHERS
from smallwright.train.settings import MixingSchedule

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_IN_PACKAGE = "python:"
_KINDS: dict[str, Any] = {**TEACHERS, **STEPS, "a share": float, "MixingSchedule": MixingSchedule}
"""What pydantic names a value by where it may be of several kinds: no key of a recipe."""


def copy_tree(value: Any) -> Any:
    """A copy whose mappings and lists may be changed."""
    if isinstance(value, Mapping):
        return {key: copy_tree(item) for key, item in value.items()}
    return [copy_tree(item) for item in value] if isinstance(value, list) else value


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Set one value in place.

    Args:
        tree: of mappings and lists.
        override: ``key.sub=value``; the value is read as YAML.
    Raises:
        RecipeError: it does not look like that, or leads nowhere.
    """
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise RecipeError(f"an override must look like key.sub=value. Got {override!r}. Example: distill.epochs=5.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"an override's value must be YAML. Got {text!r} for {key}. Quote it.") from error
    *parents, last = key.split(".")
    node: Any = tree
    for part in parents:
        node = _child(node, part, override)
    if isinstance(node, list):
        node[_index(node, last, override)] = value
    else:
        node[last] = value


def _child(node: Any, part: str, override: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, part, override)]
    child = node.setdefault(part, {})
    if not isinstance(child, (dict, list)):
        raise RecipeError(f"an override must lead to a mapping or a list. Got {part!r} in {override!r}, a plain value.")
    return child


def _index(node: list[Any], part: str, override: str) -> int:
    if not part.isdigit() or int(part) >= len(node):
        raise RecipeError(
            f"a list is entered by an index from 0 to {len(node) - 1}. Got {part!r} in {override!r}. Use a number."
        )
    return int(part)


def expand(value: Any, place: str, path: tuple[str, ...] = ()) -> Any:
    """The tree with ``${NAME}`` and ``python:package/folder`` replaced in every string.

    Raises:
        RecipeError: a variable is not set, a package is not installed.
    """
    if isinstance(value, dict):
        return {key: expand(item, place, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, place, (*path, str(index))) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    where = f"{place}: {'.'.join(path)}"
    expanded = _VARIABLE.sub(lambda match: _variable(match.group(1), where), value)
    return _folder_in_package(expanded, where) if expanded.startswith(_IN_PACKAGE) else expanded


def _variable(name: str, where: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RecipeError(
            f"an environment variable in a recipe must be set. Got none for {name} in {where}. Export it."
        )
    return str(Path(value).expanduser().absolute()) if Path(value).expanduser().exists() else value


def _folder_in_package(value: str, where: str) -> str:
    package, _, rest = value.removeprefix(_IN_PACKAGE).partition("/")
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise RecipeError(
            f"{_IN_PACKAGE}NAME/FOLDER must name an installed Python package. Got {package!r} in {where}. Install it."
        )
    return str(Path(next(iter(found.submodule_search_locations))) / rest)


def explain(error: ValidationError, document: type[BaseModel], place: str, text: str | None) -> str:
    """The first problem of a pydantic error as one line: law, value, place, remedy."""
    problems = error.errors()
    # A misspelt key is also a missing one: the misspelling is what can be mended.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    keys = [str(part) for part in first["loc"]]
    path = tuple(key for key in keys if key not in _KINDS)
    line = _line_of(text, path)
    where = f"{place}{f', line {line}' if line else ''}: {'.'.join(path)}" if path else place
    more = f" ({error.error_count() - 1} more problems after this one.)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], sorted(_known_keys(document, keys[:-1])), n=1, cutoff=0.5)
        remedy = (
            f"Did you mean {near[0]!r}?"
            if near
            else f"Known here: {', '.join(sorted(_known_keys(document, keys[:-1])))}."
        )
        return f"a recipe has only known keys. Got {path[-1]!r} in {where}. {remedy}{more}"
    if first["type"] == "missing":
        return f"a recipe must have the key {path[-1]!r}. Got none in {where}. Add it.{more}"
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    compound = isinstance(first["input"], (dict, list))
    if not path or (compound and first["type"] == "value_error"):  # our own message says what was got
        return f"{message} ({where}).{more}"
    got = type(first["input"]).__name__ if compound else first["input"]
    return f"{message}. Got {got!r} in {where}.{more}"


def _known_keys(document: type[BaseModel], path: Sequence[str]) -> set[str]:
    """The keys allowed at a place, for a suggestion; empty when the place is not a settings class."""
    model: Any = document
    for part in path:
        if part in _KINDS:
            model = _KINDS[part]
            continue
        fields = getattr(model, "model_fields", {})
        match = next((f for name, f in fields.items() if part in (name, f.alias)), None)
        if match is not None:
            model = _settings_class(match.annotation)
    return {field.alias or name for name, field in getattr(model, "model_fields", {}).items()}


def _settings_class(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _settings_class(part))), None)


def _line_of(text: str | None, path: Sequence[str]) -> int | None:
    """The line (from 1) on which the deepest part of ``path`` that exists stands in the YAML text."""
    node = yaml.compose(text) if text else None
    line = None
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == part), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
    return line
