"""Texts of the affect prior's card."""

from export.bundle.card import BundleText
from service.card import Licence, TrainingData

TEXT = BundleText(
    name="affect-prior",
    version="3",
    title="Affect prior: arousal and valence from 17 action units",
    description=(
        "A documented prior and not a trained time-series model. Each action unit has one weight per "
        "target, fitted to human ratings of 3,900 clips of 112 people (valence: positive minus negative "
        "affect; arousal: their sum) and carried over from FACET evidence to the 0 to 5 intensity scale "
        "by standardised coefficients: one standard deviation there stands for one here. The fit is drawn towards "
        "what the expressions of emotions say of each unit (EMFACS) and keeps its signs: happiness above neutral above "
        "sadness, anger, fear and disgust in valence; surprise, anger, fear and happiness above neutral and sadness in "
        "arousal. AU06 and AU10, which a squint or a shout raises as well, add nothing to joy. AU45 is missing "
        "from the ratings' table and weighs 0; AU18, AU24, AU28 and AU43 of the table have no column "
        "here. Movement (deviations) and speech (turn) weigh on arousal alone; they are small and chosen after the "
        "seed paper's finding that these columns matter. Over time the filter is a raised cosine of one "
        "second to either side. The output 'uncertainty' is half the 95 % interval of the answer over 200 refits: "
        "people drawn with replacement, and the expectation weighing 3,000 to 30,000 clips. One bundle holds both "
        "targets, as the files with the roles 'arousal' and 'valence'."
    ),
    # The weights are numbers computed by this project from a table: no part of the table can be read back from them.
    licence=Licence(spdx="CC0-1.0", commercial_use=True, attribution="Emoserve; ratings by Haines et al. 2019"),
    training_data=(
        TrainingData(
            name="Haines 2019: FACET action units beside ratings of positive and negative affect",
            licence="none stated; the table is not redistributed, only coefficients computed from it",
            utterances=3900,
            speakers=112,
            reference=(
                "Haines, Southward, Cheavens, Beauchaine, Ahn: Using computer-vision and machine learning to "
                "automate facial coding of positive and negative affect intensity. PLoS ONE 14(2): e0211735, 2019."
            ),
        ),
    ),
    known_limits=(
        ("Good for change within one recording of one person: more or less smiling, frowning, movement than before."),
        (
            "Not good for levels: tools disagree on how strong a resting face is, so figures of two "
            "people or of two tools must not be compared, and 0 is not a person's neutral unless the "
            "neutral face was subtracted."
        ),
        (
            "'uncertainty' is that of the weights alone. Against what people say of one clip the answer errs by far "
            "more: see the root mean square error."
        ),
        ("It has never seen a time series with labels. Nothing was measured on continuous arousal or valence."),
        "The ratings are of facial expression as others see it; they are not feelings.",
        (
            "Arousal here is the intensity of expression: a calm and a bored face look alike, and silent "
            "tension is missed."
        ),
        (
            "The weights were fitted to FACET evidence; for OpenFace intensities and for this service's "
            "own units they are carried over, unverified."
        ),
        "Answers within a second of the beginning, of the end and of a lost face are drawn towards a face at rest.",
        "Without the sound the turn column is 0, which lowers arousal by at most 0.05.",
    ),
)
