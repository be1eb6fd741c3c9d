"""In ONNX Runtime's environment: export_encoder_onnx.py HF OUT writes OUT/{model,int8,fused_int8}.onnx

``int8``: dynamic quantisation, as its documentation does it. ``fused_int8``: the same after its own fusions for BERT.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import onnxruntime.quantization as quantization
import torch
from onnxruntime.transformers import optimizer
from transformers import BertForSequenceClassification


class Inputs(torch.nn.Module):
    """The classifier as a function of its three tensors."""

    def __init__(self, model: BertForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> torch.Tensor:
        """Class logits."""
        logits: torch.Tensor = self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).logits
        return logits


def main() -> None:
    """Export, fuse, quantise."""
    source, out = sys.argv[1], Path(sys.argv[2])
    model = BertForSequenceClassification.from_pretrained(source, attn_implementation="eager").eval()
    example = torch.ones((1, 12), dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    plain, fused = out / "model.onnx", out / "fused.onnx"
    torch.onnx.export(
        Inputs(model),
        (example, example, torch.zeros_like(example)),
        str(plain),
        input_names=names,
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names},
        opset_version=17,
        dynamo=False,
    )
    config = model.config
    optimizer.optimize_model(
        str(plain), model_type="bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size
    ).save_model_to_file(str(fused))
    for start, name in ((plain, "int8"), (fused, "fused_int8")):
        quantization.quantize_dynamic(
            start,
            out / f"{name}.onnx",
            weight_type=quantization.QuantType.QInt8,
            # what the fused operators return, which its shape inference does not know
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )


main()
