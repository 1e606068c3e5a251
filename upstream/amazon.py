"""Lay the generic half out as the amazon provider has its services: ``python -m upstream.amazon FOLDER``.

In the folder lies then a copy of the installed provider with DRS in it, and the tests in the layout of its own.
Operators, sensors, triggers, hook and links stand where those of every service stand; what they share stands below
``utils/drs``.
"""

import importlib.util
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from upstream.modules import Move, Package, joined

ROOT: Final = Path(__file__).parents[1]
DRS: Final = Package(ROOT / "plugins", "drs_provider")
AWS: Final = "airflow.providers.amazon.aws"
SHARED: Final = f"{AWS}.utils.drs"

PUBLIC: Final[Mapping[str, tuple[str, ...]]] = {
    "hooks": ("drs",),
    "operators": ("recovery", "terminate"),
    "sensors": ("job", "readiness"),
    "triggers": ("jobs", "instances", "readiness"),
    "links": ("console",),
}
"""Modules of each kind that become the one module ``drs`` of that kind there."""

TITLES: Final = {
    "hooks": "The hook of AWS Elastic Disaster Recovery (DRS).",
    "operators": "Operators of AWS Elastic Disaster Recovery (DRS).",
    "sensors": "Sensors of AWS Elastic Disaster Recovery (DRS).",
    "triggers": "Triggers of AWS Elastic Disaster Recovery (DRS).",
    "links": "Links into the console of AWS Elastic Disaster Recovery (DRS).",
}

LEFT_OUT: Final = {
    "drs_provider.triggers.phase_record": "what DRS does with each server is left for recovery plans only",
    "drs_provider.triggers.one_shot": "steps belong to recovery plans",
}

BASES: Final = (
    (
        "from drs_provider import clock\n",
        (
            "from airflow.providers.amazon.aws.hooks.drs import DrsHook\n"
            "from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator\n"
            "from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor\n"
            "from airflow.providers.common.compat.sdk import conf\n"
            "from drs_provider import clock\n"
        ),
    ),
    (
        "from airflow.sdk import BaseOperator, BaseSensorOperator, Context\n",
        "from airflow.sdk import BaseOperator, Context\n",
    ),
    (
        "class DrsOperator(DrsConnected, BaseOperator):\n",
        "class DrsOperator(DrsConnected, AwsBaseOperator[DrsHook]):\n",
    ),
    (
        "class DrsSensor(DrsConnected, BaseSensorOperator):\n",
        "class DrsSensor(DrsConnected, AwsBaseSensor[DrsHook]):\n",
    ),
    (
        "    template_fields: Collection[str] = AWS_FIELDS\n",
        "    aws_hook_class = DrsHook\n    template_fields: Collection[str] = AWS_FIELDS\n",
    ),
    (
        (
            "        super().__init__(**kwargs)\n        self.deferrable = deferrable\n"
            "        self.aws_conn_id = aws_conn_id\n        self.region_name = region_name\n"
            "        self.verify = verify\n        self.botocore_config = botocore_config\n"
        ),
        (
            "        super().__init__(\n            aws_conn_id=aws_conn_id,\n"
            "            region_name=region_name,\n            verify=verify,\n"
            "            botocore_config=botocore_config,\n            **kwargs,\n        )\n"
            "        self.deferrable = deferrable\n"
        ),
    ),
    (
        "        deferrable: bool = True,\n",
        '        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),\n',
    ),
    (
        (
            '    @cached_property\n    def hook(self) -> "DrsHook":\n'
            '        """The hook of this task\'s account and Region, made when first asked for."""\n'
            "        from drs_provider.hooks.drs import DrsHook\n\n        return DrsHook(**self.aws)\n"
        ),
        "",
    ),
    ("from functools import cached_property, wraps\n", "from functools import wraps\n"),
    (
        "    from airflow.triggers.base import BaseTrigger\n\n    from drs_provider.hooks.drs import DrsHook\n",
        "    from airflow.triggers.base import BaseTrigger\n",
    ),
)
"""What is different in ``operators/base.py`` there: the bases of the provider, and what they bring."""

TESTS: Final = {
    "tests/contract/test_hook_against_stubber.py": "hooks/test_drs.py",
    "tests/contract/test_hook_against_simulator.py": "hooks/test_drs_against_simulator.py",
    "tests/contract/conftest.py": "hooks/conftest.py",
    "tests/contract/test_exactly_once.py": "hooks/test_drs_exactly_once.py",
    "tests/unit/operators/test_operators.py": "operators/test_drs.py",
    "tests/unit/triggers/test_instances.py": "triggers/test_drs_instances.py",
    "tests/unit/triggers/test_job_poller.py": "triggers/test_drs.py",
    "tests/unit/links/test_console.py": "links/test_drs.py",
}
"""Place below ``tests/unit/amazon/aws`` of each of our tests that goes along."""

KIT: Final = ("aws_models", "fake_context", "fake_drs", "signatures")

LICENCE: Final = "".join(
    f"# {line}\n".replace("# \n", "#\n")
    for line in (
        "Licensed to the Apache Software Foundation (ASF) under one",
        "or more contributor license agreements.  See the NOTICE file",
        "distributed with this work for additional information",
        "regarding copyright ownership.  The ASF licenses this file",
        "to you under the Apache License, Version 2.0 (the",
        '"License"); you may not use this file except in compliance',
        "with the License.  You may obtain a copy of the License at",
        "",
        "  http://www.apache.org/licenses/LICENSE-2.0",
        "",
        "Unless required by applicable law or agreed to in writing,",
        "software distributed under the License is distributed on an",
        '"AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY',
        "KIND, either express or implied.  See the License for the",
        "specific language governing permissions and limitations",
        "under the License.",
    )
)


CONFTEST: Final = '''"""The provider of this folder in place of the installed one; nothing of where DRS came from."""

import sys
from pathlib import Path

import airflow.providers
import pytest

OURS = Path(__file__).parents[1] / "airflow" / "providers"
airflow.providers.__path__ = [str(OURS), *airflow.providers.__path__]
for loaded in [name for name in sys.modules if name.startswith(("airflow.providers.amazon", "drs_provider"))]:
    del sys.modules[loaded]  # Airflow reads the description of every provider as soon as it is imported


class Nowhere:
    """Finds no module of where DRS came from."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "drs_provider":
            raise ModuleNotFoundError(f"{name} is not part of this provider")


sys.meta_path.insert(0, Nowhere())


@pytest.fixture(autouse=True)
def nothing_of_where_it_came_from():
    """Hold that the finder has let nothing through."""
    assert [name for name in sys.modules if name.partition(".")[0] == "drs_provider"] == []
'''


BASES_TEST: Final = '''"""DRS stands on the bases of the provider, with the arguments of every service."""

import inspect

import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from airflow.providers.amazon.aws.hooks.drs import DrsHook
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.operators.drs import DrsStartRecoveryOperator, DrsTerminateRecoveryInstancesOperator
from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.sensors.drs import DrsRecoveryJobSensor, DrsSourceServersReadySensor
from airflow.providers.amazon.aws.triggers.drs import DrsInstancesTrigger, DrsJobTrigger, DrsReadinessTrigger
from airflow.providers.common.compat.sdk import conf

TASKS = {
    DrsStartRecoveryOperator: (AwsBaseOperator, {"source_server_ids": ["s-1"], "is_drill": True}),
    DrsTerminateRecoveryInstancesOperator: (AwsBaseOperator, {"source_server_ids": ["s-1"]}),
    DrsRecoveryJobSensor: (AwsBaseSensor, {"jobs": []}),
    DrsSourceServersReadySensor: (AwsBaseSensor, {"source_server_ids": ["s-1"]}),
}


@pytest.mark.parametrize("kind", TASKS)
def test_a_task_has_the_base_and_the_arguments_of_every_other_service(kind):
    base, arguments = TASKS[kind]
    task = kind(
        task_id="t",
        aws_conn_id=None,
        region_name="us-west-2",
        verify=False,
        botocore_config={"read_timeout": 9},
        **arguments,
    )

    assert issubclass(kind, base)
    assert {"aws_conn_id", "region_name", "verify"} <= set(kind.template_fields)
    assert task.deferrable is conf.getboolean("operators", "default_deferrable", fallback=False)
    assert isinstance(task.hook, DrsHook)
    assert issubclass(DrsHook, AwsGenericHook)
    assert (task.hook.conn_region_name, task.hook.aws_conn_id) == ("us-west-2", None)
    assert task.hook.conn.meta.service_model.service_name == "drs"


@pytest.mark.parametrize("trigger", [DrsInstancesTrigger, DrsJobTrigger, DrsReadinessTrigger])
def test_a_trigger_is_found_where_its_name_says(trigger):
    arguments = {name: [] if name in {"watches", "awaited"} else "x" for name in inspect.signature(trigger).parameters}
    arguments |= {"shown_for": None} if "shown_for" in arguments else {}
    path, kept = trigger(**arguments).serialize()

    assert path == f"airflow.providers.amazon.aws.triggers.drs.{trigger.__name__}"
    assert set(kept) <= set(arguments)
'''


def public_modules() -> list[str]:
    """Return the modules whose classes people put into DAGs."""
    return [f"{DRS.name}.{kind}.{module}" for kind, modules in PUBLIC.items() for module in modules]


def places() -> dict[str, str]:
    """Return the new name of every module that goes along, by its name here."""
    new = {}
    for module in sorted(DRS.closure([*public_modules(), f"{DRS.name}.links.console"], without=LEFT_OUT)):
        kind, _, last = module.removeprefix(f"{DRS.name}.").partition(".")
        is_public = last in PUBLIC.get(kind, ())
        new[module] = f"{AWS}.{kind}.drs" if is_public else module.replace(DRS.name, SHARED, 1)
    return new


def amazon_base(source: str) -> str:
    """Return ``operators/base.py`` on the bases of the provider. Raises ValueError where it has changed meanwhile."""
    for ours, theirs in BASES:
        if ours not in source:
            raise ValueError(f"operators/base.py no longer has what becomes the provider's own:\n{ours}")
        source = source.replace(ours, theirs)
    return source


def files() -> dict[str, str]:
    """Return every file that goes to the provider, by its path."""
    names = places()
    move = Move(DRS, names, LEFT_OUT)
    found: dict[str, str] = {}
    for kind, modules in PUBLIC.items():
        target = f"{AWS}.{kind}.drs"
        sources = [move.moved(DRS.source(f"{DRS.name}.{kind}.{module}"), into=target) for module in modules]
        found[_path(target)] = joined(TITLES[kind], sources)
    for module, target in names.items():
        if target.startswith(SHARED):
            source = DRS.source(module)
            if module == f"{DRS.name}.operators.base":
                source = amazon_base(source)
            found[_path(target)] = move.moved(source)
    for path in [path for path in found if "/utils/drs/" in path]:
        folder = Path(path).parent
        while folder.name != "utils":
            found.setdefault(f"{folder}/__init__.py", "")
            folder = folder.parent
    return {path: LICENCE + text for path, text in sorted(found.items())}


def test_files() -> dict[str, str]:
    """Return our tests of what goes along, in the layout of the provider's, by their path."""
    move = Move(DRS, places(), LEFT_OUT)
    texts = {f"tests/unit/amazon/aws/{new}": (ROOT / old).read_text("utf-8") for old, new in TESTS.items()}
    texts |= {f"tests/kit/{name}.py": (ROOT / f"tests/kit/{name}.py").read_text("utf-8") for name in KIT}
    texts |= {"tests/conftest.py": CONFTEST, "tests/unit/amazon/aws/test_drs_bases.py": BASES_TEST}
    return {path: LICENCE + move.moved(text) for path, text in texts.items()}


def lay_out(folder: Path) -> list[str]:
    """Make the copy of the installed provider with DRS in it, and the tests beside it; return the files of DRS."""
    spec = importlib.util.find_spec("airflow.providers.amazon")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("apache-airflow-providers-amazon is not installed")
    installed = Path(spec.submodule_search_locations[0])
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(installed, folder / "airflow" / "providers" / "amazon", ignore=skipped, dirs_exist_ok=True)
    ours = files()
    for path, text in (ours | test_files()).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return list(ours)


def _path(module: str) -> str:
    return f"{module.replace('.', '/')}.py"


if __name__ == "__main__":
    made = lay_out(Path(sys.argv[1]))
    lines = sum(len(text.split("\n")) for text in files().values())
    print(f"{len(made)} files with {lines} lines in {sys.argv[1]}")
