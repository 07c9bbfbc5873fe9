"""``emoserve keys``: make, list and revoke API keys."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from service.cli.table_parts import plain_table
from service.cli.terminal import UsageError, console_for, say
from service.settings import KeyLimits, Settings

if TYPE_CHECKING:
    from service.access.key_file import KeyEntry

_DEFAULT_SCOPES = "analyse,models:read"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    new = actions.add_parser("new", help="make a key, print it once, and store its hash")
    new.add_argument("--id", required=True, metavar="ID", help="names the key in the audit log: a-z, 0-9, -")
    new.add_argument("--scopes", default=_DEFAULT_SCOPES, help=f"separated by commas (default {_DEFAULT_SCOPES})")
    new.add_argument("--owner", metavar="OWNER", help="whose key: keys of one owner share limits and jobs (default ID)")
    new.add_argument("--expires", metavar="WHEN", help="a date such as 2031-12-31, or a number of days such as 90d")
    for name, field in KeyLimits.model_fields.items():
        kind = int if "int" in str(field.annotation) else float
        new.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=f"limit: {field.description}")
    new.set_defaults(action=_new)
    listing = actions.add_parser("list", help="show all keys, without the keys themselves")
    listing.set_defaults(action=_list)
    revoke = actions.add_parser("revoke", help="let a key permit nothing from now on")
    revoke.add_argument("id", metavar="ID")
    revoke.set_defaults(action=_revoke)
    for action in (new, listing, revoke):
        action.add_argument("--file", type=Path, metavar="FILE", help="key file (default EMOSERVE_KEYS_FILE)")


def run(arguments: argparse.Namespace) -> int:
    """Do one action; returns the exit status."""
    path = arguments.file or Settings().keys_file
    if path is None:
        raise UsageError("say which key file: --file or EMOSERVE_KEYS_FILE")
    status: int = arguments.action(arguments, path)
    return status


def _new(arguments: argparse.Namespace, path: Path) -> int:
    from pydantic import ValidationError

    from service.access.key_file import KeyFile, new_key, read_key_file, write_key_file

    keys = read_key_file(path)
    if keys.find(arguments.id) is not None:
        raise UsageError(f"there is a key {arguments.id} already; ids are never used twice")
    try:
        limits = KeyLimits(**{name: getattr(arguments, name) for name in KeyLimits.model_fields})
        key, entry = new_key(
            arguments.id,
            arguments.scopes.split(","),
            owner=arguments.owner,
            expires_at=_moment(arguments.expires),
            limits=None if limits == KeyLimits() else limits,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'/'.join(map(str, first['loc'][:1]))}: {first['msg']}") from None
    write_key_file(path, KeyFile(keys=(*keys.keys, entry)))
    say("This key is shown once; only its hash was stored:")
    sys.stdout.write(f"{key}\n")
    return 0


def _list(arguments: argparse.Namespace, path: Path) -> int:  # noqa: ARG001 - all actions are called alike
    from service.access.key_file import parse_key_file

    table = plain_table("id", "owner", "state", "scopes", "created", "limits")
    now = datetime.now(UTC)
    for entry in parse_key_file(path.read_bytes()).keys:
        limits = {} if entry.limits is None else entry.limits.model_dump(exclude_none=True)
        table.add_row(
            entry.id,
            entry.owner,
            _state(entry, now),
            " ".join(sorted(entry.scopes)),
            f"{entry.created_at:%Y-%m-%d}",
            ", ".join(f"{name} {value:g}" for name, value in limits.items()) or "default",
        )
    console_for(sys.stdout).print(table)
    return 0


def _revoke(arguments: argparse.Namespace, path: Path) -> int:
    from service.access.key_file import KeyFile, parse_key_file, write_key_file

    keys = parse_key_file(path.read_bytes())
    entry = keys.find(arguments.id)
    if entry is None:
        raise UsageError(f"there is no key {arguments.id}")
    revoked = entry.model_copy(update={"revoked_at": entry.revoked_at or datetime.now(UTC).replace(microsecond=0)})
    write_key_file(path, KeyFile(keys=tuple(revoked if each is entry else each for each in keys.keys)))
    say(f"{entry.id} permits nothing any more")
    return 0


def _state(entry: KeyEntry, now: datetime) -> str:
    if entry.revoked_at is not None:
        return f"revoked {entry.revoked_at:%Y-%m-%d}"
    if entry.expires_at is None:
        return "active"
    return f"active until {entry.expires_at:%Y-%m-%d}" if entry.is_active(now) else "expired"


def _moment(text: str | None) -> datetime | None:
    """A date's midnight in UTC, or so many days from now."""
    if text is None:
        return None
    if days := re.fullmatch(r"(\d{1,5})d", text):
        return datetime.now(UTC).replace(microsecond=0) + timedelta(days=int(days[1]))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--expires: {text} is neither a date nor a number of days") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
