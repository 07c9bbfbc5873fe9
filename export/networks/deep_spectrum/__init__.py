"""The eleven frozen image networks of the Deep Spectrum systems (A7–A18, D3–D4, F14, F15, F22, F23, G6).

:data:`EXTRACTORS` names them, :func:`load_weights` reads weights of any kind, :func:`extractor_graph` writes the graph
from ``picture`` to ``embedding``. No weights are shipped.
"""

from export.networks.deep_spectrum.errors import WeightsError
from export.networks.deep_spectrum.graph import extractor_graph
from export.networks.deep_spectrum.load import load_weights
from export.networks.deep_spectrum.normalisation import NORMALISATIONS
from export.networks.deep_spectrum.specification import EXTRACTORS, Extractor
from export.networks.deep_spectrum.weights import Weights

__all__ = [
    "EXTRACTORS",
    "NORMALISATIONS",
    "Extractor",
    "Weights",
    "WeightsError",
    "extractor_graph",
    "load_weights",
]
