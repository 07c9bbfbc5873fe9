"""Licences of the corpora that the tables are made for, by the name of the corpus's folder."""

from collections.abc import Sequence

from export.corpora.tables import Corpus, CorpusError
from service.card import Licence, TrainingData

EMO_DB = ("EMO-DB", "CC0-1.0", "Burkhardt et al. 2005, doi:10.21437/Interspeech.2005-446")

CORPORA: dict[str, tuple[str, str, str]] = {
    "emodb4": EMO_DB,
    "emodb7": EMO_DB,
    "cremad": ("CREMA-D", "ODbL-1.0", "Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244"),
    "ravdess": ("RAVDESS", "CC-BY-NC-SA-4.0", "Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391"),
    "librispeech": ("LibriSpeech", "CC-BY-4.0", "Panayotov et al. 2015, doi:10.1109/ICASSP.2015.7178964"),
    "nemo": ("nEMO", "CC-BY-NC-SA-4.0", "Christop 2024, arXiv:2404.06292"),
}
"""Folder to name, licence and reference."""

COMMERCIAL = ("CC0-1.0", "ODbL-1.0", "CC-BY-4.0", "Apache-2.0")
"""Licences among these that permit commercial use."""


def training_data(corpora: Sequence[Corpus], licence: str | None = None) -> list[TrainingData]:
    """One entry of a card for each corpus; ``licence`` is taken for corpora that are not known here.

    Raises:
        CorpusError: a corpus is not known and no licence was given.
    """
    entries = []
    for corpus in corpora:
        if corpus.name not in CORPORA and licence is None:
            raise CorpusError(f"{corpus.folder}: the licence of this corpus is not known; name it with --licence")
        name, spdx, reference = CORPORA.get(corpus.name, (corpus.name, licence or "", ""))
        speakers = len({row.speaker for row in corpus.utterances})
        entries.append(
            TrainingData(
                name=name, licence=spdx, utterances=len(corpus.utterances), speakers=speakers, reference=reference
            )
        )
    return entries


def strictest_licence(data: Sequence[TrainingData]) -> Licence:
    """The licence of what was made from all of ``data``; a licence that is not known here counts as the strictest."""
    binding = [entry for entry in data if entry.licence not in COMMERCIAL]
    chosen = (binding or [entry for entry in data if entry.licence != "CC0-1.0"] or list(data))[0]
    sources = sorted({f"{entry.name} ({entry.reference or 'no reference'}, {entry.licence})" for entry in data})
    return Licence(
        spdx=chosen.licence,
        commercial_use=not binding,
        attribution=f"Made by the Emoserve project from {'; '.join(sources)}.",
    )
