"""Tables of features as ARFF, in Weka's plain (dense) form.

Names, speakers and partitions are string attributes, the label is nominal, everything else numeric. A text is put
in single quotes where it holds anything but letters, digits and ``_./-``; a backslash escapes. ``?`` is unknown.
"""

import re
from pathlib import Path

from export.features.comma_separated import FLOAT32_FORMAT, described, split_rows
from export.features.table import DESCRIPTION_COLUMNS, FeatureTable, FeatureTableError, RawTable

PLAIN = re.compile(r"[\w./-]+", re.ASCII)
FIELD = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,\s][^,]*?|))\s*(?:,|$)""")
ATTRIBUTE = re.compile(r"""@attribute\s+(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\S+))\s+(.+)""", re.IGNORECASE)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
TIMES = ("start_s", "end_s")


def quote(text: str) -> str:
    """``text`` as an ARFF field; empty text is the unknown value."""
    if not text:
        return "?"
    if PLAIN.fullmatch(text):
        return text
    for plain, escaped in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f"'{text}'"


def unquote(text: str) -> str:
    """Undo the escapes of a quoted field."""
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text)


def write(table: FeatureTable, file: Path) -> None:
    """Write attributes and one line a row."""
    labels = ",".join(quote(label) for label in sorted(set(table.labels)) if label)
    with file.open("w", encoding="utf-8", newline="\n") as lines:
        lines.write(f"@relation {quote(file.stem)}\n\n")
        for name in DESCRIPTION_COLUMNS:
            kind = "numeric" if name in TIMES else f"{{{labels}}}" if name == "label" and labels else "string"
            lines.write(f"@attribute {name} {kind}\n")
        lines.writelines(f"@attribute {quote(name)} numeric\n" for name in table.feature_names)
        lines.write("\n@data\n")
        for row in range(len(table)):
            numbers = (FLOAT32_FORMAT % value for value in table.values[row].tolist())
            lines.write(",".join([*map(quote, described(table, row)), *numbers]) + "\n")


def read(file: Path) -> RawTable:
    """Read a dense ARFF file.

    Raises:
        FeatureTableError: the file has no data, is sparse, or a line does not fit its attributes.
    """
    header: list[str] = []
    rows: list[list[str]] = []
    in_data = False
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            line = line.strip()
            if not line or line.startswith("%"):
                continue
            if in_data:
                rows.append(_fields(line, f"{file}, line {number}"))
            elif line.lower().startswith("@attribute"):
                header.append(_attribute_name(line, f"{file}, line {number}"))
            in_data = in_data or line.lower() == "@data"
    if not in_data:
        raise FeatureTableError(f"{file}: no line '@data'")
    return split_rows(header, rows, file)


def _attribute_name(line: str, place: str) -> str:
    found = ATTRIBUTE.fullmatch(line)
    if not found:
        raise FeatureTableError(f"{place}: not an attribute")
    single, double, plain, _ = found.groups()
    return plain if plain is not None else unquote(single if single is not None else double)


def _fields(line: str, place: str) -> list[str]:
    if line.startswith("{"):
        raise FeatureTableError(f"{place}: sparse rows are not read")
    fields: list[str] = []
    position = 0
    while position < len(line):
        found = FIELD.match(line, position)
        if not found:
            raise FeatureTableError(f"{place}: field {len(fields) + 1} cannot be read")
        single, double, plain = found.groups()
        if plain is not None:
            fields.append("" if plain == "?" else plain)
        else:
            fields.append(unquote(single if single is not None else double))
        position = found.end()
    if line.endswith(","):
        fields.append("")
    return fields
