"""The licence of a published model: its name as SPDX, whether it permits commercial use, and its text."""

from pathlib import Path

from huggingface_hub.repocard import metadata_load

from export.classifiers.licences import data_licence
from export.published.folder import PublishedError
from service.card import Licence, TrainingData

MODEL_CARD = "README.md"
SPDX = {
    "afl-3.0": "AFL-3.0", "apache-2.0": "Apache-2.0", "bsd": "BSD-3-Clause", "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause", "isc": "ISC", "mit": "MIT", "odbl": "ODbL-1.0", "pddl": "PDDL-1.0",
    "unlicense": "Unlicense",
}  # fmt: skip
"""The hub's identifier to that of SPDX, where it is more than upper case."""

UNSTATED = ("", "other", "unknown")


def hub_identifier(folder: Path) -> str:
    """The licence that the publisher's model card names in its header; empty where it names none."""
    file = folder / MODEL_CARD
    try:
        found = (metadata_load(file) or {}).get("license", "") if file.is_file() else ""
    except Exception as error:  # whatever a YAML library raises
        raise PublishedError(f"{file}: its header is no YAML ({str(error).splitlines()[0]})") from error
    return found if isinstance(found, str) else ""


def licence_of(identifier: str, chosen: str | None, publisher: str, *, permits_commerce: bool = False) -> Licence:
    """The licence on the card.

    Args:
        identifier: what the publisher names, as the hub writes it.
        chosen: what the user says instead, as SPDX.
        publisher: whom to name.
        permits_commerce: the user says that a licence that is not known here permits commercial use.

    Raises:
        PublishedError: nobody names a licence.
    """
    if not chosen and identifier.lower() in UNSTATED:
        raise PublishedError(
            f"{publisher} names no licence ('{identifier or 'none'}'): read its terms, then name it with --licence SPDX"
        )
    own = identifier if identifier.startswith("LicenseRef-") else identifier.upper()
    spdx = chosen or SPDX.get(identifier.lower(), own)
    known = data_licence(TrainingData(name=publisher, licence=spdx))
    return Licence(
        spdx=spdx,
        commercial_use=known.commercial_use or permits_commerce,
        attribution=f"Weights by {publisher}, exported to ONNX by Emoserve; nothing else was changed.",
    )
