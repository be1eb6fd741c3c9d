from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_kernels: Any

def isa() -> str: ...
def version() -> str: ...
def open(path: str) -> Model: ...

class Model:
    task: str
    vocabulary: int
    context: int
    labels: list[str]
    temperature: float
    description: str
    def encode(self, text: str, add_special: bool = True) -> list[int]: ...
    def decode(self, tokens: NDArray[np.int32]) -> str: ...

class Session:
    length: int
    def __init__(self, model: Model, threads: int = 0, kv_bits: int = 16) -> None: ...
    def classify_texts(self, texts: list[str]) -> tuple[NDArray[np.float32], list[bool]]: ...
    def classify_tokens(self, tokens: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.float32]: ...
    def append(self, tokens: NDArray[np.int32], all_rows: bool = False) -> NDArray[np.float32]: ...
    def truncate(self, length: int) -> None: ...
    def generate(
        self,
        prompt: str,
        max_tokens: int,
        temperature: float,
        top_k: int,
        top_p: float,
        seed: int,
        on_text: Callable[[str, int], bool | None],
    ) -> int: ...
    def counters(self) -> dict[str, int]: ...
