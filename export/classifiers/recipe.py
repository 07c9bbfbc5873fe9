"""Recipes of three papers: the grid that is searched and how a setting is chosen. Each part can be changed."""

from dataclasses import dataclass
from typing import Literal

Loss = Literal["log_loss", "modified_huber", "hinge", "svm"]
Penalty = Literal["l1", "l2"]
Scaling = Literal["min-max", "standard", "none"]
Selection = Literal["devel", "speaker-folds"]
ClassWeight = Literal["none", "balanced"]
Calibration = Literal["none", "temperature"]
FusionKind = Literal["early", "late"]

OTTL_ALPHAS = tuple(10.0**exponent for exponent in range(-6, -1))
"""A21: 1e-6 … 1e-2, 5 values."""

CUMMINS_ALPHAS = tuple(factor * 10.0**exponent for exponent in range(-6, 2) for factor in (1.0, 2.0, 5.0))
"""D13: {1, 2, 5}·10^k for k = −6 … 1, 24 values."""

GERCZUK_COMPLEXITIES = tuple(10.0**-exponent for exponent in range(10))
"""C3: 1 … 1e-9, 10 values."""


@dataclass(frozen=True)
class Setting:
    """One cell of the grid.

    Attributes:
        strength: α of SGD, or C of the support vector machine.
    """

    loss: Loss
    penalty: Penalty
    strength: float

    @property
    def strength_name(self) -> str:
        """'alpha' or 'C'."""
        return "C" if self.loss == "svm" else "alpha"

    def __str__(self) -> str:
        return f"{self.loss}, {self.penalty}, {self.strength_name} {self.strength:g}"


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        epochs: passes of SGD, or iterations of the support vector machine, at most.
        tolerance: SGD stops where the training loss falls by less than this for 5 epochs; None never stops early.
        folds: number of groups of speakers, for the selection 'speaker-folds'.
        oversampling: share of the largest class to which every smaller one is raised (D14); None raises none.
        calibration: 'none' keeps scikit-learn's probabilities (G8), which late fusion averages (A23); 'temperature'
            is a softmax of the scores over a temperature that is fitted on what was held out. Hinge losses have the
            latter in any case.
        refit: whether the chosen setting is fitted again on train and devel (C3; A25 leaves it open).
    """

    name: str
    losses: tuple[Loss, ...]
    penalties: tuple[Penalty, ...]
    strengths: tuple[float, ...]
    scaling: Scaling
    selection: Selection
    epochs: int = 1000
    tolerance: float | None = 1e-3
    folds: int = 2
    oversampling: float | None = None
    refit: bool = False
    class_weight: ClassWeight = "none"
    calibration: Calibration = "none"
    seed: int = 0

    @property
    def grid(self) -> tuple[Setting, ...]:
        """Every setting that is tried, in order."""
        return tuple(
            Setting(loss, penalty, strength)
            for loss in self.losses
            for penalty in self.penalties
            for strength in self.strengths
        )


RECIPES = {
    "ottl": Recipe("ottl", ("log_loss", "modified_huber"), ("l1", "l2"), OTTL_ALPHAS, "min-max", "devel"),
    "cummins": Recipe("cummins", ("hinge",), ("l2",), CUMMINS_ALPHAS, "min-max", "speaker-folds"),
    "gerczuk": Recipe(
        "gerczuk", ("svm",), ("l2",), GERCZUK_COMPLEXITIES, "standard", "devel", 4000, None, refit=True,
        class_weight="balanced",
    ),
}  # fmt: skip
"""A20–A21, D13–D14 and C3–C4 by first author. D states no
scaling: min-max is taken. C states no class weights: 'balanced' is taken, as in 'rivals'."""

CLASSIFIERS = {"sgd": "ottl", "svm": "gerczuk"}
"""Kind of classifier to its usual recipe."""
