"""How a picture of 0 … 255 becomes what a network was trained on.

Every set of weights has one :class:`Convention`, the normalisation of its training. What the toolkit does (table A.3)
is stated for the weights that the toolkit uses; other weights of the same network may need another order of the
channels or another scale, so the convention belongs to the weights and not to the network. The toolkit leaves out the
mean of its VGG networks and mean and deviation of AlexNet (F15, D3): the preset ``deepspectrum`` leaves out the same
steps of whatever convention the weights have, ``keras`` leaves out nothing, as Keras' own preprocessing.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

NORMALISATIONS = ("deepspectrum", "keras")

Omission = Literal["mean", "deviation"]


@dataclass(frozen=True)
class Convention:
    """Channels in ``order``, divided by ``divisor``, minus ``mean``, divided by ``deviation``.

    Attributes:
        mean, deviation: one value a channel in the order of ``order``, in units after the division.
    """

    name: str
    order: Literal["RGB", "BGR"]
    divisor: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def affine(self, omits: frozenset[Omission] = frozenset()) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scale and shift, float32 [3] each in the order of ``order``: scale · channel + shift."""
        deviation = np.ones(3) if "deviation" in omits else np.array(self.deviation)
        mean = np.zeros(3) if "mean" in omits else np.array(self.mean)
        return (1 / (self.divisor * deviation)).astype(np.float32), (-mean / deviation).astype(np.float32)

    def apply(self, picture: NDArray[np.float32], omits: frozenset[Omission] = frozenset()) -> NDArray[np.float32]:
        """The same in numpy.

        Args:
            picture: float32 [batch, 3, height, width], RGB, 0 … 255.
        """
        scale, shift = self.affine(omits)
        ordered = picture[:, ::-1] if self.order == "BGR" else picture
        return ordered * scale[:, None, None] + shift[:, None, None]


CONVENTIONS = {
    convention.name: convention
    for convention in (
        # torchvision's, and Keras' "torch" mode.
        Convention("torch", "RGB", 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        # Keras' "caffe" mode: ImageNet's mean colour, no scaling.
        Convention("caffe", "BGR", 1.0, (103.939, 116.779, 123.68)),
        # The same rounded, as SqueezeNet's authors give it.
        Convention("caffe-rounded", "BGR", 1.0, (104.0, 117.0, 123.0)),
        # Keras' "tf" mode: −1 … 1.
        Convention("tf", "RGB", 127.5, (1.0, 1.0, 1.0)),
    )
}


def omissions(normalisation: str, toolkit_omits: frozenset[Omission]) -> frozenset[Omission]:
    """Steps that ``normalisation`` leaves out of the weights' convention.

    Raises:
        ValueError: there is no such normalisation.
    """
    if normalisation not in NORMALISATIONS:
        raise ValueError(f"there is no normalisation '{normalisation}': choose {' or '.join(NORMALISATIONS)}")
    return toolkit_omits if normalisation == "deepspectrum" else frozenset()
