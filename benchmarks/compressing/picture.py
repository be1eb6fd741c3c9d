"""The picture of compressing/combinations.py: accuracy kept against the bytes of the file, a mark and colour a method.

Enters: the numbers of that part. Leaves: an SVG that stands alone, readable on light and dark pages.
Again from a result: ``python benchmarks/compressing/picture.py RESULT.json PICTURE.svg``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smallwright.evaluate.report import numbers
from smallwright.evaluate.report.plots import ACCENT, INK, MUTED, SIZE_TICKS, log_ticks, make_figure, to_svg

# By method: what people call it, its mark, the colour on light pages and on dark ones.
METHODS = {
    "round": ("rounded", "o", "#3566b0", "#7fa8e8"),
    "gptq": ("GPTQ", "s", "#0e7c66", "#4cc4a5"),
    "mixed": ("mixed formats, GPTQ", "D", "#8a5cb8", "#c09be6"),
    "trained": ("trained through the codes", "^", "#c8442f", "#f08a7c"),
    "sparsegpt": ("sparse", "v", "#b0713b", "#dfa06a"),
    "healed": ("sparse and healed", "P", "#a08a12", "#dcc651"),
    "own": ("the recipe's own", "X", "#636b74", "#9aa4ad"),
}
# By student: what people call it, and how its marks are filled.
STUDENTS = {
    "minilm": ("MiniLM, all layers", "none"),
    "clinc150_2mb": ("student of 3 layers", "full"),
    "clinc150_500kb": ("student of 2 layers", "left"),
}
LIGHT = {"ink": "#1d2126", "muted": "#636b74", "line": "#e2e1da", "card": "#ffffff", "accent": "#1d2126"}
DARK = {"ink": "#e9ebec", "muted": "#9aa4ad", "line": "#30363c", "card": "#1c2024", "accent": "#e9ebec"}
LEAST, MOST = 88.0, 101.0  # % of the axis; what keeps less is drawn on its lower edge, with the number
_EDGE = LEAST + 0.3


def draw_combinations(found: Mapping[str, Any]) -> str:
    """An SVG document; the same numbers give the same bytes."""
    whole = float(found["float32"]["accuracy"])
    figure, axes = make_figure(8.2, 5.6)
    files: Sequence[Mapping[str, Any]] = found["files"]
    kept = [100 * file["test_accuracy"] / whole for file in files]
    front = sorted((file["bytes"], max(_EDGE, y)) for file, y in zip(files, kept, strict=True) if file["on_front"])
    axes.plot(*zip(*front, strict=True), color=ACCENT, linewidth=1.0, zorder=1, label="front by validation rows")
    for number, (method, (name, mark, _, _)) in enumerate(METHODS.items()):
        style = {"color": _placeholder(number), "marker": mark, "markersize": 7, "linestyle": "none", "zorder": 3}
        drawn = [(file, y) for file, y in zip(files, kept, strict=True) if file["method"] == method]
        for file, y in drawn:
            height = max(_EDGE, y)
            axes.plot([file["bytes"]], [height], fillstyle=STUDENTS[file["student"]][1], **style)
            if y < LEAST:
                axes.annotate(f"{y:.0f}", (file["bytes"], height), xytext=(0, 7), **_SMALL, color=MUTED)
        if drawn:
            axes.plot([], [], label=name, **style)
    for name, fill in STUDENTS.values():
        axes.plot([], [], "o", color=MUTED, fillstyle=fill, markersize=7, linestyle="none", label=name)
    linear = found["linear"]
    height = max(_EDGE, 100 * linear["accuracy"] / whole)
    axes.plot(
        [linear["bytes"]], [height], "*", color=INK, markersize=11, linestyle="none", label="linear SVM", zorder=3
    )
    _draw_limits(axes, found)
    sizes = [found["float32"]["bytes"], linear["bytes"], *(file["bytes"] for file in files)]
    axes.set_xscale("log")
    log_ticks(axes, SIZE_TICKS, min(sizes) / 1.4, max(sizes) * 1.4, numbers.size)
    axes.set_ylim(LEAST, MOST)
    axes.set_xlabel("bytes of the file")
    axes.set_ylabel("test accuracy kept of float32 MiniLM, %")
    below = {"loc": "upper left", "bbox_to_anchor": (-0.03, -0.12)}  # beside no point, wherever those lie
    axes.legend(frameon=False, labelcolor=INK, fontsize=9, ncols=3, columnspacing=1.2, handletextpad=0.4, **below)
    return _stand_alone(to_svg(figure, "combinations", "Accuracy kept against the bytes of the file"))


_SMALL: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 8}


def _draw_limits(axes: Any, found: Mapping[str, Any]) -> None:
    """Float32 itself, and the limits that the claim is about: a fortieth of its bytes, 97 % kept."""
    dashed = {"color": MUTED, "linewidth": 0.9, "linestyle": (0, (4, 3)), "zorder": 0}
    axes.axvline(found["limit_bytes"], **dashed)
    axes.axhline(97, **dashed)
    axes.annotate("1/40", (found["limit_bytes"], LEAST), xytext=(13, 4), **_SMALL, color=MUTED)
    axes.plot([found["float32"]["bytes"]], [100], "o", color="none", markeredgecolor=INK, markersize=9, zorder=3)
    axes.annotate("float32", (found["float32"]["bytes"], 100), xytext=(0, -15), **_SMALL, color=INK)
    chosen = found["chosen"]
    if chosen is not None:
        height = max(_EDGE, 100 * chosen["test_accuracy"] / found["float32"]["accuracy"])
        ring = {"markeredgecolor": INK, "markersize": 14, "linestyle": "none", "zorder": 2}
        axes.plot([chosen["bytes"]], [height], "o", color="none", label="chosen of at most 1/40", **ring)


def _placeholder(number: int) -> str:
    """A colour that stands for a variable, as in plots.py."""
    return f"#0101{number + 16:02x}"


def _stand_alone(inline: str) -> str:
    """The picture with its own colours and ground, and without the page's ``div``."""
    text = inline[inline.index("<svg") : inline.rindex("</svg>") + len("</svg>")]
    for number, method in enumerate(METHODS):
        text = text.replace(_placeholder(number), f"var(--{method})")
    palettes = [
        "".join(f"--{name}:{colour};" for name, colour in (*plain.items(), *((m, METHODS[m][which]) for m in METHODS)))
        for plain, which in ((LIGHT, 2), (DARK, 3))
    ]
    sans = '--sans:system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;'
    style = (
        f"<style>svg{{{palettes[0]}{sans}background:var(--card);}} text{{font-family:var(--sans);}} "
        f"@media (prefers-color-scheme: dark){{svg{{{palettes[1]}}}}}</style>"
    )
    ground = '<rect width="100%" height="100%" style="fill: var(--card)"/>'
    head = re.sub(r"^<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', text[: text.index(">") + 1])
    return f"{head}\n{style}{ground}{text[text.index('>') + 1 :]}\n"


def main() -> None:
    """Draw a result again."""
    result, picture = map(Path, sys.argv[1:3])
    found = json.loads(result.read_text(encoding="utf-8"))["numbers"]["combinations"]
    picture.write_text(draw_combinations(found), encoding="utf-8")


if __name__ == "__main__":
    main()
