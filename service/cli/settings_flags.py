"""Flags that replace settings of the environment."""

import argparse
import os
from pathlib import Path
from typing import Any

from service.settings import Settings, check_environment


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of every command that loads models."""
    group = parser.add_argument_group("settings", "each replaces EMOSERVE_<NAME> of the environment")
    group.add_argument(
        "--model-dir",
        dest="model_dirs",
        metavar="FOLDER",
        action="append",
        type=Path,
        help="folder of model bundles; may be repeated",
    )
    group.add_argument("--licence-policy", choices=["any", "commercial"], help="which weights may be loaded")
    group.add_argument("--device", choices=["auto", "cpu", "cuda"], help="where models run")
    group.add_argument("--threads", type=int, metavar="N", help="inference threads")


def add_server_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of the server alone."""
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 8000)")
    parser.add_argument("--default-model", metavar="NAME", help="speech model used when a request names none")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], help="least level logged")


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Settings of the environment with the given flags in their place.

    Raises:
        EnvironmentInvalid: a variable that looks like a setting and is none.
        pydantic.ValidationError: a value that cannot be used.
        pydantic_settings.SettingsError: a value of the environment that cannot be parsed.
    """
    check_environment(os.environ)
    given: dict[str, Any] = {
        name: value for name, value in vars(arguments).items() if name in Settings.model_fields and value is not None
    }
    return Settings(**given)
