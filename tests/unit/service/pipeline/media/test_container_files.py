import re

import pytest
import yaml
from compose_spec import PyOptions

from service.settings import Settings
from tests.shared_material import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


OURS = ("emoserve", "emoserve-gpu", "emoserve-jobs")


def test_the_file_is_valid_compose() -> None:
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "docker-compose.yml").read_text())
    compose = PyOptions(apply_merge=True).from_yaml(text)
    compose.validate()
    with pytest.raises(ValueError, match="imagee"):  # it knows the names of members
        PyOptions(apply_merge=True).from_yaml(text.replace("image:", "imagee:", 1))


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_service_is_confined_and_bounded(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"]
    assert service["mem_limit"]
    assert service["cpus"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    ports = service.get("ports", ())
    assert all(
        port["host_ip"] == "127.0.0.1" if isinstance(port, dict) else port.startswith("127.0.0.1:") for port in ports
    )
    image, _, version = service["image"].partition(":")
    assert version
    assert version != "latest", image


def test_volumes_that_are_named_exist() -> None:
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            source = volume["source"] if isinstance(volume, dict) else volume.partition(":")[0]
            if not source.startswith("."):
                assert source in COMPOSE["volumes"]
            elif "var/models" not in source:
                assert (ROOT / source).exists()


def test_prometheus_and_grafana_find_what_they_show() -> None:
    services = COMPOSE["services"]
    assert all("emoserve" in services[name]["networks"]["default"]["aliases"] for name in OURS)
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/compose.yml").read_text())
    alone = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (job,) = scraped["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["emoserve:8000"]}]
    (alone["scrape_configs"][0])["static_configs"] = job["static_configs"]
    assert scraped == alone
    provisioning = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards/emoserve.yml").read_text())["providers"]
    mounted = [volume.split(":") for volume in services["grafana"]["volumes"]]
    assert any(target.startswith(provider["options"]["path"]) for _, target, *_ in mounted)


def test_jobs_of_compose_are_in_its_postgres() -> None:
    services = COMPOSE["services"]
    url = services["emoserve-jobs"]["environment"]["EMOSERVE_JOBS_DATABASE_URL"]
    user, password, host, name = re.fullmatch(r"postgresql://(\w+):(.*)@(\w+)/(\w+)", url).groups()
    database = services[host]["environment"]
    assert (user, password, name) == tuple(database[f"POSTGRES_{part}"] for part in ("USER", "PASSWORD", "DB"))
    assert services["emoserve-jobs"]["depends_on"] == {host: {"condition": "service_healthy"}}
    ours = services["emoserve"]["environment"]
    assert ours.items() <= services["emoserve-jobs"]["environment"].items()


@pytest.mark.parametrize("name", OURS)
def test_services_are_hardened(name: str) -> None:
    service = COMPOSE["services"][name]
    assert "noexec" in service["tmpfs"][0]
    assert service["mem_limit"] == service["memswap_limit"]
    assert service["user"].split(":")[0] != "0"
    assert service["ulimits"]["core"] == 0
    grace_s = int(service["stop_grace_period"].removesuffix("s"))
    assert grace_s > float(service["environment"]["EMOSERVE_DRAIN_S"])


def test_only_what_is_asked_for_is_started() -> None:
    profiles = {name: service.get("profiles") for name, service in COMPOSE["services"].items()}
    assert profiles == {
        "emoserve": None,
        "emoserve-gpu": ["gpu"],
        "emoserve-jobs": ["jobs"],
        "postgres": ["jobs"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }
    targets = {COMPOSE["services"][name]["build"]["target"] for name in OURS}
    stages = set(re.findall(r"^FROM .* AS (\S+)$", DOCKERFILE, re.MULTILINE))
    assert targets == {"cpu", "cuda"}
    assert targets <= stages


def test_environment_names_are_settings() -> None:
    names = set(re.findall(r"EMOSERVE_([A-Z_]+)", DOCKERFILE))
    for name in OURS:
        names |= {entry.removeprefix("EMOSERVE_") for entry in COMPOSE["services"][name]["environment"]}
    assert {name.lower() for name in names} <= set(Settings.model_fields)


def test_image_runs_unprivileged_and_checks_liveness() -> None:
    final = DOCKERFILE[DOCKERFILE.index(" AS runtime") :]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert "USER root" not in final
    assert re.search(r'^HEALTHCHECK .* CMD \["python", "-m", "service", "health"\]$', final, re.MULTILINE)
    assert not re.search(r"(?i)secret|password|token|api_key", DOCKERFILE)


def test_both_images_pin_the_runtime_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    wanted = re.search(r'"onnxruntime-gpu(>=[^"]+)"', project)
    assert wanted is not None
    for name in ("image-cpu.in", "image-cuda.in"):
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        assert lines[-1].endswith(wanted[1])
