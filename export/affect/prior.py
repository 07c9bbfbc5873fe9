"""The affect model that needs no restricted corpus: a prior over the 37 columns.

It is written down and not trained in time.

What each unit says comes from human ratings (``ratings.py``); the scale on which units arrive, the
smoothing over time and the small weights of movement and speech are choices of this project, each named
below. It is a network D (E14), so everything that reads the filter works alike.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.affect.bundle import affect_settings, graph_parity, write_affect_bundle
from export.affect.graph import Spread, one_filter_graph
from export.affect.prior_card import TEXT
from export.affect.rating_model import REFITS, HeldOut, fit_coefficients, held_out, refits
from export.affect.ratings import LOWEST_RATING, RATING_RANGE, SHARED_UNITS, Ratings, read_ratings
from service.card import Card, Measurement
from service.pipeline.affect.attribution import AffectFilter, answers, steps_before
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.affect.functionals import HOP_S

KERNEL = 100  # E12
#: Half width of the smoothing window: one second of the past and one of the future. Longer windows would
#: lose the edges of short recordings to the zeros beyond them.
SMOOTHING_HALF_S = 1.0
#: One standard deviation of FACET evidence stands for one standard deviation of the unit on the 0…5 scale, as
#: measured on 4,160 rendered faces of 320 identities whose units are known (the set that the service's own
#: unit head learns from). E6's ranges are those of one corpus and hold only medians, so they are not used.
UNIT_DEVIATION = {
    "AU01": 1.29,
    "AU02": 1.09,
    "AU04": 1.34,
    "AU05": 1.07,
    "AU06": 1.10,
    "AU07": 1.15,
    "AU09": 1.00,
    "AU10": 0.98,
    "AU12": 1.26,
    "AU14": 0.95,
    "AU15": 1.09,
    "AU17": 0.99,
    "AU20": 0.83,
    "AU23": 0.98,
    "AU25": 1.50,
    "AU26": 1.06,
}
#: Movement and speech raise arousal a little. Which columns matter is E15's finding (deviation of AU05,
#: confidence, turn); that movement adds to shape is Brick, Hunter and Cohn 2009's. The sizes are chosen:
#: small beside the units.
AU05_MOVEMENT_WEIGHT = 0.05
MOVEMENT_WEIGHT = 0.02
TURN_WEIGHT = 0.05
#: What emotions' expressions say of each unit (EMFACS: happiness 6+12, surprise 1+2+5+26, anger 4+5+7+23, fear
#: 1+2+4+5+20+25, disgust 9+10, sadness 1+4+15+17), in rating points per standard deviation; others stay 0. Units that a
#: shouting or squinting face raises as well (AU06, AU10) say nothing of joy without AU12.
EXPECTED = {
    "arousal": {
        "AU02": 0.2,
        "AU05": 0.4,
        "AU06": 1e-3,
        "AU07": 0.2,
        "AU09": 1e-3,
        "AU10": 1e-3,
        "AU12": 0.2,
        "AU15": -0.3,
        "AU17": -0.2,
        "AU20": 0.3,
        "AU23": 0.3,
        "AU25": 0.2,
        "AU26": 0.3,
    },
    "valence": {
        "AU01": -0.1,
        "AU04": -0.2,
        "AU07": -0.1,
        "AU09": -0.2,
        "AU10": -0.1,
        "AU12": 0.4,
        "AU15": -0.2,
        "AU17": -0.1,
        "AU20": -0.2,
        "AU23": -0.1,
    },
}
COMMAND = "emoserve-export affect-prior --ratings FILE --out DIR"


@dataclass(frozen=True)
class Prior:
    """Column weights of both targets, float64 [37] each, what each says of a face at rest, the covariance of both over
    refits, float64 [38, 38], and the units' fit on people held out.
    """

    weights: dict[str, NDArray[np.float64]]
    rest: dict[str, float]
    covariances: dict[str, NDArray[np.float64]]
    fits: dict[str, HeldOut]
    free_fits: dict[str, HeldOut]


def target_ratings(ratings: Ratings) -> dict[str, NDArray[np.float64]]:
    """Valence as positive minus negative, −6…6, and arousal as their sum, 2…14; float64 [clips]."""
    return {"arousal": ratings.positive + ratings.negative, "valence": ratings.positive - ratings.negative}


def fit_prior(ratings: Ratings, seed: int = 0) -> Prior:
    """Fit the column weights; one point of −1…1 is a whole rating scale of six points.

    A face at rest (all units 0) gets a valence of 0 and the arousal of a clip rated 'nothing' on both scales, where 0
    is the average clip. That is the filter's bias: it does not fade where a recording begins and ends.
    """
    weights, rest, covariances, fits, free_fits = {}, {}, {}, {}, {}
    for target, rating in target_ratings(ratings).items():
        expected = np.array([EXPECTED[target].get(unit, 0.0) for unit in SHARED_UNITS])
        coefficients = fit_coefficients(ratings.evidence, rating, expected)
        column = _column_weights(coefficients)
        drawn, means = refits(ratings.evidence, rating, ratings.subject, expected, seed)
        rests = (2 * LOWEST_RATING - means) / RATING_RANGE if target == "arousal" else np.zeros(REFITS)
        covariances[target] = np.cov([*_column_weights(drawn).T, rests])
        rest[target] = 0.0
        if target == "arousal":
            rest[target] = float(2 * LOWEST_RATING - rating.mean()) / RATING_RANGE
            for unit in SHARED_UNITS:
                column[COLUMNS.index(f"{unit}_deviation")] = MOVEMENT_WEIGHT
            column[COLUMNS.index("AU05_deviation")] = AU05_MOVEMENT_WEIGHT
            column[COLUMNS.index("turn")] = TURN_WEIGHT
        weights[target] = column
        fits[target] = held_out(ratings.evidence, rating, ratings.subject, expected, seed)
        free_fits[target] = held_out(ratings.evidence, rating, ratings.subject, None, seed)
    return Prior(weights, rest, covariances, fits, free_fits)


def _column_weights(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the columns, float64 [..., 37], that the units' coefficients [..., 16] stand for."""
    columns = np.zeros((*coefficients.shape[:-1], len(COLUMNS)))
    for index, unit in enumerate(SHARED_UNITS):
        columns[..., COLUMNS.index(f"{unit}_mean")] = coefficients[..., index] / UNIT_DEVIATION[unit] / RATING_RANGE
    return columns


def smoothing_window() -> NDArray[np.float64]:
    """Raised cosine around lag 0 that adds up to 1, float64 [100]; zero beyond one second on either side."""
    half = round(SMOOTHING_HALF_S / HOP_S)
    window = np.zeros(KERNEL)
    offsets = np.arange(-half, half + 1)
    window[steps_before(KERNEL) + offsets] = 1 + np.cos(np.pi * offsets / (half + 1))
    return window / window.sum()


def write_prior(ratings_path: Path, folder: Path, seed: int = 0) -> Card:
    """Fit the prior and write its bundle into ``folder``; the same table and seed give the same files.

    Raises:
        OSError: the table cannot be read.
        ValueError: the table is unusable, or an exported graph is not equal to its filter.
    """
    prior = fit_prior(read_ratings(ratings_path), seed)
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, 5, (2, 300, len(COLUMNS))).astype(np.float32)
    graphs, cases = {}, []
    window = smoothing_window()
    for target, column in prior.weights.items():
        weights = np.outer(column, window).astype(np.float32)
        bias = np.array([prior.rest[target]], np.float32)
        spread = Spread(window[window > 0], prior.covariances[target])
        graphs[target] = one_filter_graph(weights[None], bias, spread)
        model = AffectFilter(weights.astype(np.float64), float(bias[0]))
        cases.append((graphs[target], features, np.stack([answers(sequence, model) for sequence in features])))
    return write_affect_bundle(
        folder,
        graphs,
        TEXT,
        affect_settings(KERNEL, list(graphs), [0.0, 0.0], "prior", SMOOTHING_HALF_S),
        graph_parity(cases, "the filter applied in float64"),
        [measurement for target in graphs for measurement in _measurements(target, prior)],
    )


def _measurements(target: str, prior: Prior) -> tuple[Measurement, Measurement]:
    fit, free = prior.fits[target], prior.free_fits[target]
    rating = "positive + negative" if target == "arousal" else "positive − negative"
    correlation = Measurement(
        metric="pearson_correlation",
        value=round(fit.correlation, 4),
        interval_95=(round(fit.interval_95[0], 4), round(fit.interval_95[1], 4)),
        data=f"Haines et al. 2019, {rating} rating",
        split="10 folds over people",
        n=fit.clips,
        protocol=(
            f"Of {target}. FACET evidence of 16 units against the mean of three raters, a figure a clip; "
            f"each of {fit.people} people held out once, signs and scaling refitted in each fold; interval: "
            "people drawn with replacement. It measures the units' weights on the classifier they were "
            "fitted to, not the time series, not the other columns, and not units of OpenFace or of ours. "
            "What EMFACS expects of each unit weighs 10,000 clips beside the 3,900."
        ),
        rivals={
            "concordance of the same predictions": round(fit.concordance, 4),
            "same units without expectation": round(free.correlation, 4),
        },
        command=COMMAND,
    )
    error = Measurement(
        metric="root_mean_square_error",
        value=round(fit.error / RATING_RANGE, 4),
        interval_95=(round(fit.error_95[0] / RATING_RANGE, 4), round(fit.error_95[1] / RATING_RANGE, 4)),
        data=correlation.data,
        split=correlation.split,
        n=fit.clips,
        protocol=f"Of {target} on the scale of −1…1, of the same predictions against the rating of each clip.",
        command=COMMAND,
    )
    return correlation, error
