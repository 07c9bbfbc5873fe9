"""The eleven extractors as a table: layer, length, picture size and what the toolkit does to its pictures (A.3, D)."""

from dataclasses import dataclass

from export.deep_spectrum.networks.normalisation import CONVENTIONS, Convention, Omission

NOTHING: frozenset[Omission] = frozenset()
MEAN: frozenset[Omission] = frozenset({"mean"})
MEAN_AND_DEVIATION: frozenset[Omission] = frozenset({"mean", "deviation"})


@dataclass(frozen=True)
class Extractor:
    """One network and the layer that is read.

    Attributes:
        item: in the checklist of reproduced systems.
        size: edge of the picture in pixels.
        dim: length of the embedding.
        layer: the layer in the publisher's own words (F22).
        after_relu: whether the embedding cannot be negative because its layer is a ReLU or a mean of one (G6).
        toolkit_convention: training normalisation of the weights that the toolkit uses (table A.3).
        toolkit_omits: steps of it that the toolkit leaves out (F15, D3).
        publisher_convention: training normalisation of the weights of ``load_weights(name, "publisher")``.
    """

    name: str
    item: str
    title: str
    size: int
    dim: int
    layer: str
    after_relu: bool
    toolkit_convention: Convention
    toolkit_omits: frozenset[Omission]
    publisher_convention: Convention

    @property
    def toolkit_preprocessing(self) -> str:
        """Table A.3's last column, in words."""
        convention, omits = self.toolkit_convention, self.toolkit_omits
        steps: list[str] = [convention.order]
        if convention.divisor != 1.0:
            steps.append(f"/{convention.divisor:g}")
        steps.append("no mean" if "mean" in omits else f"minus ({', '.join(f'{m:g}' for m in convention.mean)})")
        if "deviation" in omits:
            steps.append("no deviation")
        elif set(convention.deviation) != {1.0}:
            steps.append(f"/({', '.join(f'{d:g}' for d in convention.deviation)})")
        return ", ".join(steps)


def _extractor(
    name: str,
    item: str,
    title: str,
    size: int,
    dim: int,
    layer: str,
    toolkit: str,
    omits: frozenset[Omission] = NOTHING,
    publisher: str = "torch",
) -> Extractor:
    return Extractor(
        name=name,
        item=item,
        title=title,
        size=size,
        dim=dim,
        layer=layer,
        after_relu=True,
        toolkit_convention=CONVENTIONS[toolkit],
        toolkit_omits=omits,
        publisher_convention=CONVENTIONS[publisher],
    )


GLOBAL_MEAN = "mean over all cells of the last feature map"

EXTRACTORS: dict[str, Extractor] = {
    extractor.name: extractor
    for extractor in (
        _extractor(
            "alexnet", "A8", "AlexNet, one tower", 227, 4096, "classifier[5], ReLU of fc7", "torch", MEAN_AND_DEVIATION
        ),
        _extractor("vgg16", "A9", "VGG16", 224, 4096, "classifier[4], ReLU of fc2", "caffe", MEAN),
        _extractor("vgg19", "A10", "VGG19", 224, 4096, "classifier[4], ReLU of fc2", "caffe", MEAN),
        _extractor("resnet50", "A11", "ResNet50", 224, 2048, GLOBAL_MEAN, "caffe"),
        _extractor("densenet121", "A12", "DenseNet121", 224, 1024, GLOBAL_MEAN, "torch"),
        _extractor("densenet169", "A13", "DenseNet169", 224, 1664, GLOBAL_MEAN, "torch"),
        _extractor("densenet201", "A14", "DenseNet201", 224, 1920, GLOBAL_MEAN, "torch"),
        _extractor("mobilenet_v2", "A15", "MobileNetV2 1.0", 224, 1280, GLOBAL_MEAN, "tf"),
        _extractor(
            "squeezenet", "A16", "SqueezeNet 1.1", 224, 2048, "features, mean over 2×2 cells, order C, H, W", "torch"
        ),
        _extractor("xception", "A17", "Xception", 299, 2048, GLOBAL_MEAN, "tf", publisher="tf"),
        _extractor(
            "alexnet_caffe", "D4", "AlexNet, Caffe's, two groups", 227, 4096, "ReLU of fc7", "caffe", MEAN, "caffe"
        ),
    )
}
