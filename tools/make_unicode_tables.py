"""Writes csrc/tokenizer/unicode_tables.inc: what the tokenizers library does to each code point, found by asking it.

Enters: the installed tokenizers library. Leaves: ranges and maps as C++ initialisers, on standard output or in --out.
Not here: Python's own Unicode data, except as a list of candidates: the library's tables come from several crates of
different Unicode versions, and the engine must agree with the library, not with the standard.
"""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
CLASSES = ("letter", "number", "space", "digit", "punctuation", "mark", "control", "cjk")
HANGUL = range(0xAC00, 0xD7A4)  # composed and decomposed by arithmetic
CHUNK = 2000
OVERLAY, BELOW_IOTA = "\u0334", "\u0345"  # combining classes 1 and 240


def chunks(codes: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(codes), CHUNK):
        yield codes[start : start + CHUNK]


def map_each(normalizer: normalizers.Normalizer, codes: list[int], separator: str = "|") -> dict[int, str]:
    """What a normaliser makes of each code point alone; the separator starts every composition anew."""
    out: dict[int, str] = {}
    for chunk in chunks([code for code in codes if chr(code) != separator]):
        pieces = normalizer.normalize_str(separator.join(map(chr, chunk))).split(separator)
        if len(pieces) != len(chunk):
            raise SystemExit(f"{normalizer} changed the separators of code points {chunk[0]:#x} to {chunk[-1]:#x}")
        out.update(zip(chunk, pieces, strict=True))
    if ord(separator) in codes:
        out[ord(separator)] = normalizer.normalize_str(separator)
    return out


def matched(pattern: str) -> set[int]:
    """Code points that a regular expression of one character matches."""
    mapped = map_each(normalizers.Replace(Regex(pattern), "\x01\x01"), CODES)
    return {code for code, text in mapped.items() if text == "\x01\x01"}


def split_off(pre_tokenizer: pre_tokenizers.PreTokenizer, pieces: int) -> set[int]:
    """Code points that, put between two letters, are cut into this many pieces."""
    return {code for code in CODES if len(pre_tokenizer.pre_tokenize_str(f"a{chr(code)}a")) == pieces}


def bert(**steps: bool) -> normalizers.Normalizer:
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return normalizers.BertNormalizer(**{**off, **steps})


def find_classes(decomposed: dict[int, str]) -> dict[str, set[int]]:
    cleaned = map_each(bert(clean_text=True), CODES)
    stripped = map_each(bert(strip_accents=True), CODES)
    spaced = map_each(bert(handle_chinese_chars=True), CODES)
    found = {
        "letter": matched(r"\p{L}"),
        "number": matched(r"\p{N}"),
        "space": matched(r"\s"),
        "digit": split_off(pre_tokenizers.Digits(individual_digits=True), 3),
        "punctuation": split_off(pre_tokenizers.BertPreTokenizer(), 3),
        "mark": {code for code in CODES if stripped[code] == "" and decomposed[code] == chr(code)},
        "control": {code for code in CODES if cleaned[code] == ""},
        "cjk": {code for code in CODES if spaced[code] != chr(code)},
    }
    # The engine's code relies on these; they are facts about the library, checked here.
    whitespace = split_off(pre_tokenizers.BertPreTokenizer(), 2)
    blank = {code for code in CODES if cleaned[code] == " "}
    require(whitespace == found["space"], "BERT's white space is the pattern's")
    require(blank == found["space"] - found["control"], "clean_text makes blanks of white space")
    require(all(cleaned[code] in ("", " ", chr(code)) for code in CODES), "clean_text removes, blanks or keeps")
    require(all(spaced[code] == f" {chr(code)} " for code in found["cjk"]), "CJK gets a blank on each side")
    kept = {code: "".join(c for c in decomposed[code] if ord(c) not in found["mark"]) for code in CODES}
    require(stripped == kept, "stripping is decomposing and dropping marks")
    return found


def require(condition: bool, law: str) -> None:
    if not condition:
        raise SystemExit(f"the tokenizers library {tokenizers.__version__} breaks the law: {law}")


def find_combining_classes() -> dict[int, int]:
    """Canonical combining classes: the standard never changes one, so the library has it or, too old, has 0."""
    form = normalizers.NFD()
    out = {}
    for code in CODES:
        value = unicodedata.combining(chr(code))
        if value == 0 or unicodedata.normalize("NFD", chr(code)) != chr(code):
            continue
        before, after = (chr(code), OVERLAY) if value > 1 else (BELOW_IOTA, chr(code))
        if form.normalize_str(f"a{before}{after}") == f"a{after}{before}":
            out[code] = value
    return out


def find_compositions(decomposed: dict[int, str]) -> dict[tuple[int, int], int]:
    """Pairs that NFC joins. Candidates are the standard's decompositions into two."""
    form = normalizers.NFC()
    out = {}
    for code in CODES:
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) != 2 or parts[0].startswith("<") or code in HANGUL:
            continue
        first, second = (int(part, 16) for part in parts)
        if decomposed[code] != chr(code) and form.normalize_str(chr(first) + chr(second)) == chr(code):
            out[first, second] = code
    return out


def class_runs(classes: dict[str, set[int]]) -> list[tuple[int, int]]:
    """(first code point, bits) of each run of equal bits, from 0 on."""
    runs: list[tuple[int, int]] = []
    for code in range(0x110000):
        bits = sum(1 << place for place, name in enumerate(CLASSES) if code in classes[name])
        if not runs or runs[-1][1] != bits:
            runs.append((code, bits))
    return runs


def group(values: dict[int, int], same: Callable[[int, int], int]) -> list[tuple[int, int, int, int]]:
    """(first, last, step, value) of runs with step 1 or 2 in which ``same(code, value)`` does not change."""
    out: list[list[int]] = []
    for code, target in sorted(values.items()):
        value = same(code, target)
        if out and out[-1][3] == value:
            first, last, step, _ = out[-1]
            gap = code - last
            if gap == step or (first == last and gap in (1, 2)):
                out[-1][1:3] = [code, gap]
                continue
        out.append([code, code, 1, value])
    return [(first, last, step, value) for first, last, step, value in out]


def rows(name: str, type_name: str, entries: Iterable[str]) -> Iterator[str]:
    yield f"static const {type_name} {name}[] = {{"
    line = "   "
    for entry in entries:
        if len(line) + len(entry) > 116:
            yield line
            line = "   "
        line += f" {entry},"
    yield line
    yield "};"


def render() -> str:
    decomposed = map_each(normalizers.NFD(), CODES)
    lower = {code: text for code, text in map_each(normalizers.Lowercase(), CODES).items() if text != chr(code)}
    single = {code: ord(text) for code, text in lower.items() if len(text) == 1}
    double = {code: text for code, text in lower.items() if len(text) != 1}
    require(all(len(text) == 2 for text in double.values()), "lowercase gives one or two characters")
    split = {code: text for code, text in decomposed.items() if text != chr(code) and code not in HANGUL}
    require(all(len(text) <= 4 for text in split.values()), "a character decomposes into four at most")
    require(
        all(decomposed[code] == unicodedata.normalize("NFD", chr(code)) for code in HANGUL),
        "Hangul decomposes by arithmetic",
    )
    pool: list[int] = []
    decompositions = []
    for code, text in sorted(split.items()):
        decompositions.append(f"{{{code:#x},{len(pool)},{len(text)}}}")
        pool.extend(map(ord, text))
    combining = group(find_combining_classes(), lambda code, value: value)
    lines = [
        "// Made by tools/make_unicode_tables.py; do not edit.",
        f"// What the tokenizers library {tokenizers.__version__} does to each code point.",
    ]
    for place, name in enumerate(CLASSES):
        lines.append(f"constexpr uint8_t k_{name} = {1 << place};")
    lines += rows(
        "kClassRuns", "ClassRun", (f"{{{code:#x},{bits}}}" for code, bits in class_runs(find_classes(decomposed)))
    )
    lines += rows(
        "kLowercase",
        "Group",
        (
            f"{{{a:#x},{b:#x},{step},{delta}}}"
            for a, b, step, delta in group(single, lambda code, target: target - code)
        ),
    )
    lines += rows(
        "kLowercasePairs",
        "Pair",
        (f"{{{code:#x},{ord(text[0]):#x},{ord(text[1]):#x}}}" for code, text in sorted(double.items())),
    )
    lines += rows("kCombining", "Group", (f"{{{a:#x},{b:#x},{step},{value}}}" for a, b, step, value in combining))
    lines += rows("kDecompositions", "Decomposition", decompositions)
    lines += rows("kDecomposed", "uint32_t", (f"{code:#x}" for code in pool))
    pairs = sorted(find_compositions(decomposed).items())
    lines += rows("kCompositions", "Composition", (f"{{{a:#x},{b:#x},{code:#x}}}" for (a, b), code in pairs))
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("csrc/tokenizer/unicode_tables.inc"))
    arguments = parser.parse_args()
    arguments.out.write_text(render(), encoding="ascii")


if __name__ == "__main__":
    main()
