"""The manifests as kustomize renders them: valid by the schemas of Kubernetes, and fit for the service."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.settings import LEAST_SECRET_CHARACTERS, Limits, Settings
from tests.shared_material import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("gpu", "jobs", "monitoring", "ingress", "outgoing", "tls")
PLACES = ("base", *(f"overlays/{name}" for name in OVERLAYS))
VERSIONS = ("1.30.0", kubernetes_validate.latest_version())
OF_OPERATORS = {"ServiceMonitor", "PrometheusRule"}
"""Kinds that Kubernetes itself does not know."""

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


@functools.cache
def rendered(place: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Manifests by kind and name."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES / place)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    manifests = list(yaml.safe_load_all(done.stdout))
    found = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests}
    assert len(found) == len(manifests)
    return found


def pod(place: str) -> dict[str, Any]:
    return rendered(place)["Deployment", "emoserve"]["spec"]["template"]["spec"]


def environment(place: str) -> dict[str, dict[str, Any]]:
    (container,) = pod(place)["containers"]
    return {entry["name"]: entry for entry in container["env"]}


def test_every_overlay_is_tried() -> None:
    assert {folder.name for folder in (KUBERNETES / "overlays").iterdir()} == set(OVERLAYS)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("place", PLACES)
def test_manifests_are_valid(place: str, version: str) -> None:
    for (kind, _), manifest in rendered(place).items():
        if kind not in OF_OPERATORS:
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("place", PLACES)
def test_settings_exist_and_can_be_used(place: str) -> None:
    known = {f"EMOSERVE_{name.upper()}" for name in Settings.model_fields}
    known |= {f"EMOSERVE_LIMITS__{name.upper()}" for name in Limits.model_fields}
    entries = environment(place)
    assert entries.keys() <= known
    values = {name: entry["value"] for name, entry in entries.items() if "value" in entry}
    assert all(isinstance(value, str) for value in values.values())
    assert "emoserve" in json.loads(values["EMOSERVE_ALLOWED_HOSTS"])


@pytest.mark.parametrize("place", PLACES)
def test_pods_meet_the_policy_of_their_namespace(place: str) -> None:
    found = rendered(place)
    labels = found["Namespace", "emoserve"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for (kind, name), manifest in found.items():
        if kind != "Namespace":
            assert manifest["metadata"]["namespace"] == "emoserve", name
        if kind in ("Deployment", "StatefulSet"):
            spec = manifest["spec"]["template"]["spec"]
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            for container in spec["containers"]:
                assert container["securityContext"]["allowPrivilegeEscalation"] is False
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
                assert ":" in container["image"]


@pytest.mark.parametrize("place", PLACES)
def test_volumes_and_mounts_belong_together(place: str) -> None:
    spec = pod(place)
    (container,) = spec["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


def test_gpu_pods_ask_for_one_and_get_its_image() -> None:
    (container,) = pod("overlays/gpu")["containers"]
    assert container["image"] == "emoserve:cuda"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert environment("overlays/gpu")["EMOSERVE_DEVICE"]["value"] == "cuda"


def test_what_is_there_once_is_not_scaled() -> None:
    scaler = rendered("overlays/gpu")["HorizontalPodAutoscaler", "emoserve"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 1)
    assert rendered("overlays/gpu")["Deployment", "emoserve"]["spec"]["replicas"] == 1


def test_pods_with_jobs_are_scaled_as_those_without() -> None:
    for kind, field in (("HorizontalPodAutoscaler", "minReplicas"), ("Deployment", "replicas")):
        numbers = [rendered(place)[kind, "emoserve"]["spec"].get(field) for place in ("base", "overlays/jobs")]
        assert numbers[0] == numbers[1]
    state = environment("overlays/jobs")["EMOSERVE_STATE_DIR"]["value"]
    (container,) = pod("overlays/jobs")["containers"]
    shared = {volume["name"] for volume in pod("overlays/jobs")["volumes"] if "persistentVolumeClaim" in volume}
    for mount in container["volumeMounts"]:
        assert not (mount["name"] in shared and f"{state}/".startswith(f"{mount['mountPath']}/"))


def test_jobs_find_their_secrets_their_spool_and_their_database() -> None:
    found, entries = rendered("overlays/jobs"), environment("overlays/jobs")
    example = yaml.safe_load((KUBERNETES / "overlays" / "jobs" / "secrets.example.yaml").read_text())
    assert entries["EMOSERVE_JOBS"]["value"] == "true"
    database = found["StatefulSet", "emoserve-postgres"]["spec"]["template"]["spec"]["containers"][0]
    asked = [
        entry["valueFrom"]["secretKeyRef"] for entry in (*entries.values(), *database["env"]) if "valueFrom" in entry
    ]
    assert {one["name"] for one in asked} == {example["metadata"]["name"]}
    assert {one["key"] for one in asked} == example["stringData"].keys()
    settings = Settings(
        jobs_database_url=example["stringData"]["database-url"], spool_key="x" * LEAST_SECRET_CHARACTERS
    )  # refuses an address that is not one of PostgreSQL
    assert settings.jobs_database_url is not None
    host = settings.jobs_database_url.get_secret_value().partition("@")[2].partition("/")[0]
    assert ("Service", host) in found
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod("overlays/jobs")["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {"emoserve-spool"}
    assert found["PersistentVolumeClaim", "emoserve-spool"]["spec"]["accessModes"] == ["ReadWriteMany"]
    (to_database, _) = found["NetworkPolicy", "emoserve"]["spec"]["egress"]
    label = found["StatefulSet", "emoserve-postgres"]["spec"]["template"]["metadata"]["labels"]
    assert to_database["to"][0]["podSelector"]["matchLabels"] == label


def test_rules_of_the_operator_are_the_rules() -> None:
    found = rendered("overlays/monitoring")
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    assert found["PrometheusRule", "emoserve"]["spec"] == rules
    monitor, service = found["ServiceMonitor", "emoserve"]["spec"], found["Service", "emoserve"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "emoserve"  # the job of the alerts
    assert monitor["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_ingress_keeps_a_client_at_its_pod_and_waits_for_answers() -> None:
    found = rendered("overlays/ingress")
    ingress = found["Ingress", "emoserve"]
    notes = {name.rpartition("/")[2]: value for name, value in ingress["metadata"]["annotations"].items()}
    assert notes["affinity"] == "cookie"
    assert notes["proxy-buffering"] == notes["proxy-request-buffering"] == "off"
    assert float(notes["proxy-read-timeout"]) > Limits().deadline_s
    hosts = json.loads(environment("overlays/ingress")["EMOSERVE_ALLOWED_HOSTS"]["value"])
    assert {rule["host"] for rule in ingress["spec"]["rules"]} <= set(hosts)


def test_probes_ask_over_tls_where_the_pod_speaks_it() -> None:
    (container,) = pod("overlays/tls")["containers"]
    probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {probe["scheme"] for probe in probes} == {"HTTPS"}
    (secret,) = (mount for mount in container["volumeMounts"] if mount["name"] == "tls")
    for name in ("EMOSERVE_SSL_CERTFILE", "EMOSERVE_SSL_KEYFILE"):
        assert environment("overlays/tls")[name]["value"].startswith(secret["mountPath"])


def test_what_goes_out_goes_to_public_addresses_over_tls() -> None:
    assert rendered("base")["NetworkPolicy", "emoserve"]["spec"]["egress"] == []
    names, calls = rendered("overlays/outgoing")["NetworkPolicy", "emoserve"]["spec"]["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert calls["ports"] == [{"protocol": "TCP", "port": 443}]
    closed = [ip_network(one) for block in calls["to"] for one in block["ipBlock"]["except"]]
    for address in (
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.20.0.1",
        "192.168.1.1",
        "::1",
        "fd00::1",
    ):
        assert any(ip_address(address) in network for network in closed), address
    for address in ("52.219.170.10", "2600:1fa0::1"):
        assert not any(ip_address(address) in network for network in closed), address
    hosts = environment("overlays/outgoing")["EMOSERVE_INPUT_URL_HOSTS"]["value"]
    assert Settings(input_url_hosts=json.loads(hosts)).input_url_hosts


OF_KSERVE = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "timeout"}
"""Fields of a predictor that are KServe's own (its ComponentExtensionSpec); the rest is a pod's."""


@pytest.mark.parametrize("version", VERSIONS)
def test_a_predictor_of_kserve_is_a_pod_like_those_of_the_base(version: str) -> None:
    service = yaml.safe_load((ROOT / "deploy" / "kserve" / "inference_service.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    predictor = service["spec"]["predictor"]
    assert predictor["timeout"] > Limits().deadline_s
    assert predictor.keys() >= OF_KSERVE
    spec = {name: value for name, value in predictor.items() if name not in OF_KSERVE}
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": service["metadata"], "spec": spec}, version, strict=True
    )
    base = pod("base")
    ((container,), (other,)) = spec.pop("containers"), base["containers"]
    assert spec.items() <= base.items()
    assert container["name"] == "kserve-container"
    for name in ("resources", "securityContext", "volumeMounts"):
        assert container[name] == other[name]
    values = {entry["name"]: entry["value"] for entry in container["env"]}
    assert values.keys() == environment("base").keys()
    differing = {name for name, entry in environment("base").items() if entry["value"] != values[name]}
    assert differing == {"EMOSERVE_ALLOWED_HOSTS"}
