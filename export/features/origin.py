"""Origin of features: the network and weights that made them, the data, and the licences."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from export.failures import UserError
from service.card import Card, Licence, Member, TrainingData


class OriginError(UserError):
    """A statement of origin that cannot be read; the message names the file."""


class Backbone(BaseModel):
    """The network or program that turned sound into one block of features.

    Attributes:
        kind: 'graph' is a bundle's graph; 'opensmile' is a program, which no graph can hold; 'unknown' is a table
            without a statement of origin.
        network: name of the network, or of the feature set.
        preset: front end inside the graph.
        weights_sha256: digest of the weights; empty where there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["graph", "opensmile", "unknown"]
    network: str
    preset: str = ""
    weights_sha256: str = ""
    licence: Licence
    dimensions: int
    sample_rate_hz: int = 0
    max_length_s: float = 0.0
    members: list[Member] = []


class Origin(BaseModel):
    """Statement beside a table of features, as JSON.

    Attributes:
        backbones: in the order of their columns.
        window_s, hop_s: how recordings were cut; None where a row is an utterance.
        left_out: recordings without a row, or with fewer than windows, each with the cause.
        pooled: recordings longer than the network takes, whose row is the mean over windows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    backbones: list[Backbone]
    data: list[TrainingData] = []
    window_s: float | None = None
    hop_s: float | None = None
    left_out: list[str] = []
    pooled: int = 0


UNKNOWN_LICENCE = Licence(spdx="LicenseRef-not-stated", commercial_use=False)


def unknown_origin(dimensions: int) -> Origin:
    """The origin of a table that comes without a statement."""
    backbone = Backbone(kind="unknown", network="unknown", licence=UNKNOWN_LICENCE, dimensions=dimensions)
    return Origin(backbones=[backbone])


def backbone_of(card: Card, dimensions: int) -> Backbone:
    """The identity of a bundle's network.

    The digest is that of the file that the weights came from, where the card names one network with such a file;
    else that of the bundle's own weights or graph.
    """
    assert card.speech is not None
    stated = [member.weights_sha256 for member in card.members]
    digest = stated[0] if len(stated) == 1 and stated[0] else _own_digest(card)
    members = card.members or [
        Member(network=card.name, weights_sha256=digest, licence=card.licence, dimensions=dimensions)
    ]
    return Backbone(
        kind="graph",
        network=members[0].network if len(members) == 1 else card.name,
        preset=card.speech.preset,
        weights_sha256=digest,
        licence=card.licence,
        dimensions=dimensions,
        sample_rate_hz=card.speech.sample_rate_hz,
        max_length_s=card.speech.max_length_s,
        members=members,
    )


def _own_digest(card: Card) -> str:
    roles = [entry.role for entry in card.files.values()]
    return card.files[card.file_with_role("weights" if "weights" in roles else "model")].sha256


def origin_file(table: Path) -> Path:
    """File that states the origin of ``table``: the same name with '.json' behind it."""
    return table.with_name(table.name + ".json")


def read_origin(table: Path, dimensions: int) -> Origin:
    """The origin stated beside ``table``, or an unknown one.

    Raises:
        OriginError: the statement cannot be read, or speaks of another number of features.
    """
    file = origin_file(table)
    if not file.is_file():
        return unknown_origin(dimensions)
    try:
        origin = Origin.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise OriginError(f"{file}: not a statement of origin: {error.errors()[0]['msg']}") from error
    stated = sum(backbone.dimensions for backbone in origin.backbones)
    if stated != dimensions:
        raise OriginError(f"{file}: speaks of {stated} features, the table has {dimensions}")
    return origin
