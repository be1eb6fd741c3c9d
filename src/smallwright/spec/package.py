"""The package's own keys and rules: one GGUF file whose private keys all start with ``smallwright.``.

Enters: nothing. Leaves: names and constants that writer (build half) and reader (engine) agree on.
Not here: the GGUF container itself; its rules are public and live in the writer and in the engine's reader.

Rules: alignment 64; every package carries ``KEY_MODEL``; architectures that llama.cpp knows are written under its
names too (its keys, its tensor names, its permutation of rotary rows), so that it opens them unchanged; all others
say ``general.architecture = smallwright``.
"""

from __future__ import annotations

ALIGNMENT = 64
FORMAT_VERSION = 1

KEY_FORMAT = "smallwright.format_version"  # u32
KEY_MODEL = "smallwright.model"  # string: ModelSpec.to_json()
# string: JSON {"kind": "classify" | "generate", "head": <name in ModelSpec.heads>}, and where the package learned
# answers to prompts "prompt": {"begin", "end", "lowercase"}, a PromptForm
KEY_TASK = "smallwright.task"
KEY_TOKENIZER = "smallwright.tokenizer"  # string: JSON, see spec/tokenizer.py
KEY_TEMPERATURE = "smallwright.calibration.temperature"  # f32 > 0: class logits are divided by it
# string: JSON {"slope", "offset"}: a whole answer is right with the probability 1 / (1 + exp(-(slope * s + offset)));
# s is the sum of the natural logarithms of the probabilities of its chosen tokens
KEY_ANSWER_CALIBRATION = "smallwright.calibration.answer"
KEY_PROVENANCE = "smallwright.provenance"  # string: JSON: recipe, versions, seeds, hashes of inputs; no clock, no path
KEY_SCHEMA = "smallwright.schema"  # string: a JSON schema that every generated text obeys
KEY_CHAT_TEMPLATE = "tokenizer.chat_template"  # string: messages to a prompt, in the Hugging Face form of Jinja
KEY_SCALE_SPAN = "smallwright.scale_span"  # u32 = 128: how scales of q8_0 and q4_0 rows agree, see docs/format.md
KEY_ROTARY_INTERLEAVED = "smallwright.rotary_interleaved"  # bool: q and k rows are permuted to interleaved pairs

OWN_ARCHITECTURE = "smallwright"
INTERLEAVED_ARCHITECTURES = ("llama",)  # llama.cpp stores these with rotary pairs (2i, 2i+1); others (i, i + D/2)
