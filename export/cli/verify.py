"""``emoserve-export verify``: exit status 0 only if every bundle computes what its network computes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from export.cli.common import ExpectedFailure, advance, note, progress_bar, say
from export.corpora.features import read_waveform
from export.evaluation.denoiser_verification import verify_denoiser_bundle
from export.evaluation.verification import Verification, verify_speech_bundle
from export.evaluation.voice import synthetic_voice
from service.card import CARD_FILE_NAME, read_card

SAMPLE_RATE_HZ = 16_000
SYNTHETIC_DURATIONS_S = (0.6, 1.37, 2.2, 2.999, 3.0)

CHECKS = {"speech-emotion": verify_speech_bundle, "denoiser": verify_denoiser_bundle}
"""Task to what checks a bundle of it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", help="bundle folders; all of models/ if none")
    parser.add_argument("--audio", nargs="+", type=Path, metavar="FILE", help="recordings; a synthetic voice if none")
    parser.add_argument("--json", action="store_true", help="one JSON line a bundle")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verify and print."""
    folders = arguments.models or sorted(file.parent for file in Path("models").glob(f"*/*/{CARD_FILE_NAME}"))
    if not folders:
        raise ExpectedFailure("no bundles under models/")
    for folder in folders:
        if not (folder / CARD_FILE_NAME).is_file():
            raise ExpectedFailure(f"{folder} is not a bundle: it has no {CARD_FILE_NAME}")
    if arguments.audio:
        recordings = [read_waveform(file, SAMPLE_RATE_HZ) for file in arguments.audio]
    else:
        note("no --audio given: checking on a synthetic voice")
        recordings = [synthetic_voice(s, SAMPLE_RATE_HZ, seed) for seed, s in enumerate(SYNTHETIC_DURATIONS_S)]
    results = []
    checked = [folder for folder in folders if read_card(folder).task in CHECKS]
    for folder in folders:
        if folder not in checked:
            card = read_card(folder)
            note(f"not checked: {card.name}/{card.version} ({card.task} has no second implementation in this command)")
    with progress_bar("verifying", len(checked)) as bar:
        for folder in checked:
            results.append(CHECKS[read_card(folder).task](folder, recordings))
            advance(bar)
    for result in results:
        say(json.dumps(result.to_json()) if arguments.json else describe(result))
    return 0 if all(result.passed for result in results) else 1


def describe(result: Verification) -> str:
    """One line a bundle."""
    reference = ""
    if result.reference_difference is not None:
        reference = f", librosa {result.reference_difference:.1e} (≤ {result.reference_tolerance:.0e})"
    return (
        f"{'ok  ' if result.passed else 'FAIL'} {result.model} on {result.recordings} recordings: "
        f"torch {result.torch_difference:.1e} (≤ {result.torch_tolerance:.0e}), "
        f"batch {result.batch_difference:.1e} (≤ {result.batch_tolerance:.0e}){reference}"
    )
