"""Fetching the publisher's weights: torchvision's, and timm's for Xception."""

from pathlib import Path
from urllib.parse import urlparse

import torch
import torchvision

from export.deep_spectrum.networks.layers import WeightsError
from export.deep_spectrum.weights.origins import TIMM_LICENCE, TORCHVISION_LICENCE, Origin

TORCHVISION_NAMES = {"squeezenet": "squeezenet1_1"}
"""torchvision's names that differ from ours."""

RELEASE = "IMAGENET1K_V1"
"""torchvision's first release of each network: the weights that were current when A8 was published."""


def publisher_url(name: str) -> str:
    """Address of the publisher's file.

    Raises:
        WeightsError: the network's publisher offers none that can be fetched here.
    """
    if name == "alexnet_caffe":
        raise WeightsError("Caffe's AlexNet has no publisher's download here: name bvlc_alexnet.caffemodel as a file")
    if name == "xception":
        import timm  # slow to import

        published = timm.get_pretrained_cfg("legacy_xception")
        assert published is not None
        return str(published.url)
    return str(torchvision.models.get_model_weights(TORCHVISION_NAMES.get(name, name))[RELEASE].url)


def fetch(name: str) -> Path:
    """The publisher's file from PyTorch's cache, downloaded and hash-checked where it is not there.

    Raises:
        WeightsError: there is no network, or the publisher does not answer with the right file.
    """
    url = publisher_url(name)
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / Path(urlparse(url).path).name
    if file.is_file():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(file), _digest_in_name(file.name), progress=False)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"the publisher's weights of {name} cannot be downloaded ({error}): fetch {url} elsewhere and name the file"
        ) from error
    return file


def publisher_origin(name: str, file: Path) -> Origin:
    """Convention, licence and source of a publisher's file."""
    if name == "xception":
        return Origin(f"timm legacy_xception ({file.name})", TIMM_LICENCE, "tf")
    return Origin(f"torchvision {RELEASE} ({file.name})", TORCHVISION_LICENCE, "torch")


def is_publishers(name: str, sha256: str) -> bool:
    """Whether a digest is that of the publisher's file, whose name holds its beginning."""
    if name == "alexnet_caffe":
        return False
    return sha256.startswith(_digest_in_name(Path(urlparse(publisher_url(name)).path).name))


def _digest_in_name(file_name: str) -> str:
    return file_name.rpartition("-")[2].partition(".")[0]
