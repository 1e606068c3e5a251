"""What might go to the amazon provider and to moto works where it would lie there, without anything of this project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from upstream import amazon, moto

SIMULATOR = Path(__file__).parents[2] / "simulator"

# Two pytests of their own, the first with a hundred and fifty tests, on a machine that does other things beside.
pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]


OURS_ALONE = (
    "test_a_dag_file_that_names_operators_does_not_import_boto3",
    "test_the_pure_side_loads_without_airflow_and_aws",
)
"""What holds here and not there: the provider's own bases import boto3 with the DAG file, and it has no layers."""


def run_tests(folder, path, **environment):
    """Run the tests in a layout; nothing of this test's own environment leads to where they came from."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [
            *command,
            "-k",
            " and ".join(f"not {name}" for name in OURS_ALONE),
            "--import-mode=importlib",
            f"--rootdir={folder}",
            "-W",
            "ignore",
            "tests",
        ],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "AIRFLOW", "DRS"))},
            "AIRFLOW_HOME": str(folder / "airflow-home"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
            "DRS_INSTALLATION": "here",
            "DRS_SIGNING_KEY": "of these tests",
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout[-4000:] + done.stderr[-2000:]


def test_operators_sensors_triggers_and_hook_pass_their_tests_in_the_amazon_provider(tmp_path):
    amazon.lay_out(tmp_path)

    code, said = run_tests(tmp_path, [tmp_path / "tests", SIMULATOR], AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE="True")

    assert code == 0, said


def test_the_simulator_answers_in_the_mock_of_moto_as_a_service_of_its_own(tmp_path):
    moto.lay_out(tmp_path)

    code, said = run_tests(tmp_path, [tmp_path])

    assert code == 0, said
