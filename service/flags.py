"""Flags of answers: a closed list, each with the sentence that OpenAPI, documents, page and client show.

``GET /v1/flags`` lists this file. An answer holds the flags that apply, in no order of importance.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

About = Literal["recording", "rows", "answer"]
"""A flag is about the whole recording, about some rows of the answer, or about how the answer was made."""


class Flag(StrEnum):
    """One remark on an answer."""

    SILENT = "silent"
    SILENT_WINDOWS = "silent_windows"
    NO_SPEECH = "no_speech"
    NO_AUDIO = "no_audio"
    AUDIO_UNUSABLE = "audio_unusable"
    NO_VOICE_ACTIVITY = "no_voice_activity"
    VOICE_UNCERTAIN = "voice_uncertain"
    CLIPPED = "clipped"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    HEADER_REPAIRED = "header_repaired"
    TRAILING_DATA = "trailing_data"
    SOUND_GAP = "sound_gap"
    SEVERAL_TRACKS = "several_tracks"
    MIX_CANCELS = "mix_cancels"
    DENOISED = "denoised"
    UNCERTAIN = "uncertain"
    NO_FACE = "no_face"
    FACE_LOST = "face_lost"
    SEVERAL_FACES = "several_faces"
    FACES_LEFT_OUT = "faces_left_out"
    NO_NEUTRAL = "no_neutral"
    NEUTRAL_SMILES = "neutral_smiles"
    NO_ATTRIBUTION = "no_attribution"
    ONE_TARGET = "one_target"
    THINNED = "thinned"
    TIMES_REPAIRED = "times_repaired"
    PRIOR = "trained: prior"


@dataclass(frozen=True)
class FlagFacts:
    """Meaning of a flag.

    Attributes:
        about: see :data:`About`.
        title: two to four words.
        description: one sentence for the reader of an answer.
        since: first version of the service that emits it.
    """

    about: About
    title: str
    description: str
    since: str = "0.1.0"


FACTS: Final = MappingProxyType(
    {
        Flag.SILENT: FlagFacts("recording", "Silent recording", "The recording is silent."),
        Flag.SILENT_WINDOWS: FlagFacts("rows", "Silent windows", "Some windows are silent."),
        Flag.NO_SPEECH: FlagFacts("recording", "No speech", "No speech was found, so no emotion is claimed."),
        Flag.NO_AUDIO: FlagFacts("recording", "No sound", "There is no sound."),
        Flag.AUDIO_UNUSABLE: FlagFacts("recording", "Unusable sound", "The sound track could not be used."),
        Flag.NO_VOICE_ACTIVITY: FlagFacts(
            "answer", "Speech not told apart", "Speech could not be told from other sounds."
        ),
        Flag.VOICE_UNCERTAIN: FlagFacts(
            "rows",
            "Voice uncertain",
            "Some of what was judged is voice by its pitch and level, but not for the voice detector.",
        ),
        Flag.CLIPPED: FlagFacts(
            "recording", "Clipped sound", "The loudest parts of the sound were cut off when it was recorded."
        ),
        Flag.TRUNCATED: FlagFacts("recording", "File ends early", "The file ends early; what was there is judged."),
        Flag.DAMAGED: FlagFacts("recording", "Damaged file", "Part of the file is damaged and was left out."),
        Flag.HEADER_REPAIRED: FlagFacts(
            "recording", "Header repaired", "The file's header did not fit its samples; all samples found were used."
        ),
        Flag.TRAILING_DATA: FlagFacts(
            "recording", "Data left out", "Data that is no sound follows the sound in the file and was left out."
        ),
        Flag.SOUND_GAP: FlagFacts(
            "rows", "Gap in the sound", "Part of the recording has no sound; nothing is claimed for that time."
        ),
        Flag.SEVERAL_TRACKS: FlagFacts(
            "recording", "Several tracks", "The file has several tracks of this kind; the answer is about one of them."
        ),
        Flag.MIX_CANCELS: FlagFacts(
            "recording",
            "Mix cancels",
            "The channels cancel each other when they are mixed, so the louder channel was judged instead.",
        ),
        Flag.DENOISED: FlagFacts("answer", "Noise removed", "Noise was removed first."),
        Flag.UNCERTAIN: FlagFacts(
            "answer",
            "Uncertain emotion",
            "Two or more emotions are plausible; the most probable one may well be wrong.",
        ),
        Flag.NO_FACE: FlagFacts("recording", "No face", "No face was found, so there are no values."),
        Flag.FACE_LOST: FlagFacts(
            "rows", "Face lost", "The face was out of sight for a while; nothing is claimed for that time."
        ),
        Flag.SEVERAL_FACES: FlagFacts(
            "recording", "Several faces", "There are several faces; the values are of one of them."
        ),
        Flag.FACES_LEFT_OUT: FlagFacts(
            "answer",
            "Faces left out",
            "Some faces were left out: the smallest beyond the limit, or those that the neutral stretch does not show.",
        ),
        Flag.NO_NEUTRAL: FlagFacts(
            "answer", "No resting face", "The face was seen too briefly to know its resting look: levels are rough."
        ),
        Flag.NEUTRAL_SMILES: FlagFacts(
            "answer", "Smile as rest", "The face seems to smile in what was taken for its rest: smiles read too low."
        ),
        Flag.NO_ATTRIBUTION: FlagFacts("answer", "No attribution", "There is no attribution for this recording."),
        Flag.ONE_TARGET: FlagFacts(
            "answer",
            "One target only",
            "The affect model tells one of arousal and valence; the other is null.",
        ),
        Flag.THINNED: FlagFacts(
            "recording",
            "Frames left out",
            "The video has more frames a second than the limit; every other or third was looked at.",
        ),
        Flag.TIMES_REPAIRED: FlagFacts(
            "recording", "Times repaired", "Time stamps were absent or did not increase, and were replaced."
        ),
        Flag.PRIOR: FlagFacts(
            "answer", "Untrained prior", "The affect model is a documented prior: read changes, not levels."
        ),
    }
)
"""Meaning of every flag."""
