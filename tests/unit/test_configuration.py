"""Where plans and reports are: environment variables over Airflow's configuration."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from drs_provider.configuration import (
    answer_links,
    default_notifications,
    installation,
    inventory_accounts,
    inventory_refresh,
    may_edit_plans,
    may_reach_loopback,
    plans_folder,
    prices_file,
    recovery_managers,
    reports_location,
    signing_secrets,
)
from drs_provider.provider_info import get_provider_info

PLUGINS = Path(__file__).parents[2] / "plugins"
FOLDER, REPORTS = "AIRFLOW__DRS__PLANS_FOLDER", "AIRFLOW__DRS__REPORTS"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("DRS_PLANS_FOLDER", "DRS_REPORTS", FOLDER, REPORTS, "AIRFLOW_HOME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"DRS_PLANS_FOLDER": "/var/plans"}, Path("/var/plans")),
        ({FOLDER: "/opt/airflow/plans"}, Path("/opt/airflow/plans")),
        ({"DRS_PLANS_FOLDER": "/var/plans", FOLDER: "/opt/airflow/plans"}, Path("/var/plans")),
        ({"DRS_PLANS_FOLDER": "", FOLDER: "/opt/airflow/plans"}, Path("/opt/airflow/plans")),
        ({"DRS_PLANS_FOLDER": "", FOLDER: ""}, None),
        ({}, None),
    ],
)
def test_plans_lie_where_the_environment_says_else_airflows_configuration(
    environ: dict[str, str], folder: Path | None, environment: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        environment.setenv(name, value)

    assert plans_folder() == folder


@pytest.mark.parametrize(
    ("environ", "location"),
    [
        ({"DRS_REPORTS": "s3://bucket/reports"}, "s3://bucket/reports"),
        ({"DRS_REPORTS": "/var/reports of drs"}, "file:///var/reports of drs"),
        ({REPORTS: "s3://dr-reports/"}, "s3://dr-reports/"),
        ({"DRS_REPORTS": "/var/reports", REPORTS: "s3://dr-reports/"}, "file:///var/reports"),
        ({"DRS_REPORTS": "", REPORTS: "/srv/reports"}, "file:///srv/reports"),
        ({"AIRFLOW_HOME": "/opt/airflow"}, "file:///opt/airflow/reports"),
        ({"DRS_REPORTS": "", "AIRFLOW_HOME": "/opt/airflow"}, "file:///opt/airflow/reports"),
        ({}, f"file://{Path.home()}/airflow/reports"),
    ],
)
def test_reports_lie_where_the_environment_says_else_airflows_configuration(
    environ: dict[str, str], location: str, environment: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        environment.setenv(name, value)

    assert reports_location() == location


def test_a_place_for_reports_that_is_named_for_once_goes_before_all(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DRS_REPORTS", "s3://bucket/reports")

    assert reports_location("/tmp/mine") == "file:///tmp/mine"


def test_the_file_of_airflows_configuration_is_read(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("[drs]\nplans_folder = /etc/plans\nreports = s3://dr-reports/\n")
    code = (
        "from drs_provider.configuration import may_reach_loopback, plans_folder, reports_location; "
        "print(plans_folder(), reports_location())"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DRS_", "AIRFLOW"))}
    env = {**kept, "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(PLUGINS)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "/etc/plans s3://dr-reports/"


@pytest.mark.parametrize(
    ("environ", "allowed"),
    [
        ({}, False),
        ({"DRS_ALLOW_LOOPBACK": "true"}, True),
        ({"DRS_ALLOW_LOOPBACK": "no", "AIRFLOW__DRS__ALLOW_LOOPBACK": "true"}, False),
        ({"AIRFLOW__DRS__ALLOW_LOOPBACK": "True"}, True),
        ({"DRS_ALLOW_LOOPBACK": "whatever"}, False),
        ({"AIRFLOW__CORE__UNIT_TEST_MODE": "True"}, True),
        ({"AIRFLOW__CORE__UNIT_TEST_MODE": "True", "DRS_ALLOW_LOOPBACK": "false"}, False),
    ],
)
def test_the_machine_itself_is_reached_only_where_the_installation_says_so(
    environ: dict[str, str], allowed: bool, environment: pytest.MonkeyPatch
) -> None:
    for name in ("DRS_ALLOW_LOOPBACK", "AIRFLOW__DRS__ALLOW_LOOPBACK"):
        environment.delenv(name, raising=False)
    environment.setenv("AIRFLOW__CORE__UNIT_TEST_MODE", "False")
    for name, value in environ.items():
        environment.setenv(name, value)

    assert may_reach_loopback() is allowed


@pytest.mark.parametrize(
    ("environ", "prices", "links"),
    [
        ({}, None, ""),
        (
            {"AIRFLOW__DRS__PRICES": "/etc/prices.yaml", "AIRFLOW__DRS__ANSWER_LINKS": "plan"},
            "/etc/prices.yaml",
            "plan",
        ),
        ({"DRS_PRICES": "/p.yaml", "AIRFLOW__DRS__PRICES": "/etc/prices.yaml"}, "/p.yaml", ""),
        ({"DRS_ANSWER_LINKS": "off", "AIRFLOW__DRS__ANSWER_LINKS": "plan"}, None, "off"),
    ],
)
def test_prices_and_answer_links_are_settings_as_all_others(
    environ: dict[str, str], prices: str | None, links: str, environment: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        environment.setenv(name, value)

    assert (prices_file(), answer_links()) == (prices and Path(prices), links)


@pytest.mark.parametrize(
    ("said", "accounts"),
    [
        ("", ()),
        ("aws_default", (("aws_default", ""),)),
        (" a/us-west-2 , b/eu-west-1,, a/us-west-2", (("a", "us-west-2"), ("b", "eu-west-1"))),
        ("team/prod/us-west-2", (("team/prod", "us-west-2"),)),
    ],
)
def test_accounts_of_the_inventory_are_connections_with_regions(said, accounts, environment):
    environment.setenv("DRS_INVENTORY", said)

    assert inventory_accounts() == accounts


@pytest.mark.parametrize(
    ("said", "seconds"), [("", 30), ("10", 10), ("3600", 3600), ("9", 10), ("3601", 3600), ("soon", 30), ("-5", 30)]
)
def test_the_inventory_grows_old_within_bounds(said, seconds, environment):
    environment.setenv("DRS_INVENTORY_REFRESH", said)

    assert inventory_refresh() == timedelta(seconds=seconds)


READERS = {
    "plans_folder": lambda: str(plans_folder() or ""),
    "reports": lambda: reports_location().removeprefix("file://"),
    "signing_key": lambda: ",".join(signing_secrets()),
    "installation": installation,
    "allow_loopback": lambda: str(may_reach_loopback()),
    "notify": default_notifications,
    "prices": lambda: str(prices_file() or ""),
    "answer_links": answer_links,
    "inventory": lambda: ",".join(f"{connection}/{region}" for connection, region in inventory_accounts()),
    "inventory_refresh": lambda: str(int(inventory_refresh().total_seconds())),
    "edit_plans": lambda: str(may_edit_plans()),
    "recovery_managers": recovery_managers,
}
"""Who reads each option that Airflow is told of."""


def test_every_option_has_a_reader():
    assert set(READERS) == set(get_provider_info()["config"]["drs"]["options"])


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """What is read of every option: of Airflow's file, with Airflow's variables too, with our own too."""
    home = tmp_path_factory.mktemp("home")
    places = [{name: _word(name, place) for name in READERS} for place in ("file", "airflows", "own")]
    (home / "airflow.cfg").write_text("\n".join(["[drs]", *(f"{name} = {word}" for name, word in places[0].items())]))
    code = (
        "import json; from test_configuration import READERS; print(json.dumps({k: f() for k, f in READERS.items()}))"
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith(("DRS_", "AIRFLOW"))}
    env |= {"AIRFLOW_HOME": str(home), "PYTHONPATH": f"{PLUGINS}{os.pathsep}{Path(__file__).parent}"}
    found = []
    for prefix, words in (("", {}), ("AIRFLOW__DRS__", places[1]), ("DRS_", places[2])):
        env |= {f"{prefix}{name.upper()}": word for name, word in words.items()}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def _word(name, place):
    if name == "inventory_refresh":
        return {"file": "45", "airflows": "46", "own": "47"}[place]
    return str(place == "airflows") if name in {"allow_loopback", "edit_plans"} else f"/{name}-of-{place}"


@pytest.mark.parametrize("name", READERS)
def test_an_option_is_read_from_airflows_file_its_variable_before_it_and_our_own_before_both(name, read):
    assert [words[name] for words in read] == [_word(name, place) for place in ("file", "airflows", "own")]


@pytest.mark.parametrize("page", ["operating.md", "install.md"])
def test_every_option_stands_on_the_page_of_settings(page):
    text = (PLUGINS.parent / "docs" / page).read_text(encoding="utf-8")

    assert [name for name in READERS if f"`DRS_{name.upper()}`" not in text] == []


OURS, AIRFLOWS, FERNET = "DRS_SIGNING_KEY", "AIRFLOW__DRS__SIGNING_KEY", "AIRFLOW__CORE__FERNET_KEY"


@pytest.mark.parametrize(
    ("environ", "secrets"),
    [
        ({OURS: "ours", AIRFLOWS: "airflows", FERNET: "fernet"}, ("ours",)),
        ({AIRFLOWS: "airflows", FERNET: "fernet"}, ("airflows",)),
        ({f"{AIRFLOWS}_CMD": "echo from a command", FERNET: "fernet"}, ("from a command",)),
        ({FERNET: "fernet"}, ("fernet",)),
        ({OURS: "", AIRFLOWS: "", FERNET: "fernet"}, ("fernet",)),
        ({OURS: "new, old"}, ("new", "old")),
        ({FERNET: "new,old"}, ("new", "old")),
        ({OURS: " new ,, old, "}, ("new", "old")),
        ({OURS: " , ", FERNET: "fernet"}, ()),
        ({FERNET: ""}, ()),
        ({}, ()),
        ({FERNET: "{FERNET_KEY}"}, ()),
        ({OURS: "ours,{FERNET_KEY}"}, ("ours",)),
        ({FERNET: "{FERNET_KEY}", "AIRFLOW__CORE__UNIT_TEST_MODE": "True"}, ("{FERNET_KEY}",)),
    ],
)
def test_documents_are_signed_with_what_the_installation_keeps_secret(
    environ: dict[str, str], secrets: tuple[str, ...], environment: pytest.MonkeyPatch
) -> None:
    for name in (OURS, AIRFLOWS, FERNET):
        environment.delenv(name, raising=False)
    environment.setenv("AIRFLOW__CORE__UNIT_TEST_MODE", "False")
    for name, value in environ.items():
        environment.setenv(name, value)

    assert signing_secrets() == secrets


@pytest.mark.parametrize(
    ("file", "secrets"),
    [
        pytest.param("", (), id="a text that every Airflow has is no secret"),
        pytest.param("[core]\nfernet_key = fernet\n", ("fernet",), id="as Airflow makes it at its first start"),
        pytest.param("[core]\nfernet_key = fernet\n[drs]\nsigning_key = n,o\n", ("n", "o"), id="of its own"),
    ],
)
def test_the_key_stands_in_the_file_of_airflows_configuration(
    file: str, secrets: tuple[str, ...], tmp_path: Path
) -> None:
    if file:
        (tmp_path / "airflow.cfg").write_text(file)
    code = "from drs_provider.configuration import signing_secrets; print(signing_secrets())"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DRS_", "AIRFLOW"))}
    env = {**kept, "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(PLUGINS)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == str(secrets)
