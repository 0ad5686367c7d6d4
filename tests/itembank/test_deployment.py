"""What a deployment relies on: the Compose file, production settings, and pins."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "tests" / "data" / "compose-spec.schema.json"
PRODUCTION = {
    "ITEMBANK_MODE": "production",
    "SECRET_KEY": "for-this-test-only-0123456789-abcdefghijklmnopqrstuvwxyz",
    "ALLOWED_HOSTS": "bank.example.org",
    "DATABASE_URL": "postgresql://user:password@db/itembank",
    "CELERY_BROKER_URL": "redis://broker:6379/0",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


def manage(*args: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "ITEMBANK_HOME": os.environ["ITEMBANK_HOME"], **env}
    command = [sys.executable, "manage.py", *args]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_compose_file_follows_the_specification(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_schema_test_can_fail(compose: dict[str, Any]) -> None:
    broken = {**compose, "services": {"web": {"imagee": "x"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_compose_runs_every_process_with_a_health_check(compose: dict[str, Any]) -> None:
    long_running = {"postgres", "redis", "web", "worker-gpu", "worker-cpu", "worker-llm", "beat"}
    assert set(compose["services"]) == long_running | {"migrate"}
    assert all("healthcheck" in compose["services"][name] for name in long_running)


def test_exactly_one_gpu_is_reserved_and_by_the_gpu_worker_only(compose: dict[str, Any]) -> None:
    reserved = {name: service.get("deploy") for name, service in compose["services"].items() if "deploy" in service}
    assert list(reserved) == ["worker-gpu"]
    assert reserved["worker-gpu"]["resources"]["reservations"]["devices"][0]["count"] == 1


def test_broker_survives_a_restart_and_never_evicts(compose: dict[str, Any]) -> None:
    command = " ".join(compose["services"]["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_compose_file_holds_no_secret(compose: dict[str, Any]) -> None:
    named = {"SECRET_KEY", "POSTGRES_PASSWORD", "OPENAI_API_KEY", "ITEMBANK_MODEL_SERVER_KEYS", "HF_TOKEN"}
    for service in compose["services"].values():
        for name in named & set(service.get("environment", {})):
            assert re.fullmatch(r"\$\{" + name + r"[:?\-].*\}", service["environment"][name])


def test_operations_explain_every_variable() -> None:
    settings = (ROOT / "itembank" / "settings.py").read_text(encoding="utf-8")
    variables = set(re.findall(r'env(?:\.\w+)?\(\s*"([A-Z_]+)"', settings))
    explained = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "ITEMBANK_MODELS_DIR" in variables
    assert not {name for name in variables if f"`{name}`" not in explained}


def test_deploy_check_is_clean_under_production_settings() -> None:
    result = manage("check", "--deploy", "--fail-level", "WARNING", env=PRODUCTION)
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


@pytest.mark.parametrize("missing", ["SECRET_KEY", "ALLOWED_HOSTS"])
def test_production_does_not_start_without_its_secrets(missing: str) -> None:
    result = manage("check", env={name: value for name, value in PRODUCTION.items() if name != missing})
    assert result.returncode != 0
    assert missing in result.stderr


@pytest.mark.parametrize(("name", "value"), [("SWEEP_SECONDS", "often"), ("ITEMBANK_MODE", "prod"), ("DEBUG", "maybe")])
def test_a_bad_environment_value_is_named(name: str, value: str) -> None:
    result = manage("check", env={name: value})
    assert result.returncode != 0
    assert name in result.stderr
    assert value in result.stderr


def test_every_direct_requirement_is_pinned() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in path.read_text(encoding="utf-8").splitlines():
            requirement = line.split("#")[0].strip()
            if requirement and not requirement.startswith("-"):
                assert "==" in requirement, f"{path.name}: {requirement}"


def test_no_torchvision_among_the_requirements() -> None:
    pins = (path.read_text(encoding="utf-8") for path in (ROOT / "requirements").glob("*.txt"))
    assert not any(re.search(r"^torchvision", text, re.MULTILINE) for text in pins)
