"""Tables of requests, messages and commands, each with its input."""

from dataclasses import dataclass, field

from tests.answers.material import is_generated

JSON, CSV, PNG, FHIR, EVENTS = (
    "application/json",
    "text/csv",
    "image/png",
    "application/fhir+json",
    "text/event-stream",
)
EMOTION, EMBEDDING = "/v1/audio/emotion", "/v1/audio/embedding"
VIDEO, UNITS = "/v1/video/affect", "/v1/action-units/affect"


@dataclass(frozen=True)
class Read:
    """A GET request. ``only`` reduces the answer: 'document' to an OpenAPI document's paths and schemas."""

    name: str
    path: str
    accept: str = JSON
    only: str = ""


@dataclass(frozen=True)
class Upload:
    """A POST request with an input, as multipart or, with ``media_type``, as the raw body."""

    name: str
    path: str
    content: str
    query: str = ""
    accept: str = JSON
    media_type: str | None = None


@dataclass(frozen=True)
class JobCase:
    """A job from its upload to its result, which is read as each of ``accepts``."""

    name: str
    kind: str
    content: str
    query: str = ""
    accepts: tuple[str, ...] = (JSON,)


@dataclass(frozen=True)
class SoundStream:
    """The PCM of an input through ``/v1/stream/audio``, a message for ``piece_ms``; ``breaks``: resumed midway."""

    name: str
    content: str
    config: dict[str, object] = field(default_factory=dict)
    piece_ms: int = 100
    breaks: bool = False


@dataclass(frozen=True)
class PictureStream:
    """The pictures of an input through ``/v1/stream/video``: every ``every``-th, at most ``limit``."""

    name: str
    content: str
    config: dict[str, object] = field(default_factory=dict)
    every: int = 1
    limit: int = 200


@dataclass(frozen=True)
class UnitStream:
    """The generated table of action units through ``/v1/stream/video``; ``spoilt`` sends a message that is refused."""

    name: str
    config: dict[str, object] = field(default_factory=dict)
    spoilt: bool = False
    content: str = "table"


@dataclass(frozen=True)
class Command:
    """``python -m service`` with flags and inputs.

    'FOLDER' among the flags becomes the folder of inputs, 'OUT.csv' and 'OUT.png' become files that are recorded too.
    """

    name: str
    flags: tuple[str, ...]
    contents: tuple[str, ...] = ()
    form: str = "json"
    standard_input: str | None = None


Case = Read | Upload | JobCase | SoundStream | PictureStream | UnitStream | Command

READS = (
    Read("models", "/v1/models"),
    Read("model_card", "/v1/models/emonet-open/2"),
    Read("limits", "/v1/limits"),
    Read("problems", "/v1/problems"),
    Read("problem", "/v1/problems/config_invalid"),
    Read("openapi", "/openapi.json", only="document"),
    Read("protocol_server", "/v2"),
    Read("protocol_model", "/v2/models/emonet-open/versions/2"),
)

SOUND = (
    Upload("voice", EMOTION, "voice"),
    Upload("voice_raw", EMOTION, "voice", media_type="audio/wav"),
    Upload("voice_timeline", EMOTION, "voice_7s", "timeline=true"),
    Upload("voice_windows", EMOTION, "voice_7s", "timeline=true&window_s=2&hop_s=0.7"),
    Upload("voice_part", EMOTION, "voice_7s", "timeline=true&start_s=1.25&end_s=5.5"),
    Upload("voice_each", EMOTION, "voice_stereo", "timeline=true&channel=each"),
    Upload("voice_mix", EMOTION, "voice_stereo", "timeline=true"),
    Upload("voice_right", EMOTION, "voice_stereo", "timeline=true&channel=right"),
    Upload("voice_8k", EMOTION, "voice_8k", "timeline=true"),
    Upload("voice_48k_flac", EMOTION, "voice_48k_flac", "timeline=true"),
    Upload("voice_44k_float", EMOTION, "voice_44k_float"),
    Upload("voice_loud", EMOTION, "voice_loud", "timeline=true"),
    Upload("voice_part_silent", EMOTION, "voice_part_silent", "timeline=true&hop_s=0.5"),
    Upload("voice_denoised_44k", EMOTION, "voice_noisy_44k", "timeline=true&denoise=true"),
    Upload("voice_research", EMOTION, "voice_7s", "model=emonet-research&timeline=true"),
    Upload("voice_csv", EMOTION, "voice_7s", "timeline=true", CSV),
    Upload("voice_each_csv", EMOTION, "voice_stereo", "channel=each", CSV),
    Upload("voice_events", EMOTION, "voice_7s", "timeline=true", EVENTS),
    Upload("voice_fhir", EMOTION, "voice_7s", "timeline=true", FHIR),
    Upload("voice_fhir5", EMOTION, "voice_stereo", "channel=each", f"{FHIR}; fhirVersion=5.0"),
    Upload("voice_plot", EMOTION, "voice_7s", "timeline=true", PNG),
    Upload("silence", EMOTION, "silence", "timeline=true"),
    Upload("silence_csv", EMOTION, "silence", "", CSV),
    Upload("offset", EMOTION, "offset", "timeline=true"),
    Upload("noise", EMOTION, "noise", "timeline=true"),
    Upload("video_sound", EMOTION, "faceless"),
    Upload("embedding", EMBEDDING, "voice", "model=emonet-open"),
    Upload("embedding_each_csv", EMBEDDING, "voice_stereo", "channel=each&window_s=2&hop_s=1.5", CSV),
    Upload("speech", EMOTION, "speech"),
    Upload("speech_timeline", EMOTION, "speech_8s", "timeline=true"),
    Upload("speech_hop", EMOTION, "speech_8s", "timeline=true&hop_s=0.25"),
    Upload("speech_8k", EMOTION, "speech_8k", "timeline=true"),
    Upload("speech_44k", EMOTION, "speech_44k", "timeline=true"),
    Upload("speech_48k", EMOTION, "speech_48k", "timeline=true"),
    Upload("speech_mix", EMOTION, "speech_stereo", "timeline=true"),
    Upload("speech_mix_48k", EMOTION, "speech_stereo_48k", "timeline=true"),
    Upload("speech_left", EMOTION, "speech_stereo", "timeline=true&channel=left"),
    Upload("speech_each", EMOTION, "speech_stereo", "timeline=true&channel=each"),
    Upload("speech_each_48k", EMOTION, "speech_stereo_48k", "timeline=true&channel=each"),
    Upload("speech_each_csv", EMOTION, "speech_stereo", "channel=each", CSV),
    Upload("speech_each_events", EMOTION, "speech_stereo", "timeline=true&channel=each", EVENTS),
    Upload("speech_each_plot", EMOTION, "speech_stereo", "timeline=true&channel=each", PNG),
    Upload("speech_part", EMOTION, "speech_48k", "timeline=true&start_s=1.3&end_s=5.9"),
    Upload("speech_denoised", EMOTION, "speech_8s", "timeline=true&denoise=true"),
    Upload("speech_denoised_48k", EMOTION, "speech_stereo_48k", "timeline=true&denoise=true&channel=each"),
    Upload("speech_m4a", EMOTION, "speech_m4a", "timeline=true"),
    Upload("speech_mp3", EMOTION, "speech_mp3", "timeline=true"),
    Upload("speech_ogg", EMOTION, "speech_ogg", "timeline=true"),
    Upload("speech_webm", EMOTION, "speech_webm", "timeline=true"),
    Upload("speech_opus_file", EMOTION, "opus_file", "timeline=true"),
    Upload("speech_embedding", EMBEDDING, "speech_48k"),
    Upload("speech_embedding_denoised", EMBEDDING, "speech_8s", "denoise=true", CSV),
    Upload("long", EMOTION, "long_speech", "timeline=true"),
    Upload("long_denoised", EMOTION, "long_speech", "timeline=true&denoise=true"),
    Upload("long_fhir", EMOTION, "long_speech", "timeline=true", FHIR),
    Upload("long_plot", EMOTION, "long_speech", "timeline=true", PNG),
)

PICTURES = (
    Upload("faceless", VIDEO, "faceless", "include=action_units,audio"),
    Upload("faceless_plain", VIDEO, "faceless"),
    Upload("faceless_csv", VIDEO, "faceless", "", CSV),
    Upload("silent_video", VIDEO, "silent_video"),
    Upload("face", VIDEO, "face", "include=action_units,attribution,audio"),
    Upload("face_neutral_none", VIDEO, "face", "neutral=none&include=action_units"),
    Upload("face_neutral_span", VIDEO, "talking", "neutral=0.5:1.5&include=action_units"),
    Upload("face_first", VIDEO, "talking", "face=0&include=action_units,attribution"),
    Upload("face_missing", VIDEO, "face", "face=7"),
    Upload("face_csv", VIDEO, "talking", "include=action_units,attribution", CSV),
    Upload("face_events", VIDEO, "talking", "neutral=none&face=0", EVENTS),
    Upload("face_events_audio", VIDEO, "face", "include=audio", EVENTS),
    Upload("face_fhir", VIDEO, "face", "include=audio", FHIR),
    Upload("face_plot", VIDEO, "face", "include=action_units,attribution,audio", PNG),
    Upload("face_audio_each", VIDEO, "face", "include=audio&channel=each&audio_model=emonet-research"),
    Upload("face_comes", VIDEO, "face_comes"),
    Upload("no_face", VIDEO, "no_face"),
)

TABLES = (
    Upload("table", UNITS, "table", "include=action_units,attribution"),
    Upload("table_csv", UNITS, "table", "include=action_units", CSV),
    Upload("table_fhir", UNITS, "table", "", FHIR),
    Upload("table_plot", UNITS, "table", "include=action_units,attribution", PNG),
    Upload("table_events", UNITS, "table", "", EVENTS),
    Upload("table_face", UNITS, "table_faces", "face=1"),
    Upload("table_rate", UNITS, "table_still", "fps=20"),
    Upload("table_raw", UNITS, "table_faces", "", media_type="text/csv"),
    Upload("openface", UNITS, "openface", "fps=30&include=action_units,attribution"),
    Upload("openface_talking", UNITS, "openface_talking", "include=action_units"),
)

REFUSALS = (
    Upload("refused_parameter", EMOTION, "voice", "chanel=left"),
    Upload("refused_values", EMOTION, "voice", "window_s=-1&channel=middle&timeline=perhaps"),
    Upload("refused_hop", EMOTION, "voice", "hop_s=0.001"),
    Upload("refused_window", EMOTION, "voice_7s", "window_s=3000"),
    Upload("refused_span", EMOTION, "voice", "start_s=2&end_s=1"),
    Upload("refused_start", EMOTION, "voice", "start_s=60"),
    Upload("refused_twice", EMOTION, "voice", "model=a&model=b"),
    Upload("refused_model", EMOTION, "voice", "model=unheard-of"),
    Upload("refused_task", EMOTION, "voice", "model=affect-prior"),
    Upload("refused_channel", EMOTION, "voice", "channel=right"),
    Upload("refused_accept", EMOTION, "voice", "", "application/xml"),
    Upload("refused_fhir_version", EMOTION, "voice", "", f"{FHIR}; fhirVersion=3.0"),
    Upload("refused_media_type", EMOTION, "voice", media_type="application/x-www-form-urlencoded"),
    Upload("refused_empty", EMOTION, "empty"),
    Upload("refused_short", EMOTION, "too_short"),
    Upload("refused_content", EMOTION, "no_media"),
    Upload("refused_soundless", EMOTION, "silent_video"),
    Upload("refused_embedding_plot", EMBEDDING, "voice", "", PNG),
    Upload("refused_video", VIDEO, "voice"),
    Upload("refused_include", VIDEO, "faceless", "include=colours"),
    Upload("refused_neutral", VIDEO, "faceless", "neutral=5:1"),
    Upload("refused_face", VIDEO, "faceless", "face=smallest"),
    Upload("refused_audio_model", VIDEO, "faceless", "audio_model=emonet-open"),
    Upload("refused_table_times", UNITS, "table_still"),
    Upload("refused_table_units", UNITS, "table_short"),
    Upload("refused_table_include", UNITS, "table", "include=audio"),
    Upload("refused_job_parameter", "/v1/jobs/audio-emotion", "voice", "hop_s=0.001"),
    Upload("refused_job_neutral", "/v1/jobs/video-affect", "faceless", "neutral=5:1"),
    Upload("refused_job_empty", "/v1/jobs/audio-emotion", "empty"),
    Read("refused_path", "/v1/nothing"),
    Read("refused_method", EMOTION),
    Read("refused_job", "/v1/jobs/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    Read("refused_card", "/v1/models/unheard-of"),
)

JOBS = (
    JobCase("job_voice", "audio-emotion", "voice_7s", "timeline=true", (JSON, CSV)),
    JobCase("job_voice_each", "audio-emotion", "voice_stereo", "timeline=true&channel=each"),
    JobCase("job_content", "audio-emotion", "no_media"),
    JobCase("job_speech_48k", "audio-emotion", "speech_48k", "timeline=true"),
    JobCase("job_each_48k", "audio-emotion", "speech_stereo_48k", "timeline=true&channel=each"),
    JobCase("job_denoised", "audio-emotion", "speech_8s", "timeline=true&denoise=true"),
    JobCase("job_denoised_48k", "audio-emotion", "speech_stereo_48k", "timeline=true&denoise=true&channel=each"),
    JobCase("job_long", "audio-emotion", "long_speech", "timeline=true", (JSON, FHIR)),
    JobCase("job_long_denoised", "audio-emotion", "long_speech", "timeline=true&denoise=true"),
    JobCase("job_silence", "audio-emotion", "silence", "timeline=true"),
    JobCase("job_offset", "audio-emotion", "offset", "timeline=true"),
    JobCase("job_faceless", "video-affect", "faceless"),
    JobCase("job_face", "video-affect", "face", "include=action_units,attribution,audio", (JSON, CSV)),
    JobCase("job_talking", "video-affect", "talking", "neutral=0.5:1.5&include=action_units"),
)

STREAMS = (
    SoundStream("stream_voice", "voice_7s", piece_ms=37),
    SoundStream("stream_voice_windows", "voice_7s", {"window_s": 2, "hop_s": 0.7}),
    SoundStream("stream_voice_stereo", "voice_stereo"),
    SoundStream("stream_voice_8k", "voice_8k"),
    SoundStream("stream_silence", "silence"),
    SoundStream("stream_offset", "offset"),
    SoundStream("stream_resumed", "voice_7s", breaks=True),
    SoundStream("stream_refused", "voice", {"model": "unheard-of"}),
    SoundStream("stream_refused_hop", "voice", {"hop_s": 0.001}),
    SoundStream("stream_speech_44k", "speech_44k"),
    SoundStream("stream_speech_48k_stereo", "speech_stereo_48k"),
    SoundStream("stream_long", "long_speech", piece_ms=500),
    UnitStream("stream_units", {"neutral": "none"}),
    UnitStream("stream_units_causal", {"causal": True}),
    UnitStream("stream_units_refused_span", {"neutral": "0.2:1.2"}),
    UnitStream("stream_units_refused", {"face": 0}, spoilt=True),
    UnitStream("stream_units_refused_neutral", {"neutral": "median"}),
    PictureStream("stream_faceless", "faceless"),
    PictureStream("stream_face", "face", every=2),
    PictureStream("stream_talking_neutral", "talking", {"neutral": "0.5:1.5"}),
)

COMMANDS = (
    Command("command_json", ("analyze", "--json", "--timeline"), ("voice_7s", "voice_stereo")),
    Command("command_table", ("analyze", "--mode", "table", "--csv"), ("table",), "csv"),
    Command("command_refused", ("analyze", "--json"), ("no_media", "voice")),
    Command("command_folder_csv", ("analyze", "--csv", "--mode", "audio", "--channel", "each", "FOLDER"),
            ("speech_stereo", "speech_m4a"), "csv"),
    Command("command_denoised", ("analyze", "--json", "--denoise", "--timeline"), ("speech_48k",)),
    Command("command_video", ("analyze", "--json", "--include", "action_units,audio"), ("face",)),
    Command("command_standard_input", ("analyze", "--json", "--mode", "audio", "-"), standard_input="speech"),
    Command("command_embedding", ("analyze", "--json", "--model", "emonet-open", "--embedding", "OUT.csv"), ("voice",)),
    Command("command_plot", ("analyze", "--csv", "--plot", "OUT.png", "--timeline"), ("speech_8s",), "csv"),
    Command("command_openapi", ("openapi",), form="document"),
)  # fmt: skip

CASES: tuple[Case, ...] = (*READS, *SOUND, *PICTURES, *TABLES, *REFUSALS, *JOBS, *STREAMS, *COMMANDS)
"""All of it, in the order in which it is recorded."""

_LONG = frozenset({"models", "model_card", "openapi", "command_openapi", "voice_fhir5", "table", "embedding_each_csv"})
_PREPARED = frozenset(
    {"faceless", "faceless_plain", "faceless_csv", "silent_video", "job_faceless", "stream_faceless", "refused_video"}
)
"""Cases whose answers depend on where the face networks of this machine came from."""


def is_golden(case: Case) -> bool:
    """Whether the answer needs no shared material and is kept in the repository."""
    contents = case.contents if isinstance(case, Command) else () if isinstance(case, Read) else (case.content,)
    inputs = [*contents, *([case.standard_input] if isinstance(case, Command) and case.standard_input else [])]
    return case.name not in _LONG | _PREPARED and all(is_generated(name) for name in inputs)
