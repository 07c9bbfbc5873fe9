"""``emoserve-export voice-activity``: the voice-activity bundle from the installed silero-vad package."""

import argparse
from pathlib import Path

from export.cli.common import say
from export.voice_activity.bundle import write_voice_activity_bundle


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", type=Path, default=Path("var/models"), metavar="DIR", help="folder of bundles")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the bundle."""
    say(f"voice activity: {write_voice_activity_bundle(arguments.out)}")
    return 0
