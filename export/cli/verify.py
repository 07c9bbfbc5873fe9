"""``emoserve-export verify``: exit status 0 only if every bundle computes what its network computes."""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from export.audio_words.verification import is_audio_words_bundle, verify_audio_words_bundle
from export.bundle.precision import is_reduced, verify_reduced_bundle
from export.classifiers.verification import is_classifier_bundle, verify_classifier_bundle
from export.cli.common import ExpectedFailure, advance, bundle_card, note, progress_bar, say
from export.deep_spectrum.verification import verify_extractor_bundle
from export.denoiser.bundle import verify_denoiser_bundle
from export.emonet.verification import verify_speech_bundle
from export.evaluation.verification import Clip, Verification
from export.evaluation.voice import recordings_or_voice
from export.published.folder import PUBLISHED
from export.speech_representations.encoder_bundle import is_encoder_bundle, verify_encoder_bundle
from export.speech_representations.heads.bundle import is_head_bundle, verify_head_bundle
from export.speech_representations.verification import is_voice_bundle, verify_voice_bundle
from service.card import CARD_FILE_NAME, Card, read_card

SAMPLE_RATE_HZ = 16_000
SYNTHETIC_DURATIONS_S = (0.6, 1.37, 2.2, 2.999, 3.0)

Verifier = Callable[[Path, Sequence[Clip]], Verification]

VERIFIERS: dict[str, Verifier] = {
    "speech-emotion": verify_speech_bundle,
    "speech-embedding": verify_extractor_bundle,
    "speaker-embedding": verify_encoder_bundle,
    "denoiser": verify_denoiser_bundle,
}
"""Comparison of a bundle with other implementations, by its task."""

NO_VERIFIER = {
    "voice-activity": "the publisher's graph is served as it is",
    "face": "its graphs are compared with the publisher's test vectors by tests/golden/test_faces_parity.py",
    "action-units": "its only implementation is its graph",
    "face-expression": "it was compared with the publisher's graph when it was imported",
    "affect": "its arithmetic is compared by tests/golden/test_affect_arithmetic.py",
}
"""Reasons why bundles of a task are left out."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", help="bundle folders; all of models/ if none")
    parser.add_argument("--audio", nargs="+", type=Path, metavar="FILE", help="recordings; a synthetic voice if none")
    parser.add_argument(
        "--published", type=Path, metavar="FOLDER", help="the publisher's files of imported bundles, to compare with"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line a bundle")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verify and print."""
    folders = arguments.models or sorted(file.parent for file in Path("models").glob(f"*/*/{CARD_FILE_NAME}"))
    if not folders:
        raise ExpectedFailure("no bundles under models/")
    cards = {folder: bundle_card(folder) for folder in folders}
    if not arguments.audio:
        note("no --audio given: checking on a synthetic voice")
    results: list[Verification] = []
    speech = [folder for folder in folders if cards[folder].task in VERIFIERS]
    for folder in folders:
        if folder not in speech:
            card = cards[folder]
            why = NO_VERIFIER.get(card.task, "there is no second implementation in this command")
            note(f"not checked: {card.name}/{card.version} ({card.task}: {why})")
    with progress_bar("verifying", len(speech)) as bar:
        for folder in speech:
            recordings = recordings_for(folder, arguments.audio)
            results.append(verifier_of(cards[folder], arguments.published)(folder, recordings))
            advance(bar)
    for result in results:
        say(json.dumps(result.to_json()) if arguments.json else describe(result))
    return 0 if all(result.passed for result in results) else 1


def verifier_of(card: Card, published: Path | None = None) -> Verifier:
    """The comparison for this bundle; classifiers stand behind networks that are verified as bundles of their own."""
    if is_reduced(card):
        return verify_reduced_bundle
    if is_head_bundle(card):
        return partial(verify_head_bundle, published=published)
    if PUBLISHED in card.settings:
        from export.published.bundle import verify_published_bundle

        if published is None:
            return verify_published_bundle
        from export.cli.import_published import read_again  # transformers is behind it

        return partial(verify_published_bundle, read=partial(read_again, published))
    if is_audio_words_bundle(card):
        return verify_audio_words_bundle
    if is_voice_bundle(card):
        return verify_voice_bundle
    if is_encoder_bundle(card):
        return verify_encoder_bundle
    return verify_classifier_bundle if is_classifier_bundle(card) else VERIFIERS[card.task]


def recordings_for(folder: Path, audio: list[Path] | None) -> list[Clip]:
    """The recordings named, or a synthetic voice, at the rate of the bundle."""
    speech = read_card(folder).speech
    rate_hz = SAMPLE_RATE_HZ if speech is None else speech.sample_rate_hz
    return recordings_or_voice(audio, rate_hz, SYNTHETIC_DURATIONS_S)


def describe(result: Verification) -> str:
    """One line a bundle."""
    return f"{'ok  ' if result.passed else 'FAIL'} {result.model} on {result.recordings} recordings: {result.summary}"
