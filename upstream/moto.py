"""Lay the simulator out as ``moto`` has its services: ``python -m upstream.moto FOLDER``.

In the folder lies then the installed moto with ``moto/drs`` in it, and a test in the layout of its own. ``models``,
``responses`` and ``urls`` stand where those of every service stand; what they need stands beside them.
"""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from upstream.modules import Move, Package

ROOT: Final = Path(__file__).parents[1]
SIMULATOR: Final = Package(ROOT / "simulator", "drs_simulator")
TARGET: Final = "moto.drs"

BEGINNING: Final = ("backend.registration", "backend.responses", "backend.urls", "operations")
"""What moto calls, and the package whose import makes every operation known; the rest follows from their imports."""

URL_PATTERN: Final = '    ("drs", re.compile("https?://drs\\\\.(.+)\\\\.amazonaws\\\\.com")),\n'

BECOMES_MOTOS_OWN: Final = (
    (
        (
            '    if (Path(str(moto.__file__)).parent / "drs").is_dir():\n'
            '        raise RuntimeError("this moto has a DRS of its own: the simulator will not stand in its way")\n'
            '    sys.modules["moto.drs"] = importlib.import_module("drs_simulator.backend")\n'
            '    moto.backend_index.backend_url_patterns.append(("drs", re.compile(r"https?://drs\\.(.+)\\.amazonaws\\.com")))\n'
        ),
        "",
    ),
    ("import importlib\nimport re\nimport sys\n", "import re\n"),
    ("import moto.backend_index\n", ""),
)
"""What is different in ``registration.py`` there: moto finds its own services."""

TEST: Final = '''"""DRS in moto's in-process mock."""

import time

import boto3
import pytest
from moto import mock_aws
from moto.drs.registration import register

FLEET = {
    "accounts": [
        {
            "id": "123456789012",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.1.0/24"}},
                    "servers": [{"count": 2, "hostname": "db{n}", "os": "linux", "disks": [20]}],
                }
            ],
        }
    ]
}


@pytest.fixture
def drs():
    register(FLEET, speed=36_000)
    with mock_aws():
        yield boto3.client("drs", region_name="us-west-2")


def ids(drs):
    return [server["sourceServerID"] for server in drs.describe_source_servers(filters={})["items"]]


def ended(drs, job):
    for _ in range(200):
        found = drs.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"][0]
        if found["status"] == "COMPLETED":
            return found
        time.sleep(0.05)
    raise AssertionError(f"still {found['status']}")


def test_source_servers_are_those_of_the_fleet_and_only_in_their_region(drs):
    assert len(ids(drs)) == 2
    with pytest.raises(drs.exceptions.UninitializedAccountException):
        boto3.client("drs", region_name="eu-west-1").describe_source_servers(filters={})


def test_a_drill_launches_instances_that_ec2_knows_and_is_terminated(drs):
    servers = ids(drs)
    job = drs.start_recovery(sourceServers=[{"sourceServerID": server} for server in servers], isDrill=True)["job"]

    statuses = {server["launchStatus"] for server in ended(drs, job)["participatingServers"]}
    assert statuses == {"LAUNCHED"}
    instances = drs.describe_recovery_instances(filters={"sourceServerIDs": servers})["items"]
    ec2 = boto3.client("ec2", region_name="us-west-2")
    found = ec2.describe_instances(InstanceIds=[instance["ec2InstanceID"] for instance in instances])
    assert sum(len(reservation["Instances"]) for reservation in found["Reservations"]) == 2
    gone = drs.terminate_recovery_instances(recoveryInstanceIDs=[item["recoveryInstanceID"] for item in instances])
    ended(drs, gone["job"])
    until = time.monotonic() + 30
    while left := drs.describe_recovery_instances(filters={"sourceServerIDs": servers})["items"]:
        assert time.monotonic() < until, left
        time.sleep(0.2)


def test_a_server_is_in_one_job_at_a_time(drs):
    register(FLEET, speed=1)
    with mock_aws():
        slow = boto3.client("drs", region_name="us-west-2")
        one = [{"sourceServerID": ids(slow)[0]}]
        slow.start_recovery(sourceServers=one, isDrill=True)
        with pytest.raises(slow.exceptions.ConflictException):
            slow.start_recovery(sourceServers=one, isDrill=True)


def test_nothing_of_a_mock_is_left_in_the_next():
    register(FLEET, speed=1)
    for _ in range(2):
        with mock_aws():
            drs = boto3.client("drs", region_name="us-west-2")
            assert drs.describe_jobs(filters={})["items"] == []
            drs.start_recovery(sourceServers=[{"sourceServerID": ids(drs)[0]}], isDrill=True)
            assert len(drs.describe_jobs(filters={})["items"]) == 1
'''

CONFTEST: Final = '''"""Nothing of where DRS came from."""

import sys

import pytest


class Nowhere:
    """Finds no module of where DRS came from."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "drs_simulator":
            raise ModuleNotFoundError(f"{name} is not part of moto")


sys.meta_path.insert(0, Nowhere())


@pytest.fixture(autouse=True)
def nothing_of_where_it_came_from():
    """Hold that the finder has let nothing through."""
    assert [name for name in sys.modules if name.partition(".")[0] == "drs_simulator"] == []
'''


def places() -> Mapping[str, str]:
    """Return the new name of every module that goes along, by its name here."""
    modules = SIMULATOR.closure([f"{SIMULATOR.name}.{name}" for name in BEGINNING])
    new = {}
    for module in sorted(modules):
        path = module.removeprefix(f"{SIMULATOR.name}.").removeprefix("backend.")
        new[module] = TARGET if module == SIMULATOR.name else f"{TARGET}.{path}"
    return new


def files() -> dict[str, str]:
    """Return every file that goes to moto, by its path. Raises ValueError where registration has changed meanwhile."""
    names = places()
    move = Move(SIMULATOR, names, {})
    found = {"moto/drs/__init__.py": f"from {TARGET}.models import drs_backends  # noqa: F401\n"}
    for module, target in names.items():
        source = SIMULATOR.source(module)
        if module.endswith(".backend.registration"):
            for ours, theirs in BECOMES_MOTOS_OWN:
                if ours not in source:
                    raise ValueError(f"registration.py no longer has what becomes moto's own:\n{ours}")
                source = source.replace(ours, theirs)
        if target != TARGET:
            is_package = SIMULATOR.path_of(f"{module}.__init__") is not None
            path = f"{target.replace('.', '/')}/__init__.py" if is_package else f"{target.replace('.', '/')}.py"
            found[path] = move.moved(source)
    for path in list(found):
        folder = Path(path).parent
        while folder.name != "drs":
            found.setdefault(f"{folder}/__init__.py", "")
            folder = folder.parent
    return found


def lay_out(folder: Path) -> list[str]:
    """Make the copy of the installed moto with DRS in it, and a test beside it; return the files of DRS."""
    spec = importlib.util.find_spec("moto")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("moto is not installed")
    installed = Path(spec.submodule_search_locations[0])
    (folder / "moto").mkdir(parents=True, exist_ok=True)
    for part in installed.iterdir():
        if part.name not in {"__pycache__", "backend_index.py"}:
            (folder / "moto" / part.name).symlink_to(part)
    index = (installed / "backend_index.py").read_text(encoding="utf-8")
    head = "backend_url_patterns = [\n"
    if head not in index:
        raise ValueError("moto's backend_index.py no longer has its list")
    (folder / "moto" / "backend_index.py").write_text(index.replace(head, head + URL_PATTERN), encoding="utf-8")
    ours = files()
    tests = {"tests/conftest.py": CONFTEST, "tests/test_drs/test_drs.py": TEST}
    for path, text in (ours | tests).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return list(ours)


if __name__ == "__main__":
    made = lay_out(Path(sys.argv[1]))
    lines = sum(len(text.split("\n")) for text in files().values())
    print(f"{len(made)} files with {lines} lines in {sys.argv[1]}")
