"""The console program ``emoserve``."""

import argparse
import sys
from collections.abc import Callable, Sequence

from service import __version__, cpus  # noqa: F401 - before the libraries whose threads it limits
from service.cli import analyze, check, health, keys, models, profile, serve
from service.cli.terminal import UsageError, failure_line, say, silence_stdout

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells say it
EXIT_READER_GONE = 141  # 128 + SIGPIPE

Command = tuple[str, Callable[[argparse.ArgumentParser], None] | None, Callable[[argparse.Namespace], int], str]
"""Name, what declares its flags, what runs it and returns the exit status, and a summary."""

_COMMANDS: tuple[Command, ...] = (
    ("serve", serve.add_arguments, serve.run, "run the service"),
    ("analyze", analyze.add_arguments, analyze.run, "judge recordings without a server"),
    ("profile", profile.add_arguments, profile.run, "make the profile of a voice from recordings"),
    ("models", models.add_arguments, models.run, "list the model bundles"),
    ("health", health.add_arguments, health.run, "ask the service of this machine whether it lives"),
    ("check", check.add_arguments, check.run, "test bundles, device, decoder and models"),
    ("keys", keys.add_arguments, keys.run, "make, list and revoke API keys"),
    ("openapi", None, serve.print_openapi, "print the OpenAPI document"),
)


def main(argv: Sequence[str] | None = None, more: Sequence[Command] = ()) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; None takes those of the process.
        more: commands of packages that this one knows nothing of.

    Returns:
        Exit status: 0 success, 1 failure, 2 usage, 130 interrupted, 141 reader of the output gone.
    """
    try:
        arguments = build_parser(more).parse_args(argv)
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        say("emoserve: interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        silence_stdout()
        return EXIT_READER_GONE
    except UsageError as error:
        say(f"emoserve: {error}")
        return EXIT_USAGE
    except Exception as error:
        line = failure_line(error)
        if line is None:
            raise
        say(f"emoserve: {line}")
        return EXIT_FAILED
    return status


def build_parser(more: Sequence[Command] = ()) -> argparse.ArgumentParser:
    """All commands with their flags, ``more`` at the end."""
    parser = argparse.ArgumentParser(prog="emoserve", description="Speech and face affect, self-hosted.")
    parser.add_argument("--version", action="version", version=f"emoserve {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, add_arguments, run, summary in (*_COMMANDS, *more):
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if add_arguments is not None:
            add_arguments(command)
        command.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
