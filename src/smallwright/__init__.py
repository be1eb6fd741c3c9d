"""Smallwright: teacher + domain data + device budget -> one file that runs privately on a device, measured as shipped.

``load(path)`` opens a package and answers; ``build(recipe)`` makes one. Importing this module is light: nothing heavier
than the error tree is loaded until one of them is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smallwright.errors import SmallwrightError

if TYPE_CHECKING:
    from smallwright.pipeline import BuildResult
    from smallwright.recipe import Recipe
    from smallwright.run import Package

__version__ = "0.1.0"
__all__ = ["Recipe", "SmallwrightError", "__version__", "build", "load"]


def load(path: str, *, threads: int = 0, kv_bits: int = 8, activation_bits: int = 8, in_place: bool = False) -> Package:
    """Open a package (or an ordinary GGUF of a known family).

    Args:
        path: the file.
        threads: 0 uses every core this process may use.
        kv_bits: 8, 16 or 32: precision of the key/value cache of generation.
        activation_bits: 8, or 16 (bf16) for classifiers on processors with AMX: logits nearer to float32's.
        in_place: leave the weights in the file: less memory, nothing to load, slower; the answers are the same.

    Returns:
        An object with ``classify``, ``generate`` and ``stream``.

    Raises:
        PackageError: the file is missing, truncated, altered or of an unknown kind.
        EngineError: an argument is out of range, or the model or the processor has no 16-bit activations.
    """
    from smallwright.run import load as open_package

    return open_package(path, threads=threads, kv_bits=kv_bits, activation_bits=activation_bits, in_place=in_place)


def build(recipe: Recipe | str, *, out: str = "out", overrides: tuple[str, ...] = ()) -> BuildResult:
    """Run a recipe from data to a measured package. Finished stages are not run again.

    Args:
        recipe: a ``Recipe`` or the path of a YAML file.
        out: the folder that receives ``<name>/``.
        overrides: ``key.sub=value`` strings, applied when ``recipe`` is a path.

    Raises:
        SmallwrightError: any user error; needs the ``build`` extra.
    """
    from smallwright.pipeline import build as run_build

    return run_build(recipe, out=out, overrides=overrides)


def __getattr__(name: str) -> Any:
    if name == "Recipe":
        from smallwright.recipe import Recipe

        return Recipe
    raise AttributeError(f"module 'smallwright' has no attribute {name!r}")
