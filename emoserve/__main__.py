"""The console program ``emoserve``: the commands of the service, and ``setup``."""

import argparse
import sys
from collections.abc import Sequence

import service.__main__ as online
from emoserve import setup_command

_MORE = (
    (
        "setup",
        setup_command.add_arguments,
        setup_command.run,
        "fetch and prepare what this installation lacks: voice activity and face networks",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; arguments and exit status as those of :func:`service.__main__.main`."""
    return online.main(argv, _MORE)


def build_parser() -> argparse.ArgumentParser:
    """All commands with their flags."""
    return online.build_parser(_MORE)


if __name__ == "__main__":
    sys.exit(main())
