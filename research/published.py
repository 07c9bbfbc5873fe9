"""Figures that the papers print, in per cent (A.6) and as shares (D.6), to be laid beside what is measured."""

NETWORKS: dict[str, tuple[str, float, float]] = {
    "alexnet": ("A8", 55.18, 52.87),
    "vgg16": ("A9", 51.78, 50.00),
    "vgg19": ("A10", 57.15, 54.56),
    "resnet50": ("A11", 55.18, 53.66),
    "densenet121": ("A12", 59.06, 56.27),
    "densenet169": ("A13", 56.19, 53.13),
    "densenet201": ("A14", 55.82, 53.79),
    "mobilenet_v2": ("A15", 53.47, 50.52),
    "squeezenet": ("A16", 56.59, 54.96),
    "xception": ("A17", 53.60, 51.04),
}
"""Network to its item, validation UAR and validation accuracy (Table 2 of A): three classes of YouTube clips."""

COMPARE = (53.43, 52.48)
"""ComParE with SGD, the reference of the significance tests (A24)."""

FUSIONS: dict[str, tuple[float, float]] = {
    "early all-ten": (59.17, 56.40),
    "early densenet121+vgg19": (59.61, 56.79),
    "late densenet121+vgg19": (59.75, 57.57),
    "late densenet121+vgg19+compare": (59.33, 57.70),
    "late all-ten": (59.48, 58.09),
    "late all-ten+compare": (60.91, 59.40),
}
"""Fusion to validation UAR and validation accuracy (Table 1 of A)."""

EMONET: dict[str, tuple[float, float | None]] = {
    "ResNet, best epoch": (59.2, 45.43),
    "ResNet, last epoch": (61.6, None),
    "all": (72.6, 47.35),
    "arousal": (68.4, 46.10),
    "valence": (64.8, 44.63),
    "both": (61.1, 43.47),
}
"""System to test UAR on EMO-DB and its mean over 26 corpora (Tables 3 and 4 of C; C28)."""

Matrix = tuple[tuple[float, float, float], ...]

CONDITIONS: dict[tuple[str, str, str], Matrix] = {
    ("eGeMAPS", "2", "Un."): ((0.630, 0.619, 0.545), (0.512, 0.665, 0.636), (0.509, 0.597, 0.665)),
    ("eGeMAPS", "2", "Ov."): ((0.654, 0.567, 0.554), (0.596, 0.633, 0.609), (0.556, 0.641, 0.508)),
    ("eGeMAPS", "all", "Un."): ((0.268, 0.221, 0.229), (0.205, 0.262, 0.261), (0.224, 0.264, 0.213)),
    ("eGeMAPS", "all", "Ov."): ((0.370, 0.237, 0.248), (0.295, 0.220, 0.300), (0.273, 0.214, 0.252)),
    ("ComParE", "2", "Un."): ((0.639, 0.619, 0.626), (0.626, 0.647, 0.621), (0.583, 0.621, 0.635)),
    ("ComParE", "2", "Ov."): ((0.685, 0.644, 0.646), (0.513, 0.661, 0.611), (0.528, 0.611, 0.609)),
    ("ComParE", "all", "Un."): ((0.328, 0.321, 0.265), (0.262, 0.246, 0.284), (0.259, 0.250, 0.304)),
    ("ComParE", "all", "Ov."): ((0.389, 0.342, 0.327), (0.284, 0.307, 0.325), (0.242, 0.256, 0.310)),
    ("BoAW", "2", "Un."): ((0.634, 0.600, 0.569), (0.632, 0.635, 0.556), (0.607, 0.626, 0.617)),
    ("BoAW", "2", "Ov."): ((0.605, 0.586, 0.593), (0.603, 0.599, 0.571), (0.563, 0.569, 0.584)),
    ("BoAW", "all", "Un."): ((0.311, 0.278, 0.266), (0.274, 0.288, 0.259), (0.264, 0.331, 0.295)),
    ("BoAW", "all", "Ov."): ((0.362, 0.321, 0.343), (0.288, 0.312, 0.295), (0.302, 0.315, 0.323)),
    ("Deep Spectrum", "2", "Un."): ((0.669, 0.547, 0.563), (0.603, 0.660, 0.639), (0.608, 0.642, 0.659)),
    ("Deep Spectrum", "2", "Ov."): ((0.683, 0.554, 0.575), (0.599, 0.659, 0.643), (0.588, 0.638, 0.654)),
    ("Deep Spectrum", "all", "Un."): ((0.368, 0.277, 0.268), (0.284, 0.314, 0.305), (0.247, 0.279, 0.299)),
    ("Deep Spectrum", "all", "Ov."): ((0.396, 0.267, 0.255), (0.273, 0.355, 0.323), (0.247, 0.290, 0.333)),
}
"""Features, classes and balancing to UAR: a row a test condition, a column a training condition, each clean, noisy,
denoised (Tables 5–9 of D; 'all' is five classes of FAU-AIBO)."""

REUSED: dict[str, tuple[float, float, float | None]] = {
    "Most frequent class": (0.39, 0.33, None),
    "Random": (0.25, 0.25, 0.24),
    "Baseline 64": (0.52, 0.54, 0.48),
    "Baseline 96": (0.53, 0.55, 0.51),
    "Baseline 128": (0.50, 0.51, 0.47),
    "MP-1": (0.46, 0.52, 0.31),
    "MP-2": (0.54, 0.54, 0.52),
    "MP-3": (0.55, 0.56, 0.53),
    "RNN-1": (0.53, 0.57, 0.48),
    "RNN-2": (0.57, 0.59, 0.56),
    "RNN-3": (0.56, 0.57, 0.55),
    "Progressive-1": (0.56, 0.57, 0.55),
    "Progressive-2": (0.58, 0.61, 0.57),
    "Progressive-3": (0.57, 0.59, 0.56),
}
"""System to U-Acc, W-Acc and F1 (B.4): four classes of IEMOCAP. U-Acc is plain accuracy where it can be told (F12)."""
