"""Scaling, balancing and fitting: scikit-learn does the work, plain arrays come out."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC

from export.classifiers.examples import Examples
from export.classifiers.recipe import Recipe, Scaling, Setting

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """scores = weights [classes, features] · (scale · features + offset [features]) + bias [classes], all float64."""

    scale: Matrix
    offset: Matrix
    weights: Matrix
    bias: Matrix

    def scores(self, values: Matrix) -> Matrix:
        """float64 [rows, classes] of float64 [rows, features]."""
        return (values * self.scale + self.offset) @ self.weights.T + self.bias


@dataclass(frozen=True)
class Fit:
    """A fitted classifier, and whether its optimiser came to rest within the epochs allowed."""

    linear: Linear
    converged: bool


def fit_scaling(values: Matrix, scaling: Scaling) -> tuple[Matrix, Matrix]:
    """Scale and offset, float64 [features] each, from training rows alone (A20: min-max to 0 … 1; C3: standard)."""
    if scaling == "none":
        return np.ones(values.shape[1]), np.zeros(values.shape[1])
    if scaling == "min-max":
        ranges = MinMaxScaler().fit(values)
        return ranges.scale_, ranges.min_
    moments = StandardScaler().fit(values)
    return 1.0 / moments.scale_, -moments.mean_ / moments.scale_


def oversampled(targets: NDArray[np.int64], share: float | None, seed: int) -> NDArray[np.int64]:
    """Rows to train on: all of them, then random repeats that raise each smaller class to ``share`` of the largest.

    D14: random oversampling, every minority class to 0.75 of the majority's count.
    """
    everything = np.arange(len(targets))
    if share is None:
        return everything
    random = np.random.default_rng(seed)
    counts = np.bincount(targets)
    repeats = [everything]
    for label, count in enumerate(counts):
        missing = round(share * counts.max()) - int(count)
        if count and missing > 0:
            repeats.append(random.choice(np.flatnonzero(targets == label), missing))
    return np.concatenate(repeats)


@dataclass(frozen=True)
class Prepared:
    """Rows as a classifier is fitted on them: oversampled, then scaled by the statistics of the rows before that.

    Attributes:
        values: float64 [rows, features].
        targets: int64 [rows].
        scale, offset: float64 [features].
        basis: float64 [features, axes], orthonormal columns that span the rows; None where there are no fewer rows
            than features, or the recipe has no use for it.
        rotated: float64 [rows, axes], the rows in that basis; None as well.
    """

    values: Matrix
    targets: NDArray[np.int64]
    scale: Matrix
    offset: Matrix
    basis: Matrix | None
    rotated: Matrix | None


def prepare(examples: Examples, recipe: Recipe) -> Prepared:
    """Prepare the rows that every setting of the grid is fitted on; every class must be among ``examples``."""
    rows = oversampled(examples.targets, recipe.oversampling, recipe.seed)
    scale, offset = fit_scaling(examples.values, recipe.scaling)
    scaled = examples.values * scale + offset
    basis = rotated = None
    if len(scaled) < scaled.shape[1] and "l2" in recipe.penalties and "hinge" in recipe.losses:
        basis, triangle = np.linalg.qr(scaled.T)
        rotated = triangle.T[rows]
    return Prepared(scaled[rows], examples.targets[rows], scale, offset, basis, rotated)


def fit(prepared: Prepared, setting: Setting, recipe: Recipe) -> Fit:
    """Fit one setting.

    SGD with an l2 penalty only ever adds multiples of rows to the weights and shrinks them, so it takes the same
    steps in a basis of the rows: where there are fewer rows than features, it is run there, and is many times faster.
    Only the hinge loss is treated so, whose steps do not depend on the last digits of a score: the others' do, and
    with long rows that makes another classifier, as good as the first.
    """
    machine = make_machine(setting, recipe)
    basis = prepared.basis if (setting.loss, setting.penalty) == ("hinge", "l2") else None
    values = prepared.values if basis is None or prepared.rotated is None else prepared.rotated
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        machine.fit(values, prepared.targets)
    restless = any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    weights, bias = both_classes(machine.coef_, machine.intercept_)
    if basis is not None:
        weights = weights @ basis.T
    return Fit(Linear(prepared.scale, prepared.offset, weights, bias), converged=not restless)


def make_machine(setting: Setting, recipe: Recipe) -> SGDClassifier | LinearSVC:
    """scikit-learn's classifier for ``setting``."""
    class_weight = None if recipe.class_weight == "none" else recipe.class_weight
    if setting.loss == "svm":
        return LinearSVC(
            C=setting.strength,
            penalty=setting.penalty,
            dual="auto",
            class_weight=class_weight,
            max_iter=recipe.epochs,
            random_state=recipe.seed,
        )
    return SGDClassifier(
        loss=setting.loss,
        penalty=setting.penalty,
        alpha=setting.strength,
        max_iter=recipe.epochs,
        tol=recipe.tolerance,
        class_weight=class_weight,
        random_state=recipe.seed,
    )


def both_classes(weights: Matrix, bias: Matrix) -> tuple[Matrix, Matrix]:
    """A row a class: scikit-learn keeps a single row for two classes, that of the second."""
    if len(weights) == 1:
        return np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
    return weights, bias
