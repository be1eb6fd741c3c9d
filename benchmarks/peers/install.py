"""Installs the peers: virtual environments, llama.cpp, and the programs that are compiled against them.

Enters: a ``Layout``. Leaves: interpreters and programs where the layout says. Not here: models and their files.

Every step can be run again; what was made from the same pins and options is not touched.
"""

from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path

from peers.layout import ROOT, SOURCES, Layout, PeersError, run_logged

LLAMA = "llama_cpp_python-0.3.36"
VENVS = ("genai", "openvino", "ctranslate2")
_STAMP = "smallwright-made.txt"  # written last: what was asked for when the part was made
_TORCH = "torch==2.13.0"  # first and exactly: a looser request can pull gigabytes of GPU packages
_LLAMA_PARTS = ("COMMON", "TOOLS", "EXAMPLES", "TESTS", "SERVER", "APP", "UI")
_LLAMA_TOOLS = ("llama-quantize", "llama-imatrix", "llama-perplexity")


def _llama_options(*on: str) -> tuple[str, ...]:
    return (
        "-DCMAKE_BUILD_TYPE=Release",
        "-DGGML_NATIVE=ON",
        "-DBUILD_SHARED_LIBS=ON",
        "-DLLAMA_OPENSSL=OFF",
        "-DLLAMA_USE_PREBUILT_UI=OFF",
        *(f"-DLLAMA_BUILD_{part}={'ON' if part in on else 'OFF'}" for part in _LLAMA_PARTS),
    )


# GCC before 12.4 and 13.3 tells _tile_loadconfig of 8 of its 64 bytes (GCC bug 114098) and drops the other stores;
# llama.cpp then dies of an illegal instruction on every machine with AMX. The line keeps all 64.
_TILES = "    _tile_loadconfig(&tc);\n"
_TILES_MENDED = '    __asm__ volatile("" : : "m"(tc));\n' + _TILES


def install_all(layout: Layout) -> None:
    """Make every peer ready to run."""
    for venv in VENVS:
        install_venv(layout, venv)
    install_llama(layout)
    compile_programs(layout)


def install_venv(layout: Layout, name: str) -> None:
    """One virtual environment with exactly the pinned packages."""
    pins = [path for path in (SOURCES / f"requirements-{name}.txt", SOURCES / f"requirements-{name}-export.txt")]
    wanted = "".join(path.read_text(encoding="utf-8") for path in pins if path.is_file())
    python, log = layout.python(name), layout.log(f"venv-{name}")
    stamp = python.parents[1] / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print(f"installing {name} ...", flush=True)
    if not python.exists():
        run_logged([sys.executable, "-m", "venv", python.parents[1]], log)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    run_logged([*pip, _TORCH], log)
    run_logged([*pip, "-r", pins[0]], log)
    if pins[1].is_file():
        run_logged([*pip, "--no-deps", "-r", pins[1]], log)
    stamp.write_text(wanted, encoding="utf-8")


def install_llama(layout: Layout) -> None:
    """llama.cpp out of the source package of llama-cpp-python, built for this very machine."""
    _build_llama(layout, layout.llama_build, _llama_options(), ("llama",))


def install_llama_tools(layout: Layout) -> None:
    """Another build of the same source, with its quantiser and its judge of perplexity (compression.py)."""
    _build_llama(layout, layout.llama_tools_build, _llama_options("COMMON", "TOOLS"), _LLAMA_TOOLS)


def _build_llama(layout: Layout, build: Path, options: tuple[str, ...], targets: tuple[str, ...]) -> None:
    log, source = layout.log(build.name), _llama_source(layout)
    # A stamp and not the build system decides: it would begin again for every other cmake on the PATH.
    stamp, wanted = build / _STAMP, "\n".join((LLAMA, *options, _TILES_MENDED))
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    if not source.is_dir():
        print("fetching llama.cpp ...", flush=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q", "--no-deps"]
        version = LLAMA.replace("_", "-").rpartition("-")[2]
        run_logged([*pip, "--no-binary", "llama-cpp-python", f"llama-cpp-python=={version}", "-d", layout.root], log)
        with tarfile.open(layout.root / f"{LLAMA}.tar.gz") as archive:
            archive.extractall(layout.root, filter="data")
    _mend_tiles(source / "ggml" / "src" / "ggml-cpu" / "amx" / "mmq.cpp")
    print("building llama.cpp ...", flush=True)
    run_logged(["cmake", "-S", source, "-B", build, *options], log)
    run_logged(["cmake", "--build", build, "--target", *targets, "-j", "2"], log)
    stamp.write_text(wanted, encoding="utf-8")


def compile_programs(layout: Layout) -> None:
    """Our engine, the two C++ workers and the probe."""
    print("building our engine and the workers ...", flush=True)
    log, source = layout.log("programs"), _llama_source(layout)
    _forget_another_checkout(layout.engine_build)
    run_logged(["cmake", "-S", ROOT, "-B", layout.engine_build, "-DCMAKE_BUILD_TYPE=Release"], log)
    run_logged(["cmake", "--build", layout.engine_build, "-j", "2"], log)
    layout.program("x").parent.mkdir(parents=True, exist_ok=True)
    compiler = _find_compiler()
    libraries = layout.llama_build / "bin"
    ours = [f"-I{ROOT / 'csrc' / 'include'}", layout.engine_build / "libsmallwright.a", "-pthread"]
    llama = [f"-I{source / 'include'}", f"-I{source / 'ggml' / 'include'}", f"-L{libraries}"]
    llama += ["-lllama", "-lggml", "-lggml-base", f"-Wl,-rpath,{libraries}"]
    # GCC 12 warns of its own _mm512 intrinsics
    native: list[str | Path] = ["-O3", "-march=native", "-Wno-uninitialized", "-pthread"]
    options: dict[str, list[str | Path]] = {"sw_worker": ours, "llama_worker": [*llama], "probe": native}
    for name, words in options.items():
        plain = [compiler, "-std=c++17", "-O3", "-Wall", "-Wextra", SOURCES / f"{name}.cpp"]
        run_logged([*plain, *words, "-o", layout.program(name)], log)


def _forget_another_checkout(build: Path) -> None:
    """CMake refuses to build another source folder where it has built one before."""
    cache = build / "CMakeCache.txt"
    if cache.exists() and f"CMAKE_HOME_DIRECTORY:INTERNAL={ROOT}\n" not in cache.read_text(encoding="utf-8"):
        shutil.rmtree(build)


def _llama_source(layout: Layout) -> Path:
    return layout.root / LLAMA / "vendor" / "llama.cpp"


def _mend_tiles(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if _TILES_MENDED in text:
        return
    if text.count(_TILES) != 1:
        raise PeersError(
            f"llama.cpp's AMX code must load its tiles in one place. Got {text.count(_TILES)} in {file}. "
            "Look at it, and change _mend_tiles in benchmarks/peers/install.py."
        )
    file.write_text(text.replace(_TILES, _TILES_MENDED), encoding="utf-8")


def _find_compiler() -> str:
    found = shutil.which("g++")
    if found is None:
        raise PeersError("llama.cpp and the workers are built with GCC. Got no g++ on the PATH. Install it.")
    return found
