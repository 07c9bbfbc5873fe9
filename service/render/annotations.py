"""Answers as tiers of labelled intervals, for the programs in which people annotate speech: Praat and ELAN.

Both formats are written here: each takes twenty lines, and a library for each would be one more package to install.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from xml.etree import ElementTree

import numpy as np

from service.pipeline.results import AudioEmotion, ChannelEmotion, FlagSpan
from service.pipeline.video.video_results import VideoAffect
from service.render.channels import has_channel_list, top_labels

FACE_STEP_S = 1.0
"""Length of the intervals of a face's arousal and valence, which are means."""

Interval = tuple[float, float, str]
"""Start and end in seconds, and the label."""


@dataclass(frozen=True)
class Tier:
    """Intervals of one kind, in order, none of which overlaps another."""

    name: str
    intervals: Sequence[Interval]


def textgrid(answer: AudioEmotion | VideoAffect) -> str:
    """The answer as Praat's TextGrid, its long text format; a tier covers the recording, with empty labels in gaps."""
    end_s = answer.media.duration_s
    found = tiers(answer)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end_s:.6g}"]
    lines += ["tiers? <exists>", f"size = {len(found)}", "item []:"]
    for number, tier in enumerate(found, start=1):
        covering = list(_without_gaps(tier.intervals, end_s))
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(tier.name)}"]
        lines += ["        xmin = 0", f"        xmax = {end_s:.6g}", f"        intervals: size = {len(covering)}"]
        for place, (start_s, stop_s, label) in enumerate(covering, start=1):
            lines += [f"        intervals [{place}]:", f"            xmin = {start_s:.6g}"]
            lines += [f"            xmax = {stop_s:.6g}", f"            text = {_quoted(label)}"]
    return "\n".join(lines) + "\n"


def eaf(answer: AudioEmotion | VideoAffect, file_name: str, media_type: str) -> str:
    """The answer as a document of ELAN, format 3.0, beside the recording ``file_name``."""
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT", AUTHOR="", DATE="1970-01-01T00:00:00Z", FORMAT="3.0", VERSION="3.0"
    )
    header = ElementTree.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    ElementTree.SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=f"./{file_name}", MIME_TYPE=media_type)
    order = ElementTree.SubElement(root, "TIME_ORDER")
    numbers, slots = count(1), count(1)
    for tier in tiers(answer):
        element = ElementTree.SubElement(root, "TIER", LINGUISTIC_TYPE_REF="interval", TIER_ID=tier.name)
        for start_s, end_s, label in tier.intervals:
            names = [f"ts{next(slots)}", f"ts{next(slots)}"]
            for name, time_s in zip(names, (start_s, end_s), strict=True):
                ElementTree.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=name, TIME_VALUE=str(round(1000 * time_s)))
            holder = ElementTree.SubElement(element, "ANNOTATION")
            one = ElementTree.SubElement(
                holder, "ALIGNABLE_ANNOTATION",
                ANNOTATION_ID=f"a{next(numbers)}", TIME_SLOT_REF1=names[0], TIME_SLOT_REF2=names[1],
            )  # fmt: skip
            ElementTree.SubElement(one, "ANNOTATION_VALUE").text = label
    ElementTree.SubElement(
        root, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID="interval", TIME_ALIGNABLE="true"
    )
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n"


def tiers(answer: AudioEmotion | VideoAffect) -> list[Tier]:
    """Emotion and dimensions of each utterance, or of each second of a face; who speaks; a tier a flag."""
    if isinstance(answer, VideoAffect):
        found = [_by_second(answer, name) for name in ("arousal", "valence")]
    else:
        found = [tier for channel in answer.channels for tier in _of_channel(answer, channel)]
    flags = dict.fromkeys(_flag_name(span) for span in answer.flag_spans)
    for name in flags:
        spans = [(span.start_s, span.end_s, span.flag) for span in answer.flag_spans if _flag_name(span) == name]
        found.append(Tier(name, spans))
    return found


def _of_channel(answer: AudioEmotion, channel: ChannelEmotion) -> list[Tier]:
    """Tiers of the utterances, or of the whole recording where nobody knows when somebody speaks."""
    prefix = f"{channel.channel} " if has_channel_list(answer) else ""
    rows = channel.segments
    if rows is None:
        whole = (0.0, answer.media.duration_s)
        values = {"emotion": channel.emotion, "arousal": channel.arousal, "valence": channel.valence}
        values |= {} if channel.timeline.dominance is None else {"dominance": channel.dominance}
        return [Tier(prefix + name, [(*whole, _text(value))] * (value is not None)) for name, value in values.items()]
    times = list(zip(rows.start_s.tolist(), rows.end_s.tolist(), strict=True))
    emotions = top_labels(rows.probabilities, answer.labels) if answer.labels else None
    columns = {"emotion": emotions, "arousal": rows.arousal, "valence": rows.valence, "dominance": rows.dominance}
    found = [
        Tier(prefix + name, [(*time, _text(value)) for time, value in zip(times, column, strict=True)])
        for name, column in columns.items()
        if column is not None
    ]
    if channel.turns is not None:
        turns = channel.turns
        spans = zip(turns.start_s.tolist(), turns.end_s.tolist(), turns.speaker, strict=True)
        found.append(Tier(f"{prefix}speaker", list(spans)))
    return found


def _by_second(answer: VideoAffect, name: str) -> Tier:
    values, intervals = getattr(answer, name), []
    for start_s in np.arange(0.0, answer.media.duration_s, FACE_STEP_S).tolist():
        inside = values[(answer.time_s >= start_s) & (answer.time_s < start_s + FACE_STEP_S)]
        known = inside[~np.isnan(inside)]
        if len(known):
            end_s = min(start_s + FACE_STEP_S, answer.media.duration_s)
            intervals.append((start_s, end_s, _text(float(known.mean()))))
    return Tier(name, intervals)


def _flag_name(span: FlagSpan) -> str:
    about = span.channel or (None if span.face is None else f"face {span.face}")
    return span.flag if about is None else f"{about} {span.flag}"


def _text(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or np.isnan(value) else f"{value:+.2f}"


def _without_gaps(intervals: Sequence[Interval], end_s: float) -> list[Interval]:
    """The intervals, cut to the recording, with empty ones between them."""
    covering, at_s = [], 0.0
    for start_s, stop_s, label in intervals:
        start_s, stop_s = max(start_s, at_s), min(stop_s, end_s)
        if stop_s <= start_s:
            continue
        if start_s > at_s:
            covering.append((at_s, start_s, ""))
        covering.append((start_s, stop_s, label))
        at_s = stop_s
    if at_s < end_s or not covering:
        covering.append((at_s, end_s, ""))
    return covering


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
