"""A publisher's folder as a corpus of this project: one table, partitions of different speakers, statistics."""

import csv
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, pstdev
from typing import Final

import soundfile

from export.corpora.label_tables import TABLE_LAYOUTS, Found
from export.corpora.layouts import AUDIO_SUFFIXES, LAYOUTS, Layout
from export.corpora.tables import DIMENSIONS, CorpusError, Partition

SHARES: Final[dict[Partition, float]] = {"train": 0.6, "devel": 0.2, "test": 0.2}
"""Share of the recordings that a partition is meant to have."""

DRAWS: Final = 300
"""Orders of speakers that are tried for partitions."""

COLUMNS: Final = ("file", "duration_s", "speaker", "sex", "emotion", "transcript", "partition")
"""Columns of every table; those of :data:`export.corpora.tables.DIMENSIONS` that were rated follow."""


@dataclass(frozen=True)
class Reading:
    """Recordings with the project's names of emotions, and how many were left out for which reason."""

    recordings: tuple[Found, ...]
    left_out: Counter[str]


def read_layout(name: str, folder: Path) -> Reading:
    """The recordings of ``folder``, laid out as the publisher of the corpus ``name`` does it.

    Raises:
        CorpusError: there is no folder, no table, or nothing that fits the layout; a speaker is unnamed.
    """
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no folder")
    left_out: Counter[str] = Counter()
    tabled = TABLE_LAYOUTS.get(name)
    layout = tabled or LAYOUTS[name]
    try:
        candidates = list(tabled.read(folder)) if tabled else _by_name(LAYOUTS[name], folder, left_out)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise CorpusError(f"{folder}: a table is not as {layout.page} documents it: {error!r}") from error
    recordings = []
    for found in candidates:
        audio = audio_of(found.audio)
        if audio is None:
            left_out[f"no recording {found.audio.name}, or one that is a video"] += 1
        elif layout.emotions and found.emotion not in layout.emotions:
            left_out[f"emotion '{found.emotion}'"] += 1
        elif not found.speaker:
            left_out["no speaker"] += 1
        else:
            recordings.append(replace(found, audio=audio, emotion=layout.emotions.get(found.emotion, "")))
    if not recordings:
        reasons = "; ".join(f"{count} × {reason}" for reason, count in left_out.most_common(3)) or "no recordings"
        raise CorpusError(f"{folder}: nothing like {layout.example} of {layout.title} ({layout.page}): {reasons}")
    return Reading(tuple(recordings), left_out)


def _by_name(layout: Layout, folder: Path, left_out: Counter[str]) -> list[Found]:
    recordings = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        parts = layout.parts(path.relative_to(folder).with_suffix("").as_posix())
        if parts is None:
            left_out["a name of another form"] += 1
        else:
            recordings.append(Found(path, parts["speaker"], parts["emotion"], parts["sex"]))
    return recordings


def audio_of(path: Path) -> Path | None:
    """The recording at ``path``, or of that name with a suffix that libsndfile reads; None if there is none."""
    if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file():
        return path
    beside = (path.with_name(path.name + suffix) for suffix in AUDIO_SUFFIXES)
    return next((other for other in beside if other.is_file()), None)


def with_partitions(recordings: Sequence[Found], seed: int = 0) -> list[Found]:
    """The recordings with a partition each, none of whose speakers is in another that is given here.

    Recordings that have their publisher's partition keep it; the others go to the partitions that no publisher
    named. Of ``DRAWS`` orders of speakers the one is taken whose classes and sexes are spread best: scikit-learn's
    StratifiedGroupKFold left 39 % of EMO-DB's 408 recordings misplaced, this 22 % (measured once).

    Raises:
        CorpusError: there are fewer speakers than partitions to fill.
    """
    free = [found for found in recordings if not found.partition]
    if not free:
        return list(recordings)
    named = {found.partition for found in recordings}
    wanted = {name: share for name, share in SHARES.items() if name not in named}
    speakers = sorted({found.speaker for found in free})
    if len(speakers) < len(wanted):
        raise CorpusError(
            f"{len(speakers)} speakers are too few for the partitions {', '.join(wanted)}; put all of them into one "
            "with --partition"
        )
    generator = random.Random(seed)
    best = min((_draw(free, speakers, wanted, generator) for _ in range(DRAWS)), key=lambda draw: draw[0])[1]
    return [found if found.partition else replace(found, partition=best[found.speaker]) for found in recordings]


def _draw(
    free: Sequence[Found], speakers: Sequence[str], wanted: dict[Partition, float], generator: random.Random
) -> tuple[float, dict[str, str]]:
    """How unevenly classes and sexes are spread, and the partition of each speaker."""
    sizes = Counter(found.speaker for found in free)
    scale = sum(wanted.values())
    room = {name: share / scale * len(free) for name, share in wanted.items()}
    place: dict[str, str] = {}
    order = generator.sample(speakers, len(speakers))
    for index, speaker in enumerate(order):
        empty = [name for name in wanted if name not in place.values()]
        must = empty and len(order) - index <= len(empty)
        chosen = max(empty if must else wanted, key=lambda name: room[name])
        place[speaker] = chosen
        room[chosen] -= sizes[speaker]
    kinds = Counter((found.emotion, found.sex, place[found.speaker]) for found in free)
    both = Counter((found.emotion, found.sex) for found in free)
    uneven = sum(
        abs(kinds[*kind, name] - count * share / scale)
        for kind, count in both.items()
        for name, share in wanted.items()
    )
    return uneven, place


def write_table(recordings: Sequence[Found], out: Path, progress: Callable[[], None]) -> list[float]:
    """Write ``utterances.csv`` into ``out``, and parts of recordings as files of their own; durations in s.

    Raises:
        CorpusError: a recording cannot be read, or lacks its span.
    """
    out.mkdir(parents=True, exist_ok=True)
    lasting, rows = [], []
    rated = [name for name in DIMENSIONS if any(name in found.ratings for found in recordings)]
    for place, found in enumerate(recordings):
        try:
            audio = found.audio.resolve()
            if found.span_s:
                audio = _cut(found, out / "audio" / f"{found.audio.stem}-{place:06d}.flac")
            duration_s = soundfile.info(audio).duration
        except soundfile.LibsndfileError as error:
            raise CorpusError(f"{found.audio}: cannot be read: {error}") from error
        lasting.append(duration_s)
        rows.append(
            (
                audio,
                f"{duration_s:.3f}",
                found.speaker,
                found.sex,
                found.emotion,
                " ".join(found.transcript.split()),
                found.partition,
                *(f"{found.ratings[name]:.4f}" if name in found.ratings else "" for name in rated),
            )
        )
        progress()
    with (out / "utterances.csv").open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([(*COLUMNS, *rated), *rows])
    return lasting


def _cut(found: Found, file: Path) -> Path:
    assert found.span_s
    rate_hz = soundfile.info(found.audio).samplerate
    start, end = (round(value * rate_hz) for value in found.span_s)
    samples, _ = soundfile.read(found.audio, start=start, stop=end)
    if not len(samples):
        raise CorpusError(f"{found.audio}: ends before {found.span_s[0]} s")
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, rate_hz)
    return file.resolve()


def statistics(recordings: Sequence[Found], durations_s: Sequence[float]) -> list[str]:
    """Lines that describe the corpus as the paper's Table 1 does (C1), and each partition."""
    classes = sorted({found.emotion for found in recordings} - {""})
    speakers = {found.speaker for found in recordings}
    lines = [
        f"{len(recordings)} recordings, {len(classes)} classes, {len(speakers)} speakers, "
        f"{mean(durations_s):.1f} ± {pstdev(durations_s):.1f} s, {sum(durations_s) / 3600:.2f} h"
    ]
    for partition in SHARES:
        part = [found for found in recordings if found.partition == partition]
        counts = Counter(found.emotion for found in part)
        told = ", ".join(f"{name} {counts[name]}" for name in classes)
        lines.append(
            f"{partition}: {len(part)} of {len({found.speaker for found in part})} speakers" + f" ({told})" * bool(told)
        )
    return lines
