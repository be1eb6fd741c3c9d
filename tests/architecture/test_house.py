"""The house keeps its own rules: sizes, names, docstrings, light imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src/smallwright").rglob("*.py"))
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "base", "common", "misc", "manager"}


def _functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    docstring = ast.get_docstring(node)
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_small_named_and_introduced(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.count("\n") <= 400, "split the file by reason to change"
    assert path.stem not in EMPTY_NAMES, "the name says nothing"
    if text.strip():
        assert ast.get_docstring(tree), "a module says what enters, what leaves and what is not here"
    for function in _functions(tree):
        assert _body_lines(function) <= 60, f"{function.name} is longer than 60 lines"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_functions_and_classes_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not bare


def test_native_files_stay_readable() -> None:
    for path in (ROOT / "csrc").rglob("*"):
        if path.suffix in {".cpp", ".h"}:
            assert path.read_text(encoding="utf-8").count("\n") <= 800, path.name


def _modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print('\\n'.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"torch", "typer", "rich", "pydantic", "transformers", "tokenizers", "gguf", "yaml"}


@pytest.mark.parametrize("module", ["smallwright", "smallwright.cli", "smallwright.run"])
def test_importing_is_light(module: str) -> None:
    assert not _modules_after(f"import {module}") & (HEAVY | {"numpy"})


def test_the_run_half_needs_numpy_alone() -> None:
    loaded = _modules_after("from smallwright.run import Package, Prediction")
    assert "numpy" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_recipe_parses(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from smallwright.recipe import Recipe

    monkeypatch.setenv("SMALLWRIGHT_DATA", str(tmp_path))
    overrides = ["teacher.path=teacher"] if "python:" in path.read_text(encoding="utf-8") else []
    recipe = Recipe.load(path, overrides)
    assert recipe.name == path.stem
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 25, "a recipe is read at a glance"
    again = Recipe.from_mapping(yaml.safe_load(recipe.to_yaml()), root=recipe.root)
    assert again == recipe
