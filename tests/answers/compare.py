"""Differences of two recordings: every path at which two JSON trees disagree."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOLERANCE = 1e-5
GREY_TOLERANCE = 3.0
"""Grey levels of 255 by which a cell of a plot's coarse picture may differ."""

WORDING = frozenset({"title", "detail", "description", "message", "note", "summary", "intended_use", "limitations"})
"""Members that hold sentences for people. Their differences are told, and do not fail a comparison."""

ROUNDED_DECIMALS = (3, 4)
"""Decimals of numbers that answers round more coarsely than the tolerance (action units, FHIR's series)."""

LAST_DIGITS_SHARE = 0.1
"""Share of such numbers that may differ by one in the last digit, which a difference of 1e-5 does to 4 decimals."""

_SHOWN = 12


@dataclass
class Comparison:
    """Differences between two trees.

    Attributes:
        differences: one line each, with the path.
        wordings: paths of sentences that differ.
        last_digits: lines of rounded numbers that differ by one in the last digit.
        rounded: how many rounded numbers there are.
        largest: largest difference of two numbers, but for those of ``last_digits``.
    """

    tolerance: float
    differences: list[str] = field(default_factory=list)
    wordings: list[str] = field(default_factory=list)
    last_digits: list[str] = field(default_factory=list)
    rounded: int = 0
    largest: float = 0.0

    @property
    def failures(self) -> list[str]:
        """All lines that fail the comparison: last digits only where too many differ."""
        too_many = len(self.last_digits) > max(1.0, LAST_DIGITS_SHARE * self.rounded)
        return self.differences + (self.last_digits if too_many else [])

    def walk(self, one: Any, other: Any, path: str = "", *, in_words: bool = False) -> None:
        """Compare two JSON values and what they hold."""
        if isinstance(one, dict) and isinstance(other, dict):
            self._walk_members(one, other, path, in_words=in_words)
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                self._tell(f"{path}: {len(one)} entries, then {len(other)}", path, in_words=in_words)
            decimals = max((_decimals(item) for item in [*one, *other] if _is_number(item)), default=0)
            for index, (left, right) in enumerate(zip(one, other, strict=False)):
                if _is_number(left) and _is_number(right):
                    self._walk_numbers(left, right, f"{path}/{index}", decimals)
                else:
                    self.walk(left, right, f"{path}/{index}", in_words=in_words)
        elif _is_number(one) and _is_number(other):
            self._walk_numbers(one, other, path, max(_decimals(one), _decimals(other)))
        elif one != other or type(one) is not type(other):
            self._tell(f"{path}: {_short(one)}, then {_short(other)}", path, in_words=in_words)

    def _walk_members(self, one: dict[str, Any], other: dict[str, Any], path: str, *, in_words: bool) -> None:
        for key in one.keys() | other.keys():
            here = f"{path}/{key}"
            if key not in other:
                self._tell(f"{here}: gone, was {_short(one[key])}", here, in_words=in_words)
            elif key not in one:
                self._tell(f"{here}: new, {_short(other[key])}", here, in_words=in_words)
            else:
                self.walk(one[key], other[key], here, in_words=in_words or key in WORDING)

    def _walk_numbers(self, one: float, other: float, path: str, decimals: int) -> None:
        distance = abs(one - other)
        if "/grey/" in path:
            if distance > GREY_TOLERANCE:
                self.differences.append(f"{path}: grey {one}, then {other}")
            return
        if decimals in ROUNDED_DECIMALS and not path.rstrip("/0123456789").endswith("_s"):
            self.rounded += 1
            if self.tolerance < distance <= 1.01 * 10.0**-decimals:
                self.last_digits.append(f"{path}: {one!r}, then {other!r} (last digit)")
                return
        scaled = distance / max(1.0, abs(one), abs(other))
        self.largest = max(self.largest, scaled)
        if scaled > self.tolerance:
            self.differences.append(f"{path}: {one!r}, then {other!r} ({distance:.3g})")

    def _tell(self, line: str, path: str, *, in_words: bool) -> None:
        if in_words:
            self.wordings.append(path)
        else:
            self.differences.append(line)


def compare_answers(one: Any, other: Any, tolerance: float = TOLERANCE) -> Comparison:
    """Compare two answers.

    Args:
        one: the earlier answer, a JSON value.
        other: the later one.
        tolerance: difference of two numbers, over the larger of their magnitudes and 1, that is still equal.
    """
    comparison = Comparison(tolerance)
    comparison.walk(one, other)
    return comparison


def compare_folders(one: Path, other: Path, tolerance: float = TOLERANCE, *, words: bool = False) -> int:
    """Compare two recordings and print what differs; 1 where anything does, else 0.

    Args:
        one: folder of the earlier recording.
        other: folder of the later one.
        tolerance: as for :func:`compare_answers`.
        words: whether sentences for people count too.
    """
    names = sorted({path.name for folder in (one, other) for path in folder.glob("*.json")})
    failed, rows = 0, []
    for name in names:
        if not (one / name).is_file() or not (other / name).is_file():
            missing = one if not (one / name).is_file() else other
            print(f"{name}: not in {missing}")
            failed += 1
            continue
        found = compare_answers(*(json.loads((folder / name).read_text()) for folder in (one, other)), tolerance)
        lines = found.failures + ([f"{path}: other words" for path in found.wordings] if words else [])
        failed += bool(lines)
        rows.append((name.removesuffix(".json"), found))
        for line in lines[:_SHOWN]:
            print(f"{name}{line}")
        if len(lines) > _SHOWN:
            print(f"{name}: and {len(lines) - _SHOWN} more")
    _print_summary(rows, len(names), failed)
    return 1 if failed or not names else 0


def _print_summary(rows: list[tuple[str, Comparison]], count: int, failed: int) -> None:
    print(f"\n{'case':44} {'differences':>11} {'last digits':>11} {'wordings':>8} {'largest':>9}")
    for name, found in rows:
        counts = len(found.differences), len(found.last_digits), len(found.wordings)
        if any(counts) or found.largest:
            print(f"{name:44} {counts[0]:11} {counts[1]:11} {counts[2]:8} {found.largest:9.2g}")
    largest = max((found.largest for _, found in rows), default=0.0)
    print(f"{count} cases, {count - failed} agree, {failed} differ; largest difference of numbers {largest:.2g}")


def _decimals(number: float) -> int:
    """Decimals that a number is written with; many where it is written with an exponent."""
    written = repr(number)
    return 17 if "e" in written else len(written.partition(".")[2].rstrip("0"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    shown = json.dumps(value)
    return shown if len(shown) <= 80 else shown[:77] + "…"
