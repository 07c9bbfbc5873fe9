import re

import pytest
import yaml

from service.settings import Settings
from tests.shared_material import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.mark.parametrize("name", ["emoserve", "emoserve-gpu"])
def test_services_are_hardened(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "noexec" in service["tmpfs"][0]
    assert service["mem_limit"] == service["memswap_limit"]
    assert service["user"].split(":")[0] != "0"
    assert service["ports"][0].startswith("127.0.0.1:")
    assert service["ulimits"]["core"] == 0
    grace_s = int(service["stop_grace_period"].removesuffix("s"))
    assert grace_s > float(service["environment"]["EMOSERVE_DRAIN_S"])


def test_gpu_is_only_used_when_asked_for() -> None:
    assert COMPOSE["services"]["emoserve-gpu"]["profiles"] == ["gpu"]
    assert "profiles" not in COMPOSE["services"]["emoserve"]
    targets = {service["build"]["target"] for service in COMPOSE["services"].values()}
    stages = set(re.findall(r"^FROM .* AS (\S+)$", DOCKERFILE, re.MULTILINE))
    assert targets == {"cpu", "cuda"}
    assert targets <= stages


def test_environment_names_are_settings() -> None:
    names = set(re.findall(r"EMOSERVE_([A-Z_]+)", DOCKERFILE))
    for service in COMPOSE["services"].values():
        names |= {name.removeprefix("EMOSERVE_") for name in service["environment"]}
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
