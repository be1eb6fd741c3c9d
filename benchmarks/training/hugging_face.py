"""The Hugging Face Trainer on a workload, configured as its own documentation advises for speed.

bf16, batches of like length, the fused AdamW that is its default, evaluation and saving off. The encoder's attention
probabilities are not dropped, as in ours: with them it is slower.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
)

from smallwright.data.shards import Shard
from training.segments import Segments
from training.workloads import CONTEXT, ENCODER, MODEL, ROWS, SHARD, Workload

Rows = list[dict[str, Any]]


def run(workload: Workload, folder: Path, segments: Segments, steps: int) -> None:
    """Check, then train so many steps."""
    model, rows, collate = (_encoder if workload is ENCODER else _decoder)(workload, folder)

    def counted(batch: Rows) -> dict[str, torch.Tensor]:
        made = collate(batch)
        mask = made.get("attention_mask")
        padded = made["input_ids"].numel()
        segments.count_batch(padded if mask is None else int(mask.sum()), padded)
        return made

    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(
            output_dir=out,
            use_cpu=True,
            bf16=True,
            max_steps=steps,
            per_device_train_batch_size=workload.batch_size,
            learning_rate=workload.learning_rate,
            warmup_steps=0.1,
            weight_decay=0.01,
            train_sampling_strategy="group_by_length" if workload is ENCODER else "random",
            save_strategy="no",
            eval_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            seed=0,
        )
        trainer = Trainer(model, arguments, train_dataset=rows, data_collator=counted, callbacks=[_Turns(segments)])
        _begin(segments, trainer, collate(rows[: workload.batch_size]))
        trainer.train()


class _Turns(TrainerCallback):
    def __init__(self, segments: Segments) -> None:
        self.segments = segments

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The optimizer's step, the schedule and the zeroed gradients lie behind."""
        self.segments.step_done()


@torch.no_grad()
def _begin(segments: Segments, trainer: Trainer, batch: dict[str, torch.Tensor]) -> None:
    model = trainer.model
    model.eval()
    exact = float(model(**batch).loss)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = float(model(**batch).loss)
    for _ in trainer.get_train_dataloader():
        pass
    segments.begin({"loss_float32": exact, "loss_bfloat16": rounded, "epoch_tokens": segments.real})


def _encoder(
    workload: Workload, folder: Path
) -> tuple[PreTrainedModel, Rows, Callable[[Rows], dict[str, torch.Tensor]]]:
    model = AutoModelForSequenceClassification.from_pretrained(
        folder / MODEL,
        hidden_dropout_prob=workload.dropout,
        classifier_dropout=workload.dropout,
        attention_probs_dropout_prob=0.0,
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / MODEL / "tokenizer.json"), pad_token="[PAD]")
    found = json.loads((folder / ROWS).read_text(encoding="utf-8"))
    rows = [
        {"input_ids": tokens, "attention_mask": [1] * len(tokens), "labels": label}
        for tokens, label in zip(found["tokens"], found["classes"], strict=True)
    ]
    return model, rows, DataCollatorWithPadding(tokenizer)


def _decoder(
    workload: Workload, folder: Path
) -> tuple[PreTrainedModel, Rows, Callable[[Rows], dict[str, torch.Tensor]]]:
    model = AutoModelForCausalLM.from_pretrained(folder / MODEL)
    tokens = np.asarray(Shard.open(folder / SHARD).tokens, dtype=np.int64)
    blocks = torch.from_numpy(tokens[: len(tokens) // CONTEXT * CONTEXT]).view(-1, CONTEXT)
    return model, [{"input_ids": block, "labels": block} for block in blocks], default_data_collator
