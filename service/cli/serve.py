"""``emoserve serve``: run the service. ``emoserve openapi``: print the document that it serves."""

import argparse
import json
import sys

from service.cli.settings_flags import add_model_flags, add_server_flags, settings_from

_REACHABLE = {"http://0.0.0.0:": "http://127.0.0.1:", "http://[::]:": "http://[::1]:"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_server_flags(parser)
    add_model_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal; returns the exit status."""
    settings = settings_from(arguments)
    from service.server import serve

    return serve(settings, on_ready=announce)


def announce(address: str) -> None:
    """Print where the service is and two commands to try it with.

    Args:
        address: such as ``http://127.0.0.1:8000``.
    """
    for everywhere, here in _REACHABLE.items():
        address = address.replace(everywhere, here)
    url = f"{address}/v1/audio/emotion"
    sys.stdout.write(
        f"Emoserve is ready on {address}\n"
        f"  curl -F file=@recording.wav {url}\n"
        f"  curl -F file=@recording.mp4 -H 'Accept: image/png' -o recording.png '{url}?timeline=true'\n"
    )
    sys.stdout.flush()


def print_openapi(arguments: argparse.Namespace) -> int:
    """Print the document of ``GET /openapi.json``, without loading any model; returns the exit status."""
    from service.app import create_app

    document = create_app(settings_from(arguments)).openapi()
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return 0
