"""Airflow's own plugin managers, core's and the Task SDK's, on every way in which the package can be installed."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.airflow

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"

LOAD = """
import json, sys, sysconfig, time
from pathlib import Path
from airflow import settings
settings.initialize()
import {manager} as manager
stdlib = {{name: id(module) for name, module in sys.modules.items() if name in sys.stdlib_module_names}}
plugins, errors = manager._get_plugins()
folder = Path(settings.PLUGINS_FOLDER).resolve()
def is_ours(module):
    file = getattr(module, "__file__", None)
    return bool(file) and Path(file).resolve().is_relative_to(folder)
print(json.dumps({{
    "plugins": [[plugin.name, type(plugin).__module__, str(plugin.source)] for plugin in plugins],
    "errors": errors,
    "bare": sorted(name for name, module in list(sys.modules.items()) if "." not in name and is_ours(module)),
    "replaced": sorted(name for name, held in stdlib.items() if id(sys.modules[name]) != held),
}}))
"""

MANAGERS = ["airflow.plugins_manager", "airflow.sdk.plugins_manager"]


@pytest.fixture(scope="module")
def everything_else(tmp_path_factory) -> Path:
    """What is installed here, but for this package: it may or may not be, and the tests say themselves whether."""
    folder = tmp_path_factory.mktemp("everything-else")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("airflow_provider_drs", "_airflow_provider_drs", "drs_")):
            (folder / entry.name).symlink_to(entry)
    return folder


def a_plugins_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PLUGINS, folder, ignore=ignored)
    return folder


def a_site_folder(tmp_path: Path, *, package: Path | None) -> Path:
    """What pip leaves: the distribution's metadata, and the package itself.

    Of an editable install only what does not lie in the package's folder.
    """
    site = tmp_path / "site"
    info = site / "airflow_provider_drs-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: airflow-provider-drs\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[airflow.plugins]\ndrs = drs_provider.ui.plugin:DrsPlugin\n")
    if package is not None:
        shutil.copytree(package, site / "drs_provider", ignore=shutil.ignore_patterns("__pycache__"))
    else:
        (site / "drs_provider" / "schemas").mkdir(parents=True)  # what the wheel takes from elsewhere
    return site


def load(tmp_path: Path, manager: str, *, folder: Path, path: list[Path]) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    environment |= {
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-S", "-c", LOAD.format(manager=manager)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_plugins_folder_alone_registers_the_plugin_once_and_nothing_else(tmp_path, manager, everything_else):
    folder = a_plugins_folder(tmp_path)

    found = load(tmp_path, manager, folder=folder, path=[everything_else])

    assert found["errors"] == {}
    assert [plugin for plugin in found["plugins"] if plugin[0] == "drs"] == [
        ["drs", "drs_provider.ui.plugin", "$PLUGINS_FOLDER/drs_plugin.py"]
    ]
    assert found["bare"] == ["drs_plugin", "drs_provider"]
    assert found["replaced"] == []


@pytest.mark.parametrize("manager", MANAGERS)
def test_an_installed_package_registers_itself_through_its_entry_point(tmp_path, manager, everything_else):
    empty = tmp_path / "plugins"
    empty.mkdir()
    site = a_site_folder(tmp_path, package=PLUGINS / "drs_provider")

    found = load(tmp_path, manager, folder=empty, path=[site, everything_else])

    assert found["errors"] == {}
    drs = [plugin for plugin in found["plugins"] if plugin[0] == "drs"]
    assert [plugin[:2] for plugin in drs] == [["drs", "drs_provider.ui.plugin"]]
    assert drs[0][2].startswith("airflow-provider-drs==0.1.0")


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("first", ["installed", "folder"])
def test_two_copies_are_refused_with_both_places_and_what_to_remove(tmp_path, manager, first, everything_else):
    folder = a_plugins_folder(tmp_path)
    site = a_site_folder(tmp_path, package=PLUGINS / "drs_provider")
    path = [site] if first == "installed" else [folder, site]
    path.append(everything_else)

    found = load(tmp_path, manager, folder=folder, path=path)

    assert found["errors"] == {
        str(folder / "drs_plugin.py"): (
            f"two copies of drs_provider: one in {site / 'drs_provider'}, one in {folder / 'drs_provider'}. "
            "Remove one: run 'pip uninstall airflow-provider-drs', "
            f"or delete {folder / 'drs_provider'} and {folder / 'drs_plugin.py'}"
        )
    }


@pytest.mark.parametrize("manager", MANAGERS)
def test_an_editable_install_of_this_folder_registers_the_plugin_once(tmp_path, manager, everything_else):
    folder = a_plugins_folder(tmp_path)
    site = a_site_folder(tmp_path, package=None)

    found = load(tmp_path, manager, folder=folder, path=[site, folder, everything_else])

    assert found["errors"] == {}
    assert [plugin[:2] for plugin in found["plugins"] if plugin[0] == "drs"] == [["drs", "drs_provider.ui.plugin"]]
    assert found["replaced"] == []


def test_a_task_process_pays_for_no_web_framework_and_no_aws_client(tmp_path, everything_else):
    code = (
        "import sys, airflow.sdk.plugins_manager\n"
        "before = set(sys.modules)\n"
        "import drs_plugin\n"
        "new = set(sys.modules) - before\n"
        "heavy = {'fastapi', 'starlette', 'boto3', 'botocore', 'jinja2', 'sqlalchemy', 'airflow.api_fastapi'}\n"
        "print(sorted(heavy & new), 'drs_provider.ui.plugin' in new, len(new) < 40)\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(PLUGINS), str(everything_else)]),
        "AIRFLOW_HOME": str(tmp_path),
    }

    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=100
    )

    assert done.stdout.splitlines()[-1] == "[] True True"


def test_what_a_scheduler_forks_has_read_what_a_dag_file_and_a_task_need_already(tmp_path):
    code = (
        "import sys\n"
        "from airflow import settings\n"
        "settings.initialize()\n"
        "from airflow.listeners.listener import get_listener_manager\n"
        "get_listener_manager().hook.on_starting(component=None)\n"
        "from drs_provider.plan.model import RecoveryPlan\n"
        "read = sorted(name for name in sys.modules if name.startswith('drs_provider.'))\n"
        "print(*read, RecoveryPlan.__pydantic_complete__)\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(PLUGINS),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=100
    )

    *read, is_built = done.stdout.splitlines()[-1].split()
    inside = ("airflow_internals/api_server", "airflow_internals/metadata", "airflow_internals/task_runner")
    no_tasks = ("api", "cli", "ui", "example_dags", "rehearsal", *inside)
    needed = {
        ".".join(file.relative_to(PLUGINS).with_suffix("").parts)
        for file in (PLUGINS / "drs_provider").rglob("*.py")
        if not file.relative_to(PLUGINS / "drs_provider").as_posix().startswith(no_tasks) and file.stem != "__init__"
    }
    assert is_built == "True"
    assert sorted(needed - set(read)) == []
    assert len(needed) > 100
    assert [
        name
        for name in read
        if name.startswith(("drs_provider.cli.", "drs_provider.rehearsal.engine.", "drs_provider.api"))
    ] == []
