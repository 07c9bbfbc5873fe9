"""``emoserve-export check-clip``: what a bundle answers about a known sound, onto its card."""

import argparse
from pathlib import Path

from export.bundle.check_clip import with_check_clip
from export.cli.common import bundle_card, note, say
from service.card import write_card


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="bundle folders, such as models/*/*")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the cards anew and say which."""
    for folder in arguments.models:
        card = with_check_clip(bundle_card(folder), folder)
        if card.check_clip is None:
            note(f"passed over: {card.name}/{card.version} takes no sound ({card.task})")
            continue
        write_card(card, folder)
        outputs = [name for told in card.check_clip.outputs.values() for name in told]
        say(f"{card.name}/{card.version}: {', '.join(outputs)}")
    return 0
