"""llm-compressor's GPTQ, in its own virtual environment: what coding a decoder costs there.

Enters: a checkpoint's folder, texts of random tokens. Leaves: one line of JSON: processor seconds and memory above
that after the imports. Weights of 4 bits, a scale for every 32 inputs, as q4_0 has them (its own W4A16 wants widths
that 128 divides); the head as it is, as in its authors' examples. Nothing is written.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """Load, quantise, tell."""
    folder, texts, length, threads = sys.argv[1], *(int(word) for word in sys.argv[2:5])
    import numpy as np
    import torch
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from datasets import Dataset
    from llmcompressor import oneshot
    from llmcompressor.modifiers.quantization import GPTQModifier
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    imported = _status("VmRSS")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokens = np.random.default_rng(0).integers(0, model.config.vocab_size, (texts, length))
    rows = Dataset.from_dict({"input_ids": tokens.tolist(), "attention_mask": np.ones_like(tokens).tolist()})
    bits = QuantizationArgs(num_bits=4, type="int", symmetric=True, strategy="group", group_size=32)
    scheme = QuantizationScheme(targets=["Linear"], weights=bits)
    recipe = GPTQModifier(config_groups={"all": scheme}, ignore=["lm_head"])
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak from here on
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    oneshot(model=model, dataset=rows, recipe=recipe, max_seq_length=length, num_calibration_samples=texts)
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = {"cpu_seconds": spent, "seconds": time.perf_counter() - began, "peak_bytes": _status("VmHWM") - imported}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
