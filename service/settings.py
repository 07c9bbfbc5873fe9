"""All limits and settings, each read from ``EMOSERVE_<NAME>`` in the environment, and a check of those names.

``GET /v1/limits`` shows :class:`Limits`. A slip in the name of a setting would quietly protect nothing, so names that
look like a setting and are none are refused or warned of.
"""

import base64
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FilePath, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.cpus import usable_cpus

MEBIBYTE = 1024 * 1024

PREFIX: Final = "EMOSERVE_"
"""Beginning of the name of every variable."""

LEAST_SECRET_CHARACTERS: Final = 32
"""Shortest ``spool_key``, characters."""

POSTGRESQL: Final = "postgresql://"
"""Beginning of ``jobs_database_url``."""


SECRET_BYTES: Final = (24, 64)
"""Least and greatest length of a webhook's secret (Standard Webhooks, "Signature scheme")."""

_SECRET_PREFIX: Final = "whsec_"

Network = IPv4Network | IPv6Network


def secret_bytes(text: str) -> bytes:
    """A webhook's secret, which is written ``whsec_`` and base64. Raises ValueError if it is none."""
    decoded = base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
    if not text.startswith(_SECRET_PREFIX) or not SECRET_BYTES[0] <= len(decoded) <= SECRET_BYTES[1]:
        raise ValueError("no secret")
    return decoded


class Limits(BaseModel):
    """Limits of one request. Exceeding a size gives 413, falling short of one 422."""

    model_config = ConfigDict(frozen=True)

    max_body_bytes: int = Field(64 * MEBIBYTE, gt=0, description="bytes of one request body")
    max_header_bytes: int = Field(32 * 1024, gt=0, description="bytes of all request headers")
    body_timeout_s: float = Field(30.0, gt=0, description="seconds within which the whole body must arrive")
    min_body_bytes_per_s: int = Field(
        4096, gt=0, description="bytes a second that a request body must keep up over 5 s"
    )
    max_fields: int = Field(32, gt=0, description="multipart fields")
    max_field_bytes: int = Field(64 * 1024, gt=0, description="bytes of one multipart text field")
    max_filename_characters: int = Field(1024, gt=0, description="characters of a file name")
    min_duration_s: float = Field(0.08, ge=0, description="shortest recording")
    max_duration_s: float = Field(3600.0, gt=0, description="longest recording, counted while decoding")
    max_channels: int = Field(8, gt=0, description="audio channels")
    min_sample_rate_hz: int = Field(4000, gt=0, description="lowest sample rate")
    max_sample_rate_hz: int = Field(192_000, gt=0, description="highest sample rate")
    max_sample_magnitude: float = Field(
        64.0, gt=0, description="largest float sample taken for audio; ±1 is full scale"
    )
    max_decoded_bytes: int = Field(
        1024 * MEBIBYTE, gt=0, description="bytes of decoded sound that all requests hold together"
    )
    max_streams: int = Field(16, gt=0, description="streams in one container")
    max_frame_pixels: int = Field(4096 * 2304, gt=0, description="pixels of a video frame")
    max_frames: int = Field(60 * 3600, gt=0, description="frames of a video")
    max_frame_rate_hz: float = Field(
        40.0, gt=0, description="frames a second in which faces are followed; of faster videos every other or third"
    )
    max_faces: int = Field(8, gt=0, description="faces of one answer with face=all; the largest are told")
    max_windows: int = Field(20_000, gt=0, description="windows of one timeline")
    max_embedding_values: int = Field(
        4_000_000, gt=0, description="numbers of one answer with embeddings: windows times dimensions"
    )
    min_hop_s: float = Field(0.05, gt=0, description="shortest hop between windows")
    decode_timeout_s: float = Field(60.0, gt=0, description="processor seconds for decoding")
    decode_memory_bytes: int = Field(2048 * MEBIBYTE, gt=0, description="address space of the decoder's process")
    deadline_s: float = Field(120.0, gt=0, description="seconds from the last byte of the body to the answer")
    max_message_bytes: int = Field(MEBIBYTE, gt=0, description="bytes of one message of a stream")
    stream_config_timeout_s: float = Field(
        10.0, gt=0, description="seconds within which a stream's first message comes"
    )
    stream_idle_timeout_s: float = Field(30.0, gt=0, description="seconds between two messages of a stream")
    stream_buffer_s: float = Field(
        10.0, gt=0, description="seconds of media that a stream may be ahead of its analysis before it is held back"
    )
    stream_held_back_s: float = Field(
        60.0, gt=0, description="seconds that a stream may be held back at a stretch before it is closed"
    )
    stream_session_s: float = Field(7200.0, gt=0, description="seconds that a stream may last")
    stream_resume_s: float = Field(30.0, ge=0, description="seconds within which a broken stream can be resumed")


class KeyLimits(BaseModel):
    """Limits of one owner of credentials, in addition to everybody's; None means no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: int | None = Field(None, gt=0, description="analyses begun a minute")
    concurrent_requests: int | None = Field(None, gt=0, description="analyses under way at once")
    media_s: float | None = Field(None, gt=0, description="seconds of media in the system at once")
    media_s_per_minute: float | None = Field(None, gt=0, description="seconds of media a minute")
    jobs: int | None = Field(None, gt=0, description="jobs that wait or run")


def _model_folders() -> list[Path]:
    from service.places import prepared_models, shipped_models

    return [shipped_models(), prepared_models()]


def _state_folder() -> Path:
    from service.places import state_folder

    return state_folder()


class Settings(BaseSettings):
    """Settings of the service."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, protected_namespaces=()
    )

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    model_dirs: list[Path] = Field(
        default_factory=_model_folders,
        description="folders of model bundles; later ones hold what was prepared on this machine",
    )
    default_model: str | None = Field(
        None,
        description="NAME or NAME:VERSION of the speech model used when a request names none; a pinned one goes before",
    )
    canary: str | None = Field(
        None, description="NAME or NAME:VERSION of the speech model that answers some of the requests that name none"
    )
    canary_share: float = Field(
        0.0, ge=0, le=1, description="share of these requests; 0 leaves those with the header X-Emoserve-Canary: always"
    )
    shadow: str | None = Field(
        None,
        description="NAME or NAME:VERSION of the speech model that judges some uploads beside the one that answers; "
        "metrics compare them",
    )
    shadow_share: float = Field(0.1, ge=0, le=1, description="share of uploads that name no model, for `shadow`")
    licence_policy: Literal["any", "commercial"] = Field(
        "any", description="'commercial' loads no weights whose licence forbids commercial use"
    )
    min_speech: float = Field(
        0.1, ge=0, le=1, description="share of a window that must be speech for it to be judged; a request may differ"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="'cuda' refuses to start without a GPU")
    threads: int = Field(default_factory=usable_cpus, gt=0, description="inference threads")
    decode_workers: int = Field(
        default_factory=usable_cpus,
        gt=0,
        description="short recordings decoded at once, and as many long ones and videos beside them",
    )
    sandbox: Literal["auto", "strict"] = Field(
        "auto", description="'strict' refuses to start where the kernel lacks a layer of the decoders' sandbox"
    )
    max_batch: int = Field(8, gt=0, description="windows run at once")
    capacity_s: float = Field(7200.0, gt=0, description="seconds of media in the system before 503")
    max_requests: int = Field(128, gt=0, description="uploads in hand at once before 503")
    max_uploads_per_sender: int | None = Field(
        None,
        gt=0,
        description="uploads that may be on their way from one address, or one owner of credentials, before 503; "
        "left out: half of max_requests",
    )
    upload_memory_bytes: int = Field(
        1024 * MEBIBYTE, gt=0, description="bytes of all uploads held in memory at once before 503"
    )
    drain_s: float = Field(30.0, ge=0, description="seconds that accepted work has after SIGTERM")
    ready_grace_s: float = Field(0.0, ge=0, description="seconds between readiness going false and the socket closing")
    keys_file: Path | None = Field(None, description="API keys, as `emoserve keys new` writes them")
    jwt_issuer: str | None = Field(None, description="`iss` of accepted JSON Web Tokens; they need an audience too")
    jwt_audience: str | None = Field(None, description="`aud` of accepted JSON Web Tokens")
    jwt_keys_file: FilePath | None = Field(
        None, description="JWKS file with the issuer's public keys; without one they are fetched by OIDC discovery"
    )
    key_limits: KeyLimits = Field(
        default_factory=KeyLimits, description="limits of credentials that have none of their own, as JSON"
    )
    allowed_hosts: list[str] = Field(
        default=[],
        description="more names under which the service answers, as JSON: beside loopback names and `host`; "
        "'.example.org' stands for all below it, '*' for any",
    )
    cors_origins: list[str] = Field(default=[], description="origins of web pages that may call; none by default")
    root_path: str = Field(
        "",
        pattern=r"^(/[^/?#\s]+)*$",
        description="path below which a proxy offers the service, such as /emoserve; in addresses that answers name",
    )
    ssl_certfile: FilePath | None = Field(None, description="certificate chain (PEM); makes the service speak TLS")
    ssl_keyfile: FilePath | None = Field(
        None, description="private key (PEM), where it is not in the certificate's file"
    )
    ssl_ca_certs: FilePath | None = Field(None, description="authorities (PEM) whose client certificates are required")
    audit_file: str | None = Field(None, description="where audit lines go: a file, or '-' for standard output")
    audit_required: bool = Field(False, description="answer 503 while audit lines cannot be written")
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="address that traces are sent to (OTLP over HTTP), such as http://127.0.0.1:4318/v1/traces",
    )
    otlp_sample_ratio: float = Field(
        1.0, ge=0, le=1, description="share of requests that are traced, where the caller has not decided"
    )
    docs: bool = Field(True, description="serve /docs")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
    jobs: bool = Field(True, description="take long recordings as jobs")
    job_list: bool = Field(False, description="list a caller's jobs at GET /v1/jobs; an id in it reads the result")
    callback_hosts: list[str] = Field(
        default=[],
        description="hosts that jobs may name in 'callback', as JSON: HOST or HOST:PORT, '.example.org' for all below",
    )
    callback_secrets: list[SecretStr] = Field(
        default=[],
        description="secrets that sign callbacks, as JSON: 'whsec_' and base64 of 24 to 64 bytes; two during a change",
    )
    callback_networks: list[Network] = Field(
        default=[], description="networks that callbacks may reach although they are not public, as JSON: '10.1.0.0/16'"
    )
    callback_http: bool = Field(False, description="permit callbacks without TLS")
    input_url_hosts: list[str] = Field(
        default=[],
        description="hosts that recordings may be fetched from, as JSON: HOST or HOST:PORT, '.example.org' for all "
        "below; none: the part 'url' is refused",
    )
    input_url_networks: list[Network] = Field(
        default=[],
        description="networks that recordings may be fetched from although they are not public, as JSON: '10.1.0.0/16'",
    )
    input_url_http: bool = Field(False, description="permit recordings to be fetched without TLS")
    state_dir: Path = Field(
        default_factory=_state_folder, description="folder of the jobs' database and lock; one service a folder"
    )
    spool_dir: Path | None = Field(
        None, description="folder of the jobs' encrypted files, /dev/shm/emoserve for instance; left out: in state_dir"
    )
    spool_key: SecretStr | None = Field(
        None, description="secret of 32 characters or more that wraps the jobs' keys in the database"
    )
    jobs_database_url: SecretStr | None = Field(
        None, description="PostgreSQL for the jobs, postgresql://user@host/name; left out: SQLite in state_dir"
    )
    job_workers: int = Field(1, gt=0, description="jobs that run at once")
    max_jobs: int = Field(32, gt=0, description="jobs that wait or run before 503")
    max_job_body_bytes: int = Field(2048 * MEBIBYTE, gt=0, description="bytes of one job's upload")
    max_job_duration_s: float = Field(12 * 3600.0, gt=0, description="longest recording of a job")
    job_upload_timeout_s: float = Field(3600.0, gt=0, description="seconds within which a job's upload must arrive")
    job_segment_s: float = Field(300.0, gt=0, description="seconds of media that are done before a job is written down")
    job_ttl_s: float = Field(
        48 * 3600.0, gt=0, description="seconds after which an unfinished job is given up and a finished one forgotten"
    )
    result_ttl_s: float = Field(24 * 3600.0, gt=0, description="seconds for which a job's result can be fetched")
    delete_result_on_read: bool = Field(False, description="delete a job's result once it was fetched")
    limits: Limits = Field(default_factory=Limits)

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        """Refuse settings that would quietly protect nothing."""
        if (self.jwt_issuer is None) != (self.jwt_audience is None):
            raise ValueError("EMOSERVE_JWT_ISSUER and EMOSERVE_JWT_AUDIENCE must be set together")
        if self.jwt_keys_file is not None and self.jwt_issuer is None:
            raise ValueError("EMOSERVE_JWT_KEYS_FILE needs EMOSERVE_JWT_ISSUER")
        if (self.ssl_keyfile or self.ssl_ca_certs) and self.ssl_certfile is None:
            raise ValueError("EMOSERVE_SSL_KEYFILE and EMOSERVE_SSL_CA_CERTS need EMOSERVE_SSL_CERTFILE")
        if self.audit_required and self.audit_file is None:
            raise ValueError("EMOSERVE_AUDIT_REQUIRED needs EMOSERVE_AUDIT_FILE")
        if self.spool_key is not None and len(self.spool_key.get_secret_value()) < LEAST_SECRET_CHARACTERS:
            raise ValueError(f"EMOSERVE_SPOOL_KEY needs at least {LEAST_SECRET_CHARACTERS} characters")
        if self.jobs_database_url is not None and not self.jobs_database_url.get_secret_value().startswith(POSTGRESQL):
            raise ValueError(f"EMOSERVE_JOBS_DATABASE_URL must begin with {POSTGRESQL}")
        if self.callback_hosts and not self.callback_secrets:
            raise ValueError("EMOSERVE_CALLBACK_HOSTS needs EMOSERVE_CALLBACK_SECRETS")
        try:
            for secret in self.callback_secrets:
                secret_bytes(secret.get_secret_value())
        except ValueError:
            raise ValueError(
                "EMOSERVE_CALLBACK_SECRETS takes 'whsec_' and the base64 of 24 to 64 bytes for each"
            ) from None
        return self

    @property
    def protected(self) -> bool:
        """Whether callers need credentials."""
        return self.keys_file is not None or self.jwt_issuer is not None


OF_OTHERS: Final = frozenset({"EMOSERVE_KEY", "EMOSERVE_SHARED", "EMOSERVE_MEDIAPIPE_WHEEL"})
"""Variables that examples of clients, benchmarks and tests read."""

LIKENESS: Final = 0.85
"""Least similarity (difflib's ratio) at which a name counts as a misspelt setting. Orchestrators invent names with our
prefix too: EMOSERVE_SERVICE_HOST is 0.76 like EMOSERVE_HOST."""

_MAY_BE_EMPTY: Final = frozenset({"EMOSERVE_ROOT_PATH"})


class EnvironmentInvalid(Exception):
    """A variable that cannot be meant as it stands; the message is one line for the operator."""


def known_names() -> frozenset[str]:
    """Every variable that is read, in capitals."""
    parts = {"": Settings.model_fields, "LIMITS__": Limits.model_fields, "KEY_LIMITS__": KeyLimits.model_fields}
    return frozenset(f"{PREFIX}{part}{name.upper()}" for part, fields in parts.items() for name in fields)


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse misspelt settings, and empty ones, which are no value of any setting.

    Args:
        environment: such as ``os.environ``.

    Raises:
        EnvironmentInvalid: for the first of them in the alphabet.
    """
    known = known_names()
    for name in unread_names(environment):
        likely = get_close_matches(name.upper(), known, n=1, cutoff=LIKENESS)
        if likely:
            raise EnvironmentInvalid(f"{name} is no setting; {likely[0]} is")
    for name in sorted(environment):
        if not environment[name] and name.upper() in known - _MAY_BE_EMPTY:
            raise EnvironmentInvalid(f"{name} is empty: leave it out, or give it a value")


def unread_names(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like ours and that nothing reads, in the order of the alphabet."""
    read = known_names() | OF_OTHERS
    return [name for name in sorted(environment) if name.upper().startswith(PREFIX) and name.upper() not in read]
