"""Fetching a published model from the hub: its licence first, then the files of one pinned commit, hash-checked."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HTTPError

from export.published import emotion2vec_folder, speechbrain_folder
from export.published.folder import (
    CONFIG,
    FRONT_END,
    LICENCE_FILES,
    PICKLE,
    SAFETENSORS,
    PublishedError,
    licence_text,
    refuse_large,
    sha256_of,
)
from export.published.licence import MODEL_CARD, hub_identifier

NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
"""Owner and model, as the hub names them."""

WEIGHTS = {
    speechbrain_folder.HYPERPARAMS: (speechbrain_folder.ENCODER_WEIGHTS, speechbrain_folder.HEAD_WEIGHTS),
    emotion2vec_folder.DESCRIPTION: (emotion2vec_folder.WEIGHTS,),
    SAFETENSORS: (SAFETENSORS,),
    PICKLE: (PICKLE,),
}
"""File that tells a layout, and its files of weights; the first that is there counts."""

SMALL_FILES = (
    CONFIG,
    FRONT_END,
    speechbrain_folder.HYPERPARAMS,
    speechbrain_folder.LABELS,
    emotion2vec_folder.DESCRIPTION,
    emotion2vec_folder.TOKENS,
    MODEL_CARD,
    *LICENCE_FILES,
)

ENDPOINT: str | None = None
"""Address of the hub; None for that of huggingface_hub, which its variable HF_ENDPOINT changes."""

Consent = Callable[[str, str], None]
"""Shown the licence's identifier and its text before weights are fetched; raises where the user does not agree."""


@dataclass(frozen=True)
class Fetched:
    """A model of the hub.

    Attributes:
        folder: where its files lie.
        revision: commit that they are of.
    """

    folder: Path
    revision: str


def fetch(name: str, revision: str | None, out: Path, consent: Consent) -> Fetched:
    """Fetch the files of ``name`` that an import reads into ``out/<owner>--<model>/<commit>``.

    Args:
        revision: commit, tag or branch; None for the newest. Either is pinned to its commit first.
        consent: asked once the small files are here.

    Raises:
        PublishedError: the hub cannot be reached or does not have it, weights do not fit, or a file has another hash
            than the hub tells.
    """
    try:
        info = HfApi(endpoint=ENDPOINT).model_info(name, revision=revision, files_metadata=True)
        commit = str(info.sha)
        found = {entry.rfilename: entry for entry in info.siblings or ()}
        weights = next((files for mark, files in WEIGHTS.items() if mark in found), ())
        if not weights:
            raise PublishedError(f"{name}@{commit[:12]}: neither {SAFETENSORS} nor {PICKLE}, and no other known layout")
        if missing := [file for file in weights if file not in found]:
            raise PublishedError(f"{name}@{commit[:12]}: no {missing[0]}")
        for file in weights:
            refuse_large(Path(file), found[file].size or 0)
        folder = out / name.replace("/", "--") / commit
        snapshot_download(name, revision=commit, local_dir=folder, allow_patterns=list(SMALL_FILES), endpoint=ENDPOINT)
        consent(hub_identifier(folder), licence_text(folder))
        snapshot_download(name, revision=commit, local_dir=folder, allow_patterns=[*weights], endpoint=ENDPOINT)
    except (HfHubHTTPError, HTTPError, OSError) as error:
        why = " ".join(str(error).split())[:160] or type(error).__name__
        raise PublishedError(f"{name}: cannot be fetched from the hub ({why})") from error
    for file in weights:
        told = found[file].lfs
        if told is not None and sha256_of(folder / file) != told.sha256:
            raise PublishedError(f"{folder / file}: its sha256 is not {told.sha256[:12]}…, which the hub tells")
    return Fetched(folder, commit)
