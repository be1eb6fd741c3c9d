"""In OpenVINO's environment: export_encoder_openvino.py MODEL.onnx OUT writes OUT/{default,int8}.xml

``default``: as it converts and runs by itself. ``int8``: every weight in 8 bits, by nncf.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nncf
import openvino


def main() -> None:
    """Convert, compress."""
    model, out = openvino.convert_model(sys.argv[1]), Path(sys.argv[2])
    openvino.save_model(model, out / "default.xml", compress_to_fp16=False)
    compressed = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    openvino.save_model(compressed, out / "int8.xml", compress_to_fp16=False)


main()
