"""Every network that can be trained or exported here, with its item in the checklist of reproduced systems."""

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
        "padded time is masked (F5); normalisation is per corpus in transfer too (F7); channel-wise dropout; "
        "a graph for each corpus; arousal and valence from the emotions' places in the plane",
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
        "C5, C15, C20–C22, C24, C25",
        "shared part frozen or tuned, new adapters, normalisation and head for new corpora; baseline without adapters; "
        "sources by levels of arousal and valence",
        "emoserve-export train emonet --recipe paper --mode {full,head,adapters} --start FILE [--start-domain NAME]",
    ),
    Entry(
        "emonet (VGG16)",
        "C6, C16, C19, C20",
        "VGG16, frozen as a whole or in part, behind a learned colour map; attention or mean, EmoNet's head",
        "emoserve-export train emonet --recipe paper --vgg16 {publisher,FILE} [--frozen-layers N] [--sharpness 0]",
        "torchvision's weights, not Keras'; no recurrent top; an odd last column is pooled alone; no published result",
    ),
    Entry(
        "ge2e",
        "B10",
        "three LSTM layers of a speaker encoder (GE2E, 40 mel bands) with attention and two dense layers; emotion, "
        "arousal, valence, embedding",
        "emoserve-export train ge2e --encoder WHEEL",
        "no system of the papers: the encoder of resemblyzer 0.1.4 learns on, with the emotions",
    ),
    Entry(
        "recogniser",
        "B1–B5, B10, F10, F11, G5",
        "two convolutions, five bidirectional GRU layers with directions added, characters by CTC; its layers as an "
        "embedding; checkpoints of deepspeech.pytorch are read too",
        "emoserve-export train recogniser, then export recogniser --layers N",
        "AdamW with one cycle in place of B4; frames outside the clip are zeros; tempo changes between frames of the "
        "spectrogram; F10's width is preset paper",
    ),
    Entry(
        "ge2e-encoder",
        "B15",
        "the GE2E speaker encoder as it was published: mean and deviation of its three LSTM layers as an embedding",
        "emoserve-export export ge2e-encoder --encoder WHEEL",
        "no system of the papers: third-party weights (Apache-2.0)",
    ),
    Entry(
        "ge2e-speakers",
        "B15",
        "the GE2E speaker encoder's embedding beside a projection of its layers (linear discriminant analysis)",
        "emoserve-export export ge2e-speakers --encoder WHEEL --corpus DIR…",
        "no system of the papers: tells who speaks when",
    ),
    Entry(
        "plot ottl-2020",
        "A4–A7, F1–F3, F16",
        "whole clip, 2048/1024 FFT, 128 Slaney mel bands in dB on librosa's mel axis, viridis, 227 pixels, bicubic",
        "emoserve-export export NETWORK --preset ottl-2020",
        "16 kHz unless --sample-rate-hz says 44100, which the source must have had (A6)",
    ),
    Entry(
        "plot emonet-2021",
        "C1, C4, F9",
        "whole clip at 16 kHz, 512/256 FFT, 128 mel bands, magma",
        "emoserve-export export NETWORK --preset emonet-2021",
    ),
    Entry(
        "plot cummins-2017",
        "D1–D3, F16",
        "whole clip without silent ends, 256/128 FFT, 129 linear bins in dB, viridis, nearest pixel",
        "emoserve-export export NETWORK --preset cummins-2017",
    ),
    Entry(
        "plot avec-2019",
        "A6, F1, F2",
        "windows of 4 s every 1 s, 512/256 FFT, 128 mel bands, viridis",
        "emoserve-export export NETWORK --preset avec-2019",
    ),
    Entry(
        "plot of your own",
        "A4–A7, D1, F1–F3",
        "any preset with other FFT, hop, bands, colour map, mel formula, windows; any layer of the network",
        "emoserve-export export NETWORK --colour-map NAME --bands N --layer NAME …",
    ),
    Entry(
        "deep spectrum alexnet",
        "A8",
        "AlexNet, ReLU of fc7, 4096 numbers of a 227-pixel plot",
        "emoserve-export export alexnet --weights {publisher,FILE}",
        "/255 without mean and deviation, as the toolkit",
    ),
    Entry(
        "deep spectrum vgg16",
        "A9, F15",
        "VGG16, ReLU of fc2, 4096 numbers",
        "emoserve-export export vgg16 --weights {publisher,FILE}",
        "torchvision's weights and their normalisation in place of Keras'; no mean (toolkit), or --normalisation keras",
    ),
    Entry(
        "deep spectrum vgg19",
        "A10, F15",
        "VGG19, ReLU of fc2, 4096 numbers",
        "emoserve-export export vgg19 --weights {publisher,FILE}",
        "torchvision's weights and their normalisation in place of Keras'; no mean (toolkit), or --normalisation keras",
    ),
    Entry(
        "deep spectrum resnet50",
        "A11, F22",
        "ResNet50, global mean, 2048 numbers",
        "emoserve-export export resnet50 --weights {publisher,FILE}",
        "torchvision's weights, normalisation and strides (in the second convolution of a block), not Keras'",
    ),
    Entry(
        "deep spectrum densenet121",
        "A12, F22",
        "DenseNet121, global mean, 1024 numbers",
        "emoserve-export export densenet121 --weights {publisher,FILE}",
        "torchvision's weights in place of Keras'",
    ),
    Entry(
        "deep spectrum densenet169",
        "A13, F22",
        "DenseNet169, global mean, 1664 numbers",
        "emoserve-export export densenet169 --weights {publisher,FILE}",
        "torchvision's weights in place of Keras'",
    ),
    Entry(
        "deep spectrum densenet201",
        "A14, F22",
        "DenseNet201, global mean, 1920 numbers",
        "emoserve-export export densenet201 --weights {publisher,FILE}",
        "torchvision's weights in place of Keras'",
    ),
    Entry(
        "deep spectrum mobilenet_v2",
        "A15",
        "MobileNetV2, global mean, 1280 numbers",
        "emoserve-export export mobilenet_v2 --weights {publisher,FILE}",
        "torchvision's weights, or 8-bit TFLite files as floats, in place of Keras'",
    ),
    Entry(
        "deep spectrum squeezenet",
        "A16, F22, G6",
        "SqueezeNet 1.1, mean over 2×2 cells, 2048 numbers",
        "emoserve-export export squeezenet --weights {publisher,FILE}",
        "weights of other publishers keep their own normalisation",
    ),
    Entry(
        "deep spectrum xception",
        "A17, F22",
        "Xception, global mean, 2048 numbers of a 299-pixel plot",
        "emoserve-export export xception --weights {publisher,FILE}",
        "timm's port of Keras' weights: pooling padded on both sides",
    ),
    Entry(
        "deep spectrum alexnet_caffe",
        "D3, D4, F14",
        "Caffe's AlexNet (bvlc), ReLU of fc7, 4096 numbers of a 227-pixel plot, BGR without mean",
        "emoserve-export export alexnet_caffe --weights FILE",
    ),
    Entry(
        "eGeMAPS + linear SVM",
        "C3, D6, F13",
        "openSMILE functionals (88), standardised, C chosen on devel; a yardstick, never served",
        "emoserve-export rivals --features eGeMAPSv02",
        "eGeMAPSv02 in place of v01a",
    ),
    Entry(
        "ComParE + linear SVM",
        "A19, D7",
        "openSMILE functionals (6 373), standardised, C chosen on devel; a yardstick, never served",
        "emoserve-export rivals --features ComParE_2016",
        "the 2016 set, which has the same functionals as that of 2013 with mended code",
    ),
    Entry(
        "features + linear SGD",
        "A20, A21, A25, G8",
        "any network's embedding, min-max scaled; logistic or modified Huber loss, l1 or l2, 5 α, chosen on devel",
        "emoserve-export train deep-spectrum --recipe ottl",
        "calibrated on devel unless --calibration none; not refitted on devel unless asked (A25 leaves it open); "
        "SGD stops when its loss no longer falls",
    ),
    Entry(
        "features + linear SVM",
        "C3, C4",
        "any network's embedding or openSMILE functionals, standardised; C on devel, refit on train and devel",
        "emoserve-export train deep-spectrum --recipe gerczuk",
        "classes are weighted by their inverse frequency",
    ),
    Entry(
        "features + SVM by SGD",
        "D6, D7, D13–D16",
        "hinge loss, 24 α chosen over folds of speakers, random oversampling to 0.75 of the largest class",
        "emoserve-export train deep-spectrum --recipe cummins --oversample 0.75",
        "min-max scaling, which the source does not state",
    ),
    Entry(
        "early fusion",
        "A22",
        "one classifier on the features of several networks; one graph, a shared front end computed once",
        "emoserve-export train fusion --kind early",
    ),
    Entry(
        "late fusion",
        "A23",
        "the mean of the probabilities of one classifier a network; one graph, a shared front end computed once",
        "emoserve-export train fusion --kind late",
        "with ComParE offline only: openSMILE is a program under a research licence",
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
    Entry(
        "published classifiers and encoders",
        "B15, G5",
        "wav2vec 2.0, HuBERT, WavLM, data2vec-audio, w2v-BERT and Whisper's encoder with transformers' head for "
        "classes, or without one: waveform in, emotion and embedding out",
        "emoserve-export import NAME|FOLDER [--embedding]",
        "third-party weights, not at hand here; padding changes no answer, whatever the publisher's program does",
    ),
    Entry(
        "head",
        "B14–B17, C14, G5",
        "mean, attention, GRU or progressive head on all layers of those encoders, GE2E, the recogniser or mel bands",
        "emoserve-export train head --encoder FOLDER --head {mean,attention,recurrent,progressive}",
        "layers are mixed by learned weights; a dense layer before the softmax; mel bands in place of MFCC and pitch",
    ),
    Entry(
        "published dimensions",
        "B15, G5",
        "audEERING's wav2vec 2.0 with mean pooling and two dense layers; arousal, dominance, valence, embedding out",
        "emoserve-export import NAME|FOLDER",
        "third-party weights, not at hand here; 0 … 1 is given as -1 … 1",
    ),
    Entry(
        "published SpeechBrain classifiers",
        "B15, G5",
        "wav2vec 2.0, normalised states, their mean and one dense layer; emotion and embedding out",
        "emoserve-export import NAME|FOLDER",
        "third-party weights, not at hand here; without the noise that SpeechBrain's pooling adds",
    ),
    Entry(
        "emotion2vec",
        "B15, G5",
        "data2vec 2.0 with extra tokens, mean pooling and one dense layer; emotion and embedding out",
        "emoserve-export import NAME|FOLDER",
        "third-party weights, not at hand here; held to FunASR's class on random weights",
    ),
    Entry(
        "audonnx folders",
        "G5",
        "any graph that takes one signal, with its labels; run clip by clip inside a loop",
        "emoserve-export import FOLDER --licence SPDX",
        "third-party weights, not at hand here; no transforms such as openSMILE",
    ),
    Entry(
        "research: ten networks",
        "A2, A8–A17",
        "accuracy and UAR of each network whose bundle is there, with one recipe, beside the published figures",
        "python -m research networks",
        "on corpora at hand, not on VGAF",
    ),
    Entry(
        "research: fusion",
        "A18, A19, A22–A24",
        "ComParE, networks, early and late fusions, with McNemar's test against ComParE",
        "python -m research fusion",
        "on corpora at hand, not on VGAF",
    ),
    Entry(
        "research: denoise",
        "D12, D15",
        "what the denoiser does to the answers of a speech model on clean and noisy speech",
        "python -m research denoise",
    ),
    Entry(
        "research: reused speech layers",
        "B6, B8–B20, F10, F12",
        "baselines, MP, RNN and progressive systems on the recogniser's or the GE2E encoder's layers 1 to 3, one "
        "speaker left out, three runs",
        "python -m research lakomkin --recogniser DIR --encoder WHEEL",
        "on corpora at hand, not on IEMOCAP; layers are cached, so these systems train without tempo and gain changes; "
        "pitch by YIN in place of openSMILE; widths and annealing as F10 says",
    ),
    Entry(
        "research: conditions",
        "D9–D17",
        "clean, noisy and denoised recordings in training and test, four kinds of features, 2 and all classes",
        "python -m research conditions",
        "on corpora at hand with made rooms and noises, not on FAU-AIBO",
    ),
    Entry(
        "research: emonet",
        "C5, C19–C29",
        "EmoNet's baseline, and transfer from several corpora, levels of arousal and valence, and single corpora",
        "python -m research emonet",
        "on corpora at hand; --share runs a part of the paper's schedule, and each row tells it",
    ),
)
