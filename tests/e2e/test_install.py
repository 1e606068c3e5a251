"""A stranger's installation as docs/install.md tells it: an empty environment, the two wheels, a first plan."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
CONSTRAINTS = ROOT / "requirements" / "constraints" / "airflow-3.3.2.txt"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of the commands of an environment with both wheels, under the constraints of Airflow 3.3.2."""
    folder = tmp_path_factory.mktemp("stranger")
    wheels = [
        path
        for root in (ROOT, ROOT / "simulator")
        for path in WheelBuilder(str(root)).build(directory=str(folder), versions=["standard"])
    ]
    place = folder / "venv"
    for arguments in (
        ["venv", "--python", sys.executable, place],
        ["pip", "install", "--python", place, "--no-build", "--constraint", CONSTRAINTS, *wheels],
        ["pip", "check", "--python", place],
    ):
        run([UV, *arguments], folder)
    return place / "bin"


def run(command, folder):
    """Run a command with nothing of this process's settings; returns what it printed."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "DRS_", "AWS_", "PYTHON"))
    }
    environment = kept | {"AIRFLOW_HOME": str(folder / "airflow"), "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, text=True, check=False, capture_output=True, timeout=110
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def with_settings(folder, command):
    """A command in a shell that has read the settings, as docs/install.md says it."""
    return run(["bash", "-c", f"set -a; . recovery/.env; set +a; {command}"], folder)


def test_two_commands_after_the_installation_there_is_a_plan_that_can_be_drilled(installed, tmp_path):
    run([installed / "drs", "init", "recovery"], tmp_path)
    assert run([installed / "drs", "validate", "recovery/plans"], tmp_path) == "1 plan, no problem\n"

    listed = with_settings(
        tmp_path, f"{installed}/python -c 'import runpy; print(*runpy.run_path(\"recovery/dags/recovery_plans.py\"))'"
    )
    assert {"drs.hello", "drs.sweeper"} <= set(listed.split())

    said = with_settings(tmp_path, f"{installed}/drs rehearse hello")
    assert "passed" in said, said


def test_airflow_knows_the_provider_and_its_plugin(installed, tmp_path):
    code = (
        "from airflow.providers_manager import ProvidersManager; "
        "from importlib.metadata import entry_points; "
        "print(ProvidersManager().providers['airflow-provider-drs'].data['name']); "
        "print([point.load().name for point in entry_points(group='airflow.plugins') if point.name == 'drs'])"
    )

    assert run([installed / "python", "-c", code], tmp_path).splitlines()[-2:] == [
        "AWS Elastic Disaster Recovery",
        "['drs']",
    ]
