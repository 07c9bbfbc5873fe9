"""How public corpora say in a file's name who speaks and with which emotion.

Each layout is what its publisher's page documents. Corpora that keep this in a table are in
:mod:`export.corpora.label_tables`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

AUDIO_SUFFIXES: Final = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".sph")
"""Recordings that libsndfile reads."""


@dataclass(frozen=True)
class Layout:
    """The file names of one corpus.

    Attributes:
        title: what the corpus is called.
        page: where its publisher documents the names.
        example: a path as the publisher lays it out.
        pattern: a regular expression for the end of the path without its suffix, with the groups ``emotion`` and
            ``speaker``, and perhaps ``sex`` and ``partition``.
        emotions: the project's name of each emotion code.
        sex: 'female', 'male' or '' of a speaker.
    """

    title: str
    page: str
    example: str
    pattern: str
    emotions: Mapping[str, str]
    sex: Callable[[str], str] = field(default=lambda _: "")

    def parts(self, path: str) -> dict[str, str] | None:
        """Emotion code, speaker and sex of a path with '/' and without suffix; None where the pattern does not fit."""
        found = re.fullmatch(f"(?:.*/)?{self.pattern}", path)
        if found is None:
            return None
        parts = found.groupdict()
        return {"emotion": parts["emotion"], "speaker": parts["speaker"], "sex": self._sex(parts)}

    def _sex(self, parts: Mapping[str, str]) -> str:
        told = parts.get("sex", "").lower()
        return {"f": "female", "m": "male"}.get(told) or self.sex(parts["speaker"])


def _odd_is_male(speaker: str) -> str:
    return "male" if int(speaker) % 2 else "female"


def _first_letter(speaker: str) -> str:
    return {"f": "female", "m": "male"}.get(speaker[:1].lower(), "")


_ENGLISH: Final = {
    "angry": "anger",
    "calm": "calm",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}
_ITALIAN: Final = {
    "dis": "disgust",
    "gio": "happiness",
    "neu": "neutral",
    "pau": "fear",
    "rab": "anger",
    "sor": "surprise",
    "tri": "sadness",
}
_TITLED: Final = {name.capitalize(): value for name, value in _ENGLISH.items()}

LAYOUTS: Final[Mapping[str, Layout]] = {
    "emodb": Layout(
        "EMO-DB",
        "http://emodb.bilderbar.info/index-1280.html",
        "wav/03a01Fa.wav",
        r"(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[A-Z])[a-z]?",
        {
            "W": "anger",
            "L": "boredom",
            "E": "disgust",
            "A": "fear",
            "F": "happiness",
            "T": "sadness",
            "N": "neutral",
        },
        lambda speaker: "male" if speaker in {"03", "10", "11", "12", "15"} else "female",
    ),
    "ravdess": Layout(
        "RAVDESS, speech",
        "https://zenodo.org/records/1188976",
        "Actor_12/03-01-06-01-02-01-12.wav",
        r"03-01-(?P<emotion>\d\d)-\d\d-\d\d-\d\d-(?P<speaker>\d\d)",
        {
            "01": "neutral",
            "02": "calm",
            "03": "happiness",
            "04": "sadness",
            "05": "anger",
            "06": "fear",
            "07": "disgust",
            "08": "surprise",
        },
        _odd_is_male,
    ),
    "cremad": Layout(
        "CREMA-D",
        "https://github.com/CheyneyComputerScience/CREMA-D",
        "AudioWAV/1001_DFA_ANG_XX.wav",
        r"(?P<speaker>\d{4})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_[A-Z]{1,2}",
        {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"},
    ),
    "tess": Layout(
        "TESS",
        "https://doi.org/10.5683/SP2/E8H2MF",
        "OAF_angry/OAF_back_angry.wav",
        r"(?P<speaker>[OY]A)F?_[a-z]+_(?P<emotion>[a-z]+)",
        _ENGLISH | {"ps": "surprise"},
        lambda _: "female",
    ),
    "savee": Layout(
        "SAVEE",
        "http://kahlan.eps.surrey.ac.uk/savee/",
        "AudioData/DC/sa03.wav",
        r"(?P<speaker>[A-Z]{2})[/_](?P<emotion>[a-z]{1,2})\d\d",
        {
            "a": "anger",
            "d": "disgust",
            "f": "fear",
            "h": "happiness",
            "n": "neutral",
            "sa": "sadness",
            "su": "surprise",
        },
        lambda _: "male",
    ),
    "emovo": Layout(
        "EMOVO",
        "http://voice.fub.it/activities/corpora/emovo/index.html",
        "f1/rab-f1-b2.wav",
        r"(?P<emotion>[a-z]{3})-(?P<speaker>[fm]\d)-[a-z]+\d*",
        _ITALIAN,
        _first_letter,
    ),
    "demos": Layout(
        "DEMoS",
        "https://zenodo.org/records/2544829",
        "DEMOS/PR_f_01_rab01a.wav",
        r"(?:NP|PR)_(?P<sex>[fm])_(?P<speaker>\d\d)_(?:[a-z]+_)?(?P<emotion>[a-z]{3})\d\d[a-z]",
        _ITALIAN | {"col": "guilt"},
    ),
    "turev": Layout(
        "TurEV-DB",
        "https://github.com/Xeonen/TurEV-DB",
        "Sound Source/Angry/1157_kz_beste.wav",
        r"(?P<emotion>[A-Z][a-z]+)/(?P<speaker>\d{4})_[a-z]{2}_[^/]+",
        _TITLED,
    ),
    "baved": Layout(
        "BAVED (levels of emotion: tired, everyday, strong)",
        "https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset",
        "3/15-m-20-3-1-357.wav",
        r"(?P<speaker>\d+)-(?P<sex>[mfMF])-\d+-[0-6]-(?P<emotion>\d)-\d+",
        {"0": "low", "1": "neutral", "2": "high"},
    ),
    "casia": Layout(
        "CASIA, Chinese emotional speech",
        "http://www.chineseldc.org/resource_info.php?rid=76",
        "liuchanhong/angry/201.wav",
        r"(?P<speaker>[^/]+)/(?P<emotion>[a-z]+)/\d+",
        _ENGLISH,
    ),
    "urdu": Layout(
        "URDU",
        "https://github.com/siddiquelatif/URDU-Dataset",
        "Angry/SM1_F1_A01.wav",
        r"(?P<speaker>S(?P<sex>[MF])\d+)_F\d+_(?P<emotion>[A-Z])\d+",
        {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"},
    ),
    "enterface": Layout(
        "eNTERFACE'05 (videos, converted beside their originals)",
        "http://www.enterface.net/enterface05/",
        "subject 1/anger/sentence 1/s1_an_1.wav",
        r"subject (?P<speaker>\d+)/(?:.*/)?s_?\d+_(?P<emotion>[a-z]{2})_\d+(?:avi)?",
        {"an": "anger", "di": "disgust", "fe": "fear", "ha": "happiness", "sa": "sadness", "su": "surprise"},
    ),
    "shemo": Layout(
        "ShEMO",
        "https://github.com/mansourehk/ShEMO",
        "female/F01A02.wav",
        r"(?P<speaker>(?P<sex>[FM])\d\d)(?P<emotion>[A-Z])\d+",
        {"A": "anger", "F": "fear", "H": "happiness", "N": "neutral", "S": "sadness", "W": "surprise"},
    ),
    "cafe": Layout(
        "CaFE",
        "https://zenodo.org/records/1478765",
        "Colère/Faible/01-C-1-1.wav",
        r"(?P<speaker>\d\d)-(?P<emotion>[A-Z])-\d-\d",
        {
            "C": "anger",
            "D": "disgust",
            "J": "happiness",
            "N": "neutral",
            "P": "fear",
            "S": "surprise",
            "T": "sadness",
        },
        _odd_is_male,
    ),
}
"""Name on the command line to the layout."""
