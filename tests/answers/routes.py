"""Differences of routes within one recording: what a job or a stream says of an input beside what the upload says."""

import json
from pathlib import Path
from typing import Any

from tests.answers.compare import TOLERANCE, Comparison, compare_answers

JOBS = {
    "job_voice": "voice_timeline",
    "job_voice_each": "voice_each",
    "job_speech_48k": "speech_48k",
    "job_each_48k": "speech_each_48k",
    "job_denoised": "speech_denoised",
    "job_denoised_48k": "speech_denoised_48k",
    "job_long": "long",
    "job_long_denoised": "long_denoised",
    "job_silence": "silence",
    "job_offset": "offset",
    "job_faceless": "faceless_plain",
    "job_face": "face",
    "job_talking": "face_neutral_span",
}
"""Upload with the same input and parameters as each job."""

STREAMS = {
    "stream_voice": "voice_timeline",
    "stream_resumed": "voice_timeline",
    "stream_voice_windows": "voice_windows",
    "stream_voice_stereo": "voice_mix",
    "stream_voice_8k": "voice_8k",
    "stream_silence": "silence",
    "stream_offset": "offset",
    "stream_speech_44k": "speech_44k",
    "stream_speech_48k_stereo": "speech_mix_48k",
    "stream_long": "long",
}
"""Upload with the same sound and windows as each stream."""

_SHOWN = 4


def compare_routes(folder: Path, tolerance: float = TOLERANCE) -> int:
    """Print how jobs and streams of a recording differ from its uploads; 1 where any does, else 0."""
    differing = 0
    for name, upload in {**JOBS, **STREAMS}.items():
        body = _read(folder, upload)["body"]
        answer = _read(folder, name)
        if name in JOBS:
            result = answer.get("results", {}).get("application/json", answer)
            found = compare_answers(body, result.get("body"), tolerance)
        else:
            found = compare_answers(_rows(body["timeline"]), _windows(answer["messages"]), tolerance)
        differing += _told(name, upload, found)
    print(f"{len(JOBS) + len(STREAMS)} pairs, {differing} differ")
    return 1 if differing else 0


def _told(name: str, upload: str, found: Comparison) -> bool:
    print(f"{name:26} {upload:22} {len(found.failures):4} differences, largest {found.largest:.2g}")
    for line in found.failures[:_SHOWN]:
        print(f"    {line}")
    return bool(found.failures)


def _read(folder: Path, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return answer


def _rows(timeline: dict[str, Any]) -> list[dict[str, Any]]:
    """A timeline in columns as one object a window, with what a stream's window tells of it."""
    rows = []
    for index, start_s in enumerate(timeline["start_s"]):
        row: dict[str, Any] = {"index": index, "start_s": start_s, "end_s": timeline["end_s"][index]}
        shares = {label: column[index] for label, column in timeline["probabilities"].items()}
        row["probabilities"] = None if None in shares.values() else shares
        row |= {key: timeline[key][index] for key in ("arousal", "valence", "speech") if key in timeline}
        rows.append(row)
    return rows


def _windows(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The windows of a stream, without what an upload's timeline has no column for."""
    return [
        {key: value for key, value in message.items() if key not in ("type", "emotion")}
        for message in messages
        if message["type"] == "window"
    ]
