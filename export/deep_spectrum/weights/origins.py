"""Files whose origin is known by their digest: normalisation of their training and licence."""

from dataclasses import dataclass

from service.card import Licence

UNKNOWN_LICENCE = Licence(
    spdx="LicenseRef-unknown", commercial_use=False, attribution="Weights of a file whose licence was not stated."
)

TORCHVISION_LICENCE = Licence(
    spdx="BSD-3-Clause",
    # torchvision points to terms that may follow from the data set, and ImageNet's permit research only.
    commercial_use=False,
    attribution="torchvision, Soumith Chintala 2016 and contributors; weights trained on ImageNet, whose terms apply",
)

TIMM_LICENCE = Licence(
    spdx="Apache-2.0",
    commercial_use=False,  # as above
    attribution="Xception of Keras (F. Chollet), ported by R. Cadene, in timm; trained on ImageNet, whose terms apply",
)

CAFFE_LICENCE = Licence(
    spdx="LicenseRef-bvlc-unrestricted",
    commercial_use=True,
    attribution="BVLC AlexNet of Caffe's model zoo (E. Shelhamer), released for unrestricted use; trained on ImageNet",
)

MIT_SQUEEZENET = Licence(
    spdx="MIT",
    commercial_use=True,
    attribution="SqueezeNet 1.1 (F. Iandola et al.) as in Microsoft's Windows-Machine-Learning samples",
)

CORAL_LICENCE = Licence(
    spdx="Apache-2.0", commercial_use=True, attribution="MobileNetV2 (M. Sandler et al., Google) in Coral's test data"
)


@dataclass(frozen=True)
class Origin:
    """Origin of a file, and the name of its convention."""

    source: str
    licence: Licence
    convention: str


KNOWN: dict[str, Origin] = {
    "21f25e3d9254af93e6218a359469fac714a017b3f9035c0f5c4acbf9a3ff7233": Origin(
        "squeezenet1_1_imagenet_fp16.onnx of Windows-Machine-Learning", MIT_SQUEEZENET, "caffe-rounded"
    ),
    "7aad0c74c5e3c06e5eb3c827e13304fdd68a83da6087d92ee169c24ff9fd4776": Origin(
        "mobilenet_v2_1.0_224_quant.tflite of Coral", CORAL_LICENCE, "tf"
    ),
    "5d3137241276e79c86d14a74fe43581398ae0e815191d3dba45495b810840e8c": Origin(
        "tf2_mobilenet_v2_1.0_224_ptq.tflite of Coral", CORAL_LICENCE, "tf"
    ),
}
"""Known weight files by SHA-256."""

CAFFE_SHA1 = "9116a64c0fbe4459d18f4bb6b56d647b63920377"
"""The only digest that Caffe's model zoo gives of its AlexNet."""

CAFFE_ORIGIN = Origin("bvlc_alexnet.caffemodel of Caffe's model zoo", CAFFE_LICENCE, "caffe")
