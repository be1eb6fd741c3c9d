"""HTML elements that cannot forget to escape.

Enters: names, attributes, children. Leaves: ``Markup``, the only strings that are put into a page as they are.
Not here: what a page says (sections.py).
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

VOID = frozenset({"meta", "br", "hr"})


class Markup(str):
    """Text that is already HTML. Everything else is escaped by ``element``."""

    __slots__ = ()


def escape(text: object) -> Markup:
    """Any value as text that a browser shows and never runs; what UTF-8 cannot hold becomes a question mark."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(str(text).encode("utf-8", "replace").decode("utf-8"), quote=True))


def element(name: str, /, *children: object, **attributes: Any) -> Markup:
    """One element.

    Args:
        name: of the tag.
        children: ``Markup`` as it is, any other value escaped, None left out.
        attributes: values are escaped; None is left out; a trailing underscore goes (``class_``), others become ``-``.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Markup:
    """Children one after another, escaped where they are not ``Markup``."""
    return Markup("".join(escape(child) for child in children if child is not None))


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, class_: str = "", marks: Sequence[str | None] = ()
) -> Markup:
    """A table whose cells know their column's name, so that a phone can show each row as a card.

    Args:
        head: column names; the first column is the row's heading.
        rows: cells, as many as columns.
        class_: of the table.
        marks: by row, a class of the row or None.
    """
    body = []
    for index, cells in enumerate(rows):
        written = [element("th", cells[0], scope="row")]
        written += [element("td", cell, data_label=name) for name, cell in zip(head[1:], cells[1:], strict=True)]
        body.append(element("tr", *written, class_=marks[index] if index < len(marks) else None))
    heads = element("tr", *(element("th", name, scope="col") for name in head))
    inner = element("table", element("thead", heads), element("tbody", *body), class_=class_ or None)
    return element("div", inner, class_="scroll", tabindex="0")


def bar(share: float, kind: str = "") -> Markup:
    """A thin bar that is ``share`` (0..1) of its cell wide."""
    width = f"width:{max(0.0, min(1.0, share)) * 100:.1f}%"
    return element(
        "span", element("span", class_=f"fill {kind}".strip(), style=width), class_="bar", aria_hidden="true"
    )
