"""Typed client of Emoserve: :class:`Emoserve` blocks, :class:`AsyncEmoserve` does not."""

from emoserve_client._async.client import AsyncEmoserve
from emoserve_client._sync.client import Emoserve
from emoserve_client.audio_answers import (
    AudioEmbedding,
    AudioEmotion,
    AudioTimeline,
    ChannelEmotion,
    Segments,
    SpeakerEmotion,
    SpeakerTurns,
    VoiceActivity,
)
from emoserve_client.common_answers import AnsweringModel, Media
from emoserve_client.event_answers import AffectRows, Progress, Segment, Window
from emoserve_client.job_answers import Job, JobPage, JobState
from emoserve_client.problems import EmoserveError, Problem, ServiceUnreachable
from emoserve_client.retries import Retries
from emoserve_client.stream_messages import AudioStreamCreated, StreamClosed, StreamLimits, VideoStreamCreated
from emoserve_client.uploads import Upload, Url
from emoserve_client.video_answers import AffectTimeline, Attribution, Face, Neutral, Summary, VideoAffect
from emoserve_client.webhooks import Webhook, WebhookInvalid, read_webhook

__all__ = [
    "AffectRows",
    "AffectTimeline",
    "AnsweringModel",
    "AsyncEmoserve",
    "Attribution",
    "AudioEmbedding",
    "AudioEmotion",
    "AudioStreamCreated",
    "AudioTimeline",
    "ChannelEmotion",
    "Emoserve",
    "EmoserveError",
    "Face",
    "Job",
    "JobPage",
    "JobState",
    "Media",
    "Neutral",
    "Problem",
    "Progress",
    "Retries",
    "Segment",
    "Segments",
    "ServiceUnreachable",
    "SpeakerEmotion",
    "SpeakerTurns",
    "StreamClosed",
    "StreamLimits",
    "Summary",
    "Upload",
    "Url",
    "VideoAffect",
    "VideoStreamCreated",
    "VoiceActivity",
    "Webhook",
    "WebhookInvalid",
    "Window",
    "read_webhook",
]
