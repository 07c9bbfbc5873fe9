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
        "shallow CNN A",
        "E11",
        "four stacked convolutions (50, 30, 20, 5) on 37 action-unit columns, 10.2 s receptive field",
        "emoserve-export train shallow-fau --network A",
        "filters a layer are not printed; chosen here and named in the card",
    ),
    Entry(
        "shallow CNN B, C, D",
        "E7–E10, E12–E14, E16–E18, E21, G7",
        "one filter of kernel 100; with a dense layer (B), without (C), and B folded exactly to the form of C (D)",
        "emoserve-export train shallow-fau --network {B,C,D}",
        "features over 1 s by time, not by frame count (F18)",
    ),
    Entry(
        "shallow CNN E",
        "E15",
        "D on a chosen subset of the columns",
        "emoserve-export train shallow-fau --network E --columns NAME…",
    ),
    Entry(
        "AVEC LSTM baseline",
        "E19, E20",
        "LSTM 64 and 32 on the same columns",
        "emoserve-export train shallow-fau --network lstm",
    ),
    Entry(
        "affect prior",
        "E3, E4, E15, E16",
        "one-filter CNN whose weights come from human ratings of action units; a documented prior, not a trained model",
        "emoserve-export affect-prior",
        "no corpus of faces with continuous labels can be shipped",
    ),
    Entry(
        "face networks",
        "E3",
        "MediaPipe's detector, mesh and blendshapes, converted from TFLite to ONNX",
        "emoserve-export faces",
        "in place of OpenFace, whose licence forbids commercial use; third-party weights (Apache-2.0)",
    ),
    Entry(
        "17 action units",
        "E3",
        "ridge heads on the aligned mesh and blendshapes, and a rule mapping, 0 … 5",
        "emoserve-export action-units",
        "trained on synthetic faces; not verified on real ones",
    ),
    Entry(
        "voice activity",
        "E3 (turns)",
        "silero-vad's sequence graph, taken from its package and wrapped as a bundle",
        "emoserve-export voice-activity",
        "third-party weights (MIT), not trained here",
    ),
    Entry(
        "LSTM denoiser",
        "D12",
        "100 mel bands, three LSTM layers of 256 with tanh layers of 64 between them, mask, overlap-add; waveform out",
        "emoserve-export train denoiser, then export denoiser",
        "trained on EMO-DB in synthetic noises and rooms, not on AVIC; 32 ms frames, loss and mel scale are choices",
    ),
    Entry(
        "bag of audio words",
        "D8, F13",
        "MFCC 1–12 and log energy, random codebook, histogram of the nearest codewords; an embedding",
        "emoserve-export train bag-of-audio-words",
        "shares in place of an unnamed weighting; 26 HTK-mel bands; every Na of F13",
    ),
)
