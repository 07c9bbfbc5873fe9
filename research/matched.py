"""Deep Spectrum against the other features where training and test condition are the same (D16, D17)."""

from collections.abc import Sequence

from export.classifiers.answers import by_name
from export.evaluation.significance import Comparison, compare_answers, holm
from research import published
from research.conditions import CONDITIONS
from research.matrix import Cells
from research.tables import Cell

LEVEL = 0.001
"""Significance level of the z-test (D16)."""


def best_matched(corpus: str, cells: Sequence[Cells]) -> list[dict[str, Cell]]:
    """Deep Spectrum's best matched answers against those of every other set, on the same recordings.

    'Best' is the better of both balancings on the test partition, as D17 has it; so each side is flattered alike.
    The z-test is D16's; McNemar's sees that both answered the same recordings. Holm's correction is over all rows.
    """
    rows: list[dict[str, Cell]] = []
    found: list[Comparison] = []
    for classes in dict.fromkeys(entry.classes for entry in cells):
        for place, condition in enumerate(CONDITIONS):
            best: dict[str, Cells] = {}
            for entry in cells:
                rival = best.get(entry.features)
                if entry.classes == classes and (rival is None or entry.uar[place][place] > rival.uar[place][place]):
                    best[entry.features] = entry
            ours = best.pop("Deep Spectrum")
            for name, other in best.items():
                pair = [by_name(entry.answers[condition, condition]) for entry in (ours, other)]
                found.append(compare_answers(pair[0], pair[1]))
                rows.append(
                    {
                        "corpus": corpus,
                        "classes": classes.name,
                        "condition": condition,
                        "n": found[-1].n,
                        "against": name,
                        "Deep Spectrum %": round(100 * found[-1].uar, 1),
                        "other %": round(100 * found[-1].rival_uar, 1),
                        "paper: Deep Spectrum / other %": _printed(classes.kind, name, place),
                    }
                )
    adjusted = holm([entry.mcnemar_p for entry in found])
    for row, test, raised in zip(rows, found, adjusted, strict=True):
        row["z-test p"] = round(test.z_p, 4)
        row["McNemar p"] = round(test.mcnemar_p, 4)
        row["McNemar p (Holm)"] = round(raised, 4)
        row["z-test p < 0.001"] = ("*" if test.uar > test.rival_uar else "worse") if test.z_p < LEVEL else ""
    return rows


def _printed(kind: str, name: str, place: int) -> str:
    """D17: the better of both balancings."""
    figures = [
        max(published.CONDITIONS[features, kind, balancing][place][place] for balancing in ("Un.", "Ov."))
        for features in ("Deep Spectrum", name)
    ]
    return " / ".join(f"{100 * figure:.1f}" for figure in figures)
