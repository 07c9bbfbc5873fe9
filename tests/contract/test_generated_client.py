"""The OpenAPI document is good enough to generate a client from, and that client works."""

import importlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from tests.support.job_server import serving_jobs
from tests.support.live_server import LiveServer
from tests.support.patience import HANG_S, wait_until

PACKAGE = "generated_emoserve"
CONFIG = {
    # The generator knows no media but bytes and JSON: what a raw body is called does not matter to it.
    "content_type_overrides": dict.fromkeys(
        ("audio/wav", "audio/*", "video/mp4", "video/*", "text/csv"), "application/octet-stream"
    ),
    "post_hooks": [],
}


@pytest.fixture(scope="module")
def generated(live: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("generated")
    document, config = folder / "openapi.json", folder / "config.json"
    document.write_bytes(httpx.get(f"{live.url}/openapi.json").content)
    config.write_text(json.dumps(CONFIG))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    paths = ["--path", document, "--config", config, "--output-path", folder / PACKAGE]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, timeout=2 * HANG_S)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield importlib.import_module(PACKAGE)
    sys.path.remove(str(folder))


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.{name}")


def test_every_operation_is_there(generated: ModuleType, live: LiveServer) -> None:
    document = httpx.get(f"{live.url}/openapi.json").json()
    for path in document["paths"].values():
        for operation in path.values():
            module = part(f"api.{operation['tags'][0]}.{operation['operationId']}")
            assert callable(module.sync_detailed)


def test_it_reads_what_the_service_says_of_itself(generated: ModuleType, live: LiveServer) -> None:
    with generated.Client(base_url=live.url) as client:
        assert part("api.health.ready").sync(client=client).ready is True
        models = part("api.models.list_models").sync(client=client)
        assert models.models[0].card.labels
        assert part("api.about.read_limits").sync(client=client).limits.max_body_bytes > 0


def test_it_uploads_and_understands_the_answer(generated: ModuleType, live: LiveServer) -> None:
    call = part("api.audio.analyse_audio_emotion")
    form = part("models.analyse_audio_emotion_files_body").AnalyseAudioEmotionFilesBody
    file = part("types").File
    with generated.Client(base_url=live.url) as client:
        upload = form(file=file(payload=io.BytesIO(b"RIFF...."), file_name="talk.wav"))
        answer = call.sync(client=client, body=upload, timeline=True)
        assert live.pipeline.seen[-1][0] == b"RIFF...."
        assert answer.emotion in answer.labels
        assert len(answer.timeline.start_s) == len(answer.timeline.arousal)
        raw = call.sync(client=client, body=file(payload=io.BytesIO(b"RIFF....")))
        assert raw.probabilities == answer.probabilities


def test_it_understands_problems(generated: ModuleType, live: LiveServer) -> None:
    call = part("api.models.read_model")
    with generated.Client(base_url=live.url) as client:
        problem = call.sync(client=client, name="no-such-model")
        assert (problem.status, problem.code) == (404, "model_not_found")


def test_it_takes_a_job_from_beginning_to_end(generated: ModuleType, tmp_path: Path) -> None:
    submit, read = part("api.jobs.submit_audio_emotion"), part("api.jobs.read_job")
    with serving_jobs(tmp_path / "state") as server, generated.Client(base_url=server.url) as client:
        file = part("types").File(payload=io.BytesIO(b"sound"))
        job = submit.sync(client=client, body=file, timeline=True, idempotency_key="visit-17")
        assert job.kind == "audio-emotion"
        wait_until(lambda: read.sync(client=client, job_id=job.id).state == "succeeded")
        result = part("api.jobs.read_job_result").sync_detailed(client=client, job_id=job.id)
        assert result.status_code == 200
        assert b'"probabilities"' in result.content
        assert part("api.jobs.delete_job").sync_detailed(client=client, job_id=job.id).status_code == 204
        gone = part("api.jobs.read_job_result").sync(client=client, job_id=job.id)
        assert (gone.status, gone.code) == (410, "result_expired")
        missing = read.sync(client=client, job_id="x" * 27)
        assert (missing.status, missing.code) == (404, "job_not_found")
