"""The TypeScript client: its types are those of the service, it compiles, and Node calls a service with it."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import playwright
import pytest

from tests.shared_material import ROOT
from tests.support.job_server import serving_jobs
from tests.support.live_server import LiveServer, serving, small_settings
from tests.support.patience import HANG_S

CLIENT = ROOT / "client" / "typescript"
NODE = Path(playwright.__file__).parent / "driver" / "node"
"""Playwright's own, which runs TypeScript without a compiler."""


Run = Callable[[str, str], dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run_script(body: str, url: str) -> dict[str, Any]:
        """What a script tells by ``tell(name, value)``; 'emoserve' is a client."""
        script = tmp_path / "script.ts"
        script.write_text(
            f'import {{ Emoserve, EmoserveProblem, EmoserveUnreachable }} from "{CLIENT / "src/index.ts"}";\n'
            f'const url = "{url}", emoserve = new Emoserve(`${{url}}/`);\n'
            "const tell = (name: string, value: unknown) => console.log(JSON.stringify([name, value]));\n"
            f"{body}\n"
        )
        done = subprocess.run([NODE, script], capture_output=True, text=True, timeout=HANG_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(map(json.loads, done.stdout.splitlines()))

    return run_script


def test_the_types_are_those_of_the_service(live: LiveServer, tmp_path: Path) -> None:
    """See ``client/typescript/README.md`` for how to make them again."""
    (tmp_path / "src").mkdir()
    shutil.copy(CLIENT / "generate.py", tmp_path)
    document = tmp_path / "openapi.json"
    document.write_bytes(httpx.get(f"{live.url}/openapi.json").content)
    subprocess.run([sys.executable, tmp_path / "generate.py", document], check=True, timeout=HANG_S)
    made = (tmp_path / "src/answers.ts").read_text()
    assert made == (CLIENT / "src/answers.ts").read_text()
    assert "unknown;" not in made.replace("Record<string, unknown>;", "")  # nothing was left without a type


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_it_compiles_to_a_package(tmp_path: Path) -> None:
    package = tmp_path / "package"
    shutil.copytree(CLIENT, package, ignore=shutil.ignore_patterns("node_modules", "dist"))
    for command in (["npm", "ci"], ["npm", "pack"]):
        done = subprocess.run(command, cwd=package, capture_output=True, text=True, timeout=2 * HANG_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = package.glob("*.tgz")
    names = subprocess.run(["tar", "tzf", archive], capture_output=True, text=True, check=True).stdout.split()
    assert {f"package/{name}" for name in ("dist/index.js", "dist/index.d.ts", "README.md", "LICENSE")} <= set(names)


def test_it_uploads_and_reads_every_form(run: Run, live: LiveServer) -> None:
    found = run(
        """
        const sound = new TextEncoder().encode("RIFF....");
        const answer = await emoserve.audioEmotion(sound, { timeline: true, min_speech: null });
        tell("emotion", [answer.emotion, answer.labels, answer.timeline!.start_s.length]);
        tell("csv", await (await emoserve.audioEmotionAs("text/csv", new Blob([sound], { type: "audio/wav" }))).text());
        const fhir = await emoserve.audioEmotionAs("application/fhir+json", sound, { subject: "Patient/1" });
        tell("fhir", [fhir.type, JSON.parse(await fhir.text()).resourceType]);
        const events = [];
        for await (const event of emoserve.audioEmotionEvents(sound, { timeline: true })) events.push(event);
        tell("events", events.map((event) => event.name));
        tell("same", (events.at(-1)!.data as typeof answer).probabilities.join() === answer.probabilities!.join());
        const affect = await emoserve.videoAffect(sound, { include: "action_units" });
        tell("affect", affect.timeline.arousal.length === affect.timeline.time_s.length);
        tell("limits", (await emoserve.limits()).limits.max_body_bytes);
        tell("models", (await emoserve.models()).models.length);
        tell("ready", (await emoserve.ready()).ready);
        """,
        live.url,
    )
    emotion, labels, windows = found["emotion"]
    assert emotion in labels
    assert windows > 0
    assert live.pipeline.seen[0][0] == b"RIFF...."
    assert found["csv"].startswith("channel,start_s,")
    assert found["fhir"] == ["application/fhir+json;fhirversion=4.0", "Bundle"]
    assert (found["events"][-1], found["same"], found["affect"], found["ready"]) == ("result", True, True, True)
    assert found["limits"] == live.services.settings.limits.max_body_bytes
    assert found["models"] > 0


def test_refusals_are_problems_and_silence_is_told(run: Run, live: LiveServer) -> None:
    found = run(
        """
        const refused = async (work: Promise<unknown>) => {
          try { await work; return null; } catch (error) {
            if (error instanceof EmoserveProblem) return [error.status, error.code, error.detail, error.requestId];
            return [(error as Error).name];
          }
        };
        const sound = new TextEncoder().encode("RIFF....");
        tell("parameter", await refused(emoserve.audioEmotion(sound, { tmeline: true } as object)));
        tell("url", await refused(emoserve.audioEmotion({ url: "https://example.org/talk.wav" })));
        tell("profile", await refused(emoserve.audioEmotion(sound, {}, { profile: { not: "one" } })));
        tell("aborted", await refused(emoserve.audioEmotion(sound, {}, { signal: AbortSignal.abort() })));
        tell("nobody", await refused(new Emoserve("http://127.0.0.1:1").limits()));
        """,
        live.url,
    )
    status, code, detail, request_id = found["parameter"]
    assert (status, code) == (422, "config_invalid")
    assert detail == "/tmeline: There is no such parameter. Did you mean 'timeline'?"
    assert re.fullmatch(r"[\w-]{8,}", request_id)
    assert found["url"][:2] == [422, "url_refused"]
    assert found["profile"][:2] == [422, "profile_invalid"]
    assert found["aborted"] == ["AbortError"]
    assert found["nobody"] == ["EmoserveUnreachable"]


def test_a_busy_service_is_asked_again(run: Run) -> None:
    with serving(small_settings()) as live:
        found = run(
            """
            let calls = 0;
            const busy = async () => {
              calls += 1;
              const headers = { "Content-Type": "application/problem+json", "Retry-After": calls < 3 ? "0" : "900" };
              if (calls === 3) return fetch(`${url}/v1/limits`);
              return new Response(JSON.stringify({ code: "server_busy", status: 503 }), { status: 503, headers });
            };
            const patient = new Emoserve("http://nobody", { fetch: busy as typeof fetch });
            tell("limits", (await patient.limits()).limits.max_body_bytes);
            tell("calls", calls);
            const refusal = await patient.limits().catch((error: EmoserveProblem) => error);
            tell("gives up", [(refusal as EmoserveProblem).retryAfterS, calls]);
            """,
            live.url,
        )
    assert found["limits"] == small_settings().limits.max_body_bytes
    assert found["calls"] == 3
    assert found["gives up"] == [900, 4]


def test_it_takes_a_job_from_beginning_to_end(run: Run, tmp_path: Path) -> None:
    with serving_jobs(tmp_path / "state") as server:
        found = run(
            """
            const job = await emoserve.submitAudioEmotion(new Blob(["sound"]), { timeline: true });
            const states = [];
            for await (const { name, data } of emoserve.jobEvents(job.id)) {
              if (name === "state") states.push((data as typeof job).state);
            }
            tell("states", states);
            tell("end", (await emoserve.wait(job.id, { pollS: 0.05 })).state);
            tell("answer", await emoserve.jobResult(job.id));
            await emoserve.deleteJob(job.id);
            try { await emoserve.jobResult(job.id); } catch (error) { tell("gone", (error as EmoserveProblem).code); }
            """,
            server.url,
        )
    assert found["states"][-1] == found["end"] == "succeeded"
    assert found["answer"]["probabilities"]
    assert found["gone"] == "result_expired"
