"""A real Airflow in a folder of its own: set up before the first import of airflow, once per test process."""

import gc
import os
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _settle() -> Path:
    """Point Airflow at a fresh home. Only possible before anything has imported it."""
    if "airflow" in sys.modules and "DRS_TEST_AIRFLOW_HOME" not in os.environ:
        raise RuntimeError("airflow was imported before tests/conftest.py could give it a home")
    # Programs that tests start share their home; processes that run tests side by side do not.
    owner = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    if (home := os.environ.get("DRS_TEST_AIRFLOW_HOME")) and os.environ.get("DRS_TEST_AIRFLOW_OWNER") == owner:
        return Path(home)
    home = Path(tempfile.mkdtemp(prefix="drs-airflow-"))
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "DRS_"))]:
        del os.environ[name]
    os.environ.update(
        {
            "DRS_TEST_AIRFLOW_HOME": str(home),
            "DRS_TEST_AIRFLOW_OWNER": owner,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=60",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-west-2",
            "AWS_EC2_METADATA_DISABLED": "true",
            "DRS_INSTALLATION": "here",
            "DRS_PLANS_FOLDER": str(ROOT / "plans"),
            "DRS_REPORTS": str(home / "reports"),
        }
    )
    return home


HOME = _settle()

# A process of tests holds a million objects of Airflow, botocore and moto. Going through them as often as Python does
# by itself takes a fifth of the time of every run of a DAG. What is there before a module is left out of it.
gc.set_threshold(10_000, 10, 10)


@pytest.fixture(scope="module", autouse=True)
def settled_heap() -> None:
    """Leave what is there before a module's first test out of every later collection of rubbish."""
    if "airflow" in sys.modules:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """The home of this process's Airflow."""
    return HOME


@pytest.fixture(scope="session")
def airflow_db(airflow_home: Path) -> Path:
    """A migrated metadata database."""
    from airflow.utils.db import initdb

    initdb()
    return airflow_home / "airflow.db"
