"""llama.cpp itself, through a shared library: the one that SMALLWRIGHT_LLAMA_CPP names (the path of libllama.so), or
that of the PyPI packages llama-cpp-python or xllamacpp.

Enters: a GGUF file. Leaves: llama.cpp's tokens, logits, labels. Parameter structures are treated as opaque words: only
the few that a test sets are known by position, and their defaults are checked first.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pytest

# Words (32 bits) of llama_context_params: n_ctx, n_batch, n_ubatch; then those named below. The word of flags, whose
# first byte asks for embeddings, moved: it is the one that holds their defaults.
_DEFAULTS = {0: 512, 1: 2048, 2: 512, 11: -1, 13: -1, 26: 1, 27: 1}
_CONTEXT, _THREADS, _FLASH, _CACHE_TYPES = 0, (7, 8), 13, (26, 27)
_FLAGS, _FLAGS_DEFAULT = (32, 34), 0x01010100
# Of llama_model_params: the word whose third byte allows repacked weights, where it stands as we know it.
_EXTRA_BUFFERS, _EXTRA_BUFFERS_DEFAULT = 18, 0x00010000


class _Words(ctypes.Structure):
    _fields_ = [("words", ctypes.c_int32 * 256)]  # larger than any parameter structure: callees read what they know


class _Batch(ctypes.Structure):
    _fields_ = [
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


_P, _I, _F = ctypes.c_void_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_float)
_SIGNATURES = {
    "llama_backend_init": (None, []),
    "llama_model_default_params": (_Words, []),
    "llama_context_default_params": (_Words, []),
    "llama_model_load_from_file": (_P, [ctypes.c_char_p, _Words]),
    "llama_init_from_model": (_P, [_P, _Words]),
    "llama_model_get_vocab": (_P, [_P]),
    "llama_vocab_n_tokens": (_I, [_P]),
    "llama_model_n_cls_out": (ctypes.c_uint32, [_P]),
    "llama_model_cls_label": (ctypes.c_char_p, [_P, ctypes.c_uint32]),
    "llama_tokenize": (
        _I,
        [_P, ctypes.c_char_p, _I, ctypes.POINTER(_I), _I, ctypes.c_bool, ctypes.c_bool],
    ),
    "llama_batch_init": (_Batch, [_I, _I, _I]),
    "llama_batch_free": (None, [_Batch]),
    "llama_decode": (_I, [_P, _Batch]),
    "llama_encode": (_I, [_P, _Batch]),
    "llama_get_logits_ith": (_F, [_P, _I]),
    "llama_get_embeddings_seq": (_F, [_P, _I]),
    "llama_get_memory": (_P, [_P]),
    "llama_memory_clear": (None, [_P, ctypes.c_bool]),
    "llama_free": (None, [_P]),
    "llama_model_free": (None, [_P]),
}


def _find_library() -> Path | None:
    named = os.environ.get("SMALLWRIGHT_LLAMA_CPP")
    if named:
        if not Path(named).is_file():
            pytest.fail(f"SMALLWRIGHT_LLAMA_CPP must name a file. Got {named}.")
        return Path(named)
    for package, pattern in (("llama_cpp", "lib/*llama.*"), ("xllamacpp", "xllamacpp*.so")):
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None:
            for file in sorted(Path(found.origin).parent.glob(pattern)):
                return file
    return None


def _flags_word(library: ctypes.CDLL) -> int | None:
    """Where the flags stand, or None when the parameters are laid out as nobody here knows."""
    words = library.llama_context_default_params().words
    if {place: words[place] for place in _DEFAULTS} != _DEFAULTS:
        return None
    return next((place for place in _FLAGS if words[place] == _FLAGS_DEFAULT), None)


def open_library() -> ctypes.CDLL:
    """The library, or a skip that says why not."""
    file = _find_library()
    if file is None:
        pytest.skip("llama.cpp is not here: pip install llama-cpp-python, or set SMALLWRIGHT_LLAMA_CPP to libllama.so")
    library = ctypes.CDLL(str(file))
    for name, (result, arguments) in _SIGNATURES.items():
        if not hasattr(library, name):
            pytest.skip(f"this llama.cpp exports no {name}")
        getattr(library, name).restype, getattr(library, name).argtypes = result, arguments
    library.llama_backend_init()
    if _flags_word(library) is None:
        pytest.skip("this llama.cpp lays its parameters out differently: adapt tests/parity/llama_cpp.py")
    return library


class LlamaCpp:
    """One file opened by llama.cpp: float32 cache, no flash attention, one thread."""

    def __init__(self, library: ctypes.CDLL, path: Path, *, classifies: bool) -> None:
        self._library, self._classifies = library, classifies
        how = library.llama_model_default_params()
        if how.words[_EXTRA_BUFFERS] == _EXTRA_BUFFERS_DEFAULT:
            how.words[_EXTRA_BUFFERS] = 0  # plain kernels: some builds crash in those for AMX
        self._model = library.llama_model_load_from_file(str(path).encode(), how)
        assert self._model, f"llama.cpp does not open {path}"
        parameters = library.llama_context_default_params()
        parameters.words[_CONTEXT] = 64
        parameters.words[_FLASH] = 0
        for place in _THREADS:
            parameters.words[place] = 1
        for place in _CACHE_TYPES:
            parameters.words[place] = 0
        if classifies:
            flags = _flags_word(library)
            assert flags is not None
            parameters.words[flags] |= 1
        self._context = library.llama_init_from_model(self._model, parameters)
        assert self._context, f"llama.cpp makes no context for {path}"
        self._vocabulary = library.llama_model_get_vocab(self._model)

    def __enter__(self) -> LlamaCpp:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._library.llama_free(self._context)
        self._library.llama_model_free(self._model)

    def labels(self) -> tuple[str, ...]:
        count = self._library.llama_model_n_cls_out(self._model)
        return tuple(self._library.llama_model_cls_label(self._model, index).decode() for index in range(count))

    def tokenize(self, text: str) -> list[int]:
        raw, room = text.encode(), (ctypes.c_int32 * 1024)()
        count = self._library.llama_tokenize(self._vocabulary, raw, len(raw), room, len(room), True, True)
        return list(room[:count])

    def logits(self, tokens: Sequence[int]) -> np.ndarray:
        """(T, V) of a generator, (C,) of a classifier; every call starts afresh."""
        library = self._library
        batch = library.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place], batch.pos[place], batch.logits[place] = int(token), place, 1
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
        try:
            if self._classifies:
                assert library.llama_encode(self._context, batch) == 0
                return np.array(library.llama_get_embeddings_seq(self._context, 0)[: len(self.labels())], np.float32)
            library.llama_memory_clear(library.llama_get_memory(self._context), True)
            assert library.llama_decode(self._context, batch) == 0
            size = library.llama_vocab_n_tokens(self._vocabulary)
            rows = [library.llama_get_logits_ith(self._context, place)[:size] for place in range(len(tokens))]
            return np.array(rows, np.float32)
        finally:
            library.llama_batch_free(batch)
