"""The files in deploy/ fit the service: metric names, settings, probes; and promtool takes the rules."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from service.app import create_app
from service.health import Phase
from service.telemetry.metrics import Metrics
from tests.shared_material import ROOT
from tests.support.fakes import fake_services
from tests.support.live_server import small_settings

DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "base" / "emoserve.yaml").read_text()))
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
METRIC = re.compile(r"\b(?<!:)((?:emotion|process)_[a-z_]+)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\bby \(([a-z_, ]+)\)")
OF_PROMETHEUS = {"instance", "job", "le"}


def panels() -> Iterator[dict[str, Any]]:
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            yield panel


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]] + [rule["expr"] for rule in RULES]


def metrics_by_name() -> dict[str, set[str]]:
    """Every sample that the service can give, with its labels."""
    metrics = Metrics()
    known: dict[str, set[str]] = {}
    for value in vars(metrics).values():
        for family in value.collect() if hasattr(value, "collect") and value is not metrics.registry else ():
            labels = set(value._labelnames)
            endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}[family.type]
            known |= {family.name + ending: labels for ending in endings}
    known |= {
        sample.name: set(sample.labels)
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith("process_")
    }
    return known


@pytest.mark.parametrize("expression", expressions())
def test_expressions_ask_for_what_there_is(expression: str) -> None:
    known = metrics_by_name()
    asked = METRIC.findall(expression)
    assert asked or "up{" in expression
    labels: set[str] = set()
    for name, selector in asked:
        assert name in known, name
        labels |= known[name]
        given = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", selector))
        assert given <= known[name] | OF_PROMETHEUS, (name, given)
    for grouping in GROUPING.findall(expression):
        assert set(grouping.replace(" ", "").split(",")) <= labels | OF_PROMETHEUS


def test_every_metric_of_the_service_is_on_the_dashboard() -> None:
    shown = {name for panel in panels() for target in panel["targets"] for name, _ in METRIC.findall(target["expr"])}
    ours = {
        name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        for name in metrics_by_name()
        if name.startswith("emotion_")
    }
    assert ours == {
        name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        for name in shown
        if name.startswith("emotion_")
    }


def test_dashboard_has_no_loose_ends() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(DASHBOARD)))
    assert used == variables
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)


def test_alerts_tell_what_to_do() -> None:
    for rule in (rule for rule in RULES if "alert" in rule):
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "description"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is not installed")
@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", "alerts.yml"],
        ["check", "config", "prometheus.yml"],
        ["check", "config", "compose.yml"],
        ["test", "rules", "alerts_test.yml"],
        ["test", "rules", "drift_test.yml"],
    ],
)
def test_promtool(command: list[str]) -> None:
    done = subprocess.run(["promtool", *command], cwd=DEPLOY / "prometheus", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_pod_outlives_its_draining() -> None:
    [deployment] = [manifest for manifest in MANIFESTS if manifest["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    values = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    needed_s = float(values["EMOSERVE_READY_GRACE_S"]) + float(values["EMOSERVE_DRAIN_S"])
    assert pod["terminationGracePeriodSeconds"] > needed_s


def test_jobs_are_off_where_nothing_keeps_their_state() -> None:
    [deployment] = [manifest for manifest in MANIFESTS if manifest["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    values = {entry["name"]: entry["value"] for entry in container["env"]}
    assert deployment["spec"]["replicas"] > 1
    assert values["EMOSERVE_JOBS"] == "false"


def test_a_node_with_the_only_pod_can_be_drained() -> None:
    [budget] = [manifest["spec"] for manifest in MANIFESTS if manifest["kind"] == "PodDisruptionBudget"]
    assert budget.keys() == {"maxUnavailable", "selector"}


def test_pods_have_no_rights() -> None:
    [deployment] = [manifest for manifest in MANIFESTS if manifest["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    security = pod["containers"][0]["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert all(volume["emptyDir"]["medium"] == "Memory" for volume in pod["volumes"])
    probes = {pod["containers"][0][name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe")}
    assert probes == {"/v2/health/live"}


@pytest.fixture
def ray_application(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of deploy/ray_serve, with decorators in Ray's place that change nothing."""
    ray = types.ModuleType("ray")
    same = lambda *_, **__: lambda decorated: decorated  # noqa: E731
    ray.serve = types.SimpleNamespace(deployment=same, ingress=same)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", ray)
    source = (DEPLOY / "ray_serve" / "emoserve_app.py").read_text().replace("app = Emoserve.bind()", "")
    module = types.ModuleType("emoserve_app")
    exec(compile(source, "emoserve_app.py", "exec"), module.__dict__)
    return module


def test_a_replica_of_ray_takes_traffic_when_it_is_ready(ray_application: Any) -> None:
    settings = small_settings()
    services = fake_services(settings)
    services.health.phase = Phase.STARTING
    replica = ray_application.Emoserve()
    replica.app = create_app(settings, services)

    async def check() -> bool:
        checking = asyncio.create_task(replica.check_health())
        for _ in range(10):  # whatever it can do without waiting
            await asyncio.sleep(0)
        was_waiting = not checking.done()
        services.health.phase = Phase.READY
        await checking
        return was_waiting

    assert asyncio.run(check())
    for fail in (services.health.drain, services.health.failed):
        fail()
        with pytest.raises(RuntimeError):
            asyncio.run(replica.check_health())


def test_an_image_checks_its_health_by_the_command_that_knows_the_settings() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert 'CMD ["python", "-m", "service", "health"]' in dockerfile
    assert "urllib" not in dockerfile


def test_code_is_copied_into_images_after_their_dependencies() -> None:
    """Layers are shared up to the first that differs."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    for target in ("cpu", "cuda"):
        stage = dockerfile.split(f" AS {target}\n")[1].split("\nFROM ")[0]
        copies = re.findall(r"COPY --from=(\S+)", stage)
        assert copies == [f"builder-{target}", "code"]
        dependencies = dockerfile.split(f" AS builder-{target}\n")[1].split("\nFROM ")[0]
        assert "COPY" not in dependencies


def test_bases_are_whole_versions() -> None:
    versions = re.findall(r"ARG (?:PYTHON|UV)_VERSION=(\S+)", (ROOT / "Dockerfile").read_text())
    assert len(versions) == 2
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
