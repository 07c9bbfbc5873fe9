"""Flags of what is judged in each file."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from service.cli.profile import read_profile_file
from service.cli.terminal import UsageError, usage_errors
from service.local.judge import MODES, Choices
from service.pipeline.audio_options import AudioOptions
from service.pipeline.face.neutral import STRETCH, FaceProfile
from service.pipeline.options import read_prior, read_speakers
from service.pipeline.video.video_results import INCLUDES, TableOptions, VideoOptions
from service.problems import Unprocessable


def add_face_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of what is judged by the face."""
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="auto",
        help="'auto' judges the face where a file has pictures and faces are prepared, else the voice; "
        "'table' takes tables of action units",
    )
    group = parser.add_argument_group("faces", "for --mode video and table")
    group.add_argument("--include", metavar="PARTS", default="", help=f"of {','.join(INCLUDES)}, separated by commas")
    group.add_argument(
        "--neutral",
        metavar="HOW",
        default="median",
        help="resting face: median, none, START:END, or a document of 'emoserve profile --kind face'",
    )
    group.add_argument("--face", metavar="WHICH", default="largest", help="'largest', the number of a face, or at:X,Y")
    group.add_argument("--picture-track", type=int, metavar="N", help="picture track, from 0; without, the default one")
    group.add_argument("--fps", type=float, metavar="HZ", help="frames per second in place of a table's time stamps")
    group.add_argument("--affect-model", metavar="NAME", help="affect model; see 'emoserve models'")
    group.add_argument("--affect-version", metavar="VERSION", help="its version; without, the highest")


def choices_from(arguments: argparse.Namespace) -> Choices:
    """The request that the flags of a command make.

    Raises:
        UsageError: flags that cannot be used.
    """
    video, table = _face_options(arguments)
    audio = AudioOptions(
        model=arguments.model,
        version=arguments.model_version,
        channel=arguments.channel,
        track=arguments.track,
        start_s=arguments.start_s,
        end_s=arguments.end_s,
        timeline=arguments.timeline or arguments.form == "csv" or bool(arguments.plot),
        window_s=arguments.window_s,
        hop_s=arguments.hop_s,
        denoise=arguments.denoise,
        segments=arguments.segments,
        voice_activity=arguments.voice_activity,
        prior=_checked(read_prior, arguments.prior),
        domain=arguments.domain,
        speakers=_checked(read_speakers, arguments.speakers),
        **_profile(arguments.profile),
    )
    return Choices(arguments.mode, audio, video, table)


def _checked(read: Callable[[str | None], object], text: str | None) -> str | None:
    """A value as far as it can be checked without a model."""
    try:
        read(text)
    except Unprocessable as problem:
        raise UsageError(f"--{problem.detail}") from problem
    return text


def _profile(named: str | None) -> dict[str, Any]:
    """The options of a profile that is in a file, or is the recording itself."""
    if named in (None, "none", "self"):
        return {"profile": named}
    from service.schemas.profile import read_voice_profile

    return {"profile": "document", "voice": read_profile_file(Path(str(named)), read_voice_profile)}


def _resting(named: str) -> FaceProfile | None:
    """The resting face that is in a file; None where ``named`` is no file's name."""
    from service.schemas.profile import read_face_profile

    if named in ("median", "none") or STRETCH.fullmatch(named):
        return None
    return read_profile_file(Path(named), read_face_profile)


def _face_options(arguments: argparse.Namespace) -> tuple[VideoOptions, TableOptions]:
    """The same checks as those of the query parameters."""
    from service.api.video_parameters import TableQuery, VideoQuery

    common = {
        "include": arguments.include,
        "face": arguments.face,
        "model": arguments.affect_model,
        "version": arguments.affect_version,
    }
    voice = (
        {"audio_model": arguments.model, "audio_version": arguments.model_version}
        if "audio" in {part.strip() for part in arguments.include.split(",")}
        else {}
    )
    tracks = {"track": arguments.track, "picture_track": arguments.picture_track}
    with usage_errors():
        table = TableQuery(fps=arguments.fps, **common)
        resting = _resting(arguments.neutral)
        neutral = arguments.neutral if resting is None else "document"
        video = VideoQuery(neutral=neutral, channel=arguments.channel, **tracks, **common, **voice)
        options = replace(video.options(), resting=resting)
        return options, table.options() if arguments.mode == "table" else TableOptions()
