"""Every network that can be trained or exported here, with its item in the checklist of reproduced systems."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One line of ``emoserve-export networks``.

    Attributes:
        items: items of the checklist, such as 'C7–C18'.
        differs: where it departs from its source, in words; empty where it does not.
    """

    name: str
    items: str
    what: str
    command: str
    differs: str = ""


CATALOGUE = (
    Entry(
        "emonet (preset open)",
        "C9–C16, C26",
        "residual network with adapters and attention on 128 mel bands; emotion, arousal, valence, embedding",
        "emoserve-export train emonet --recipe open",
        "5×5 stem of stride 2 on a finer picture; trained with AdamW, one cycle, SpecAugment, mixup, soft targets",
    ),
    Entry(
        "emonet (preset paper)",
        "C7, C9–C22, F4, G1",
        "EmoNet as printed: 512/256 STFT, 64 mel bands, three learning-rate stages, round robin over corpora",
        "emoserve-export train emonet --recipe paper --preset paper",
        "padded time is masked (F5); normalisation is per corpus in transfer too (F7); channel-wise dropout",
    ),
    Entry(
        "emonet (preset code)",
        "C8, F4",
        "the same network with the released code's front end: 1024/512 STFT, 128 mel bands",
        "emoserve-export train emonet --recipe paper --preset code",
        "as preset paper",
    ),
    Entry(
        "emonet adapter transfer",
        "C15, C20, C22",
        "shared part frozen or tuned, new adapters, normalisation and head for new corpora",
        "emoserve-export train emonet --recipe paper --mode {full,head,adapters} --start FILE",
    ),
    Entry(
        "eGeMAPS + linear SVM",
        "C3",
        "openSMILE functionals (88), standardised, C chosen on devel; a yardstick, never served",
        "emoserve-export rivals --features eGeMAPSv02",
        "eGeMAPSv02 in place of v01a",
    ),
    Entry(
        "ComParE + linear SVM",
        "A19",
        "openSMILE functionals (6 373), standardised, C chosen on devel; a yardstick, never served",
        "emoserve-export rivals --features ComParE_2016",
        "the 2016 set, which has the same functionals as that of 2013 with mended code",
    ),
    Entry(
        "voice activity",
        "E3 (turns)",
        "silero-vad's sequence graph, taken from its package and wrapped as a bundle",
        "emoserve-export voice-activity",
        "third-party weights (MIT), not trained here",
    ),
)
