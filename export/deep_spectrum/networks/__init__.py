"""The eleven frozen image networks of the Deep Spectrum systems (A7–A18, D3–D4, F14, F15, F22, F23, G6).

:data:`EXTRACTORS` names them, :func:`load_weights` reads weights of any kind, :func:`extractor_graph` writes the graph
from ``picture`` to ``embedding``. No weights are shipped.
"""

from export.deep_spectrum.networks.graph import extractor_graph
from export.deep_spectrum.networks.normalisation import NORMALISATIONS
from export.deep_spectrum.networks.specification import EXTRACTORS, Extractor
from export.deep_spectrum.networks.weights import Weights
from export.deep_spectrum.weights.errors import WeightsError
from export.deep_spectrum.weights.load import load_weights

__all__ = [
    "EXTRACTORS",
    "NORMALISATIONS",
    "Extractor",
    "Weights",
    "WeightsError",
    "extractor_graph",
    "load_weights",
]
