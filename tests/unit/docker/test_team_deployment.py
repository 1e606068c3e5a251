"""The team deployment holds together: what one of its files names, another one makes."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
SERVICES = COMPOSE["services"]
AIRFLOW = {
    name: service for name, service in SERVICES.items() if "AIRFLOW__CORE__EXECUTOR" in service.get("environment", {})
}


def script(name):
    spec = importlib.util.spec_from_file_location(f"docker_{name}", ROOT / "docker" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def secrets(tmp_path):
    folder = tmp_path / "secrets"
    script("make_secrets").make(folder)
    return folder


def test_every_secret_that_is_named_is_made_and_every_one_that_is_made_is_named(secrets):
    named = {name: Path(secret["file"]) for name, secret in COMPOSE["secrets"].items()}

    assert {path.name for path in named.values()} == {path.name for path in secrets.iterdir()} == set(named)
    assert {str(path.parent) for path in named.values()} == {"docker/secrets"}
    assert "docker/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_secrets_are_made_once_and_agree_with_each_other(secrets):
    before = {path.name: path.read_text() for path in secrets.iterdir()}

    assert script("make_secrets").make(secrets) == []
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    Fernet(before["fernet_key"])
    assert before["database"] == f"postgresql+psycopg2://airflow:{before['postgres_password']}@postgres/airflow"
    assert before["results"] == f"db+{before['database']}"
    assert before["broker"] == f"redis://:{before['redis_password']}@redis:6379/0"
    assert json.loads(before["connections.json"])["aws_default"]["extra"]["region_name"] == "us-west-2"
    assert secrets.stat().st_mode & 0o777 == 0o700


def test_every_user_of_the_simple_auth_manager_has_a_password(secrets):
    users = SERVICES["api-server-1"]["environment"]["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]

    named = {user.split(":")[0] for user in users.removeprefix("${USERS:-").removesuffix("}").split(",")}
    passwords = json.loads((secrets / "passwords.json").read_text())
    assert set(passwords) == named
    assert len(set(passwords.values())) == len(named)


def test_no_part_reads_a_secret_that_it_is_not_given_and_none_has_one_in_its_environment():
    for name, service in SERVICES.items():
        text = json.dumps([service.get("environment"), service.get("command"), service.get("healthcheck")])
        assert set(re.findall(r"/run/secrets/([a-z_.]+)", text)) <= set(service.get("secrets", ())), name
        assert not re.search(r"PASSWORD\": \"(?!/)", text), name


def test_of_every_part_that_decides_or_waits_there_are_two_and_every_part_is_watched():
    commands = [service["command"] for name, service in AIRFLOW.items() if name[-1] in "12"]

    for part in ("api-server --proxy-headers", "scheduler", "triggerer", "celery worker"):
        assert commands.count(f"airflow {part}") == 2
    unwatched = {name for name, service in SERVICES.items() if "healthcheck" not in service}
    assert unwatched == {"migrate", "flower"}
    assert all(service.get("restart") for service in SERVICES.values())


def test_health_checks_ask_of_what_runs_in_their_container():
    healthy = script("healthy")

    for name, service in AIRFLOW.items():
        check = service.get("healthcheck", {}).get("test")
        if check:
            assert check[:3] == ["CMD", "python", "/opt/drs/healthy.py"]
            assert check[3] in {**healthy.ADDRESSES, **healthy.COMMANDS}
            assert check[3].replace("celery ", "") in service["command"], name


def test_images_are_pinned_and_none_runs_as_root_by_our_making():
    for service in SERVICES.values():
        default = re.sub(r"\$\{\w+:-(.*)\}", r"\1", service["image"])
        assert default == "drs-airflow" or re.search(r":\d+\.\d+", default)
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    assert re.search(r"^USER airflow$", dockerfile, re.MULTILINE)
    assert re.search(r"^ARG BASE_IMAGE=python:3\.11\.\d+", dockerfile, re.MULTILINE)


def test_what_the_image_copies_goes_to_the_builder():
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    for path in " ".join(copied).split():
        assert path in sent or path.split("/")[0] in sent, path


def test_the_passwords_of_the_secrets_win_over_the_copy_that_the_parts_share(tmp_path, secrets):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "passwords.json").write_text('{"admin": "old"}')

    script("prepare").lay_out(shared, secrets / "passwords.json")

    assert (shared / "passwords.json").read_text() == (secrets / "passwords.json").read_text()
    assert (shared / "passwords.json").stat().st_mode & 0o777 == 0o600
    assert (shared / "reports").is_dir()
