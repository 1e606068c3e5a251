"""A client that a generator makes of the API's document works: it lists, reads and starts a drill on a real Airflow."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="the stack looks after its processes as Linux does"),
]

ROOT = Path(__file__).parents[2]
GENERATOR = Path(os.environ.get("DRS_CLIENT_GENERATOR", ROOT / ".venv" / "client" / "bin" / "openapi-python-client"))


@pytest.fixture
def client(stack, tmp_path, monkeypatch):
    """A client whose package was made of the document, signed in as ann."""
    if not GENERATOR.exists():
        pytest.skip("the generator is missing: make test-whole installs it")
    password = json.loads(stack.places.passwords.read_text())["ann"]
    body = {"username": "ann", "password": password}
    answer = httpx.post(f"{stack.airflow.address}/auth/token", json=body, trust_env=False).raise_for_status()
    token = answer.json()["access_token"]
    address = f"{stack.airflow.address}/drs/api/v1"
    headers = {"Authorization": f"Bearer {token}"}
    document = httpx.get(f"{address}/openapi.json", headers=headers, trust_env=False).raise_for_status()
    (tmp_path / "openapi.json").write_text(document.text)
    command = [GENERATOR, "generate", "--path", tmp_path / "openapi.json", "--output-path", tmp_path / "made"]
    made = subprocess.run(
        [*command, "--meta", "none", "--fail-on-warning"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PATH": f"{GENERATOR.parent}:{os.environ.get('PATH', '')}"},  # it formats with its own ruff
    )
    assert made.returncode == 0, made.stdout + made.stderr
    monkeypatch.syspath_prepend(tmp_path)
    package = importlib.import_module("made")
    return package.AuthenticatedClient(base_url=address, token=token)


def test_a_generated_client_lists_reads_and_starts_a_drill(stack, client):
    runs = {name: importlib.import_module(f"made.api.runs.{name}") for name in ("start_run", "run", "wait_for_run")}
    plans = importlib.import_module("made.api.recovery_plans.recovery_plans")
    models = importlib.import_module("made.models")

    listed = plans.sync(client=client, q="hasty")
    assert [plan.name for plan in listed.plans] == ["hasty"]

    started = runs["start_run"].sync(
        dag_id="drs.hasty",
        client=client,
        body=models.NewRun(mode=models.NewRunMode.DRILL, reason="by a generated client"),
    )
    assert isinstance(started, models.RunSteered), started
    assert started.run.triggered_by == "ann"

    read = runs["run"].sync(dag_id="drs.hasty", run_id=started.run.short_id, client=client)
    assert (read.run_id, read.plan) == (started.run.run_id, "hasty")

    def ended():
        awaited = runs["wait_for_run"].sync(
            dag_id="drs.hasty", run_id=started.run.run_id, client=client.with_timeout(httpx.Timeout(30)), seconds=5.0
        )
        return awaited.run if awaited.is_over else None

    run = stack.until(ended, lambda: stack.states("hasty", started.run.run_id))
    assert run.airflow_state in {"success", "failed"}
    assert stack.airflow.run("drs.hasty", started.run.run_id)["conf"]["reason"] == "by a generated client"
