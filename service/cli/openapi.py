"""``emoserve openapi``: print the OpenAPI document."""

from __future__ import annotations

import argparse
import json
import sys

from service.cli.settings_flags import settings_from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command: none."""


def run(arguments: argparse.Namespace) -> int:
    """Print the document of ``GET /openapi.json``, without loading any model; returns the exit status."""
    from service.app import create_app

    document = create_app(settings_from(arguments)).openapi()
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return 0
