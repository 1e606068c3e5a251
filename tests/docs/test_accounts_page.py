"""What ``docs/accounts.md`` says holds: its role, policies and connection work against the simulator's STS."""

import json
import re
from pathlib import Path

import pytest
import yaml
from drs_provider.exceptions import RoleRefused
from drs_provider.hooks.drs import DrsHook
from drs_provider.plan.loader import read_folder
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)

TEXT = (Path(__file__).parents[2] / "docs" / "accounts.md").read_text()
HUB, SPOKE, REGION, CONNECTION = "111122223333", "444455556666", "eu-central-1", "aws_finance"
SERVER = "s-00000000000000021"
FLEET = {
    "accounts": [
        {"id": HUB, "regions": [{"name": REGION, "servers": []}], "roles": [{"name": "airflow"}]},
        {
            "id": SPOKE,
            "regions": [
                {
                    "name": REGION,
                    "network": {"vpc": "10.30.0.0/16", "subnets": {"prod": "10.30.0.0/22"}},
                    "servers": [{"id": SERVER, "hostname": "ledger"}],
                }
            ],
        },
    ]
}


def blocks(language):
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def page_json(name):
    (found,) = blocks(f"json {name}")
    return json.loads(found)


class Template(yaml.SafeLoader):
    """Reads CloudFormation's tags as what they name."""


for tag in ("!Ref", "!GetAtt"):
    Template.add_constructor(tag, lambda loader, node: {"Ref": loader.construct_scalar(node)})


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    return start_drs_simulator(FLEET)


@pytest.fixture
def airflow(one_simulator, monkeypatch):
    """A worker of Airflow, running as the hub's role; give it a connection, and get its hook."""
    one_simulator.reset()
    sts = one_simulator.client("sts", aws_access_key_id=HUB)
    given = sts.assume_role(RoleArn=f"arn:aws:iam::{HUB}:role/airflow", RoleSessionName="worker")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", given["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", given["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", given["SessionToken"])

    def hook(connection, region=REGION):
        where = json.loads(json.dumps(page_json("simulator.json")).replace("http://127.0.0.1:5055", one_simulator.url))
        whole = {**connection, "extra": {**connection["extra"], **where}}
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(whole))
        return DrsHook(aws_conn_id=CONNECTION, region_name=region, patience=0)

    return hook


@pytest.fixture
def spoke(one_simulator):
    """Make the role of the page in the spoke, with this trust policy."""

    def make(trust):
        iam = one_simulator.client("iam", aws_access_key_id=SPOKE)
        iam.create_role(RoleName="drs-orchestrator", AssumeRolePolicyDocument=json.dumps(trust))

    return make


def cloudformation():
    (text,) = [block for block in blocks("yaml") if "AWSTemplateFormatVersion" in block]
    return yaml.load(text, Template)  # noqa: S506  (a SafeLoader)


def role_of_cloudformation():
    """The trust policy that CloudFormation makes of the template with the page's values."""
    template, written = cloudformation(), page_json("trust-policy.json")
    given = {
        "AirflowRoleArn": template["Parameters"]["AirflowRoleArn"]["Default"],
        "ExternalId": written["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"],
    }

    def filled(value):
        if isinstance(value, dict):
            return given[value["Ref"]] if set(value) == {"Ref"} else {key: filled(part) for key, part in value.items()}
        return [filled(part) for part in value] if isinstance(value, list) else value

    return filled(template["Resources"]["DrsOrchestrator"]["Properties"]["AssumeRolePolicyDocument"])


def test_whoever_follows_the_page_reaches_the_servers_of_the_spoke(airflow, spoke):
    hook = airflow(page_json("connection.json"))
    spoke(page_json("trust-policy.json"))

    assert ([source["sourceServerID"] for source in hook.source_servers()], hook.caller_account()) == ([SERVER], SPOKE)


def test_the_template_makes_the_same_role_as_the_trust_policy_of_the_page(airflow, spoke):
    assert role_of_cloudformation() == page_json("trust-policy.json")
    spoke(role_of_cloudformation())

    assert len(airflow(page_json("connection.json")).source_servers()) == 1


def test_all_parts_of_the_page_name_the_same_role_and_file():
    arn = page_json("connection.json")["extra"]["role_arn"]
    (terraform,) = blocks("hcl")
    name = cloudformation()["Resources"]["DrsOrchestrator"]["Properties"]["RoleName"]

    assert page_json("hub-policy.json")["Statement"][0]["Resource"] == [arn]
    assert arn == f"arn:aws:iam::{SPOKE}:role/{name}"
    assert f'name                 = "{name}"' in terraform
    assert "/trust-policy.json" in terraform


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"ExternalId": "drs-other"}, id="another ExternalId"),
        pytest.param({"role_arn": None}, id="no such role"),
        pytest.param({"principal": f"arn:aws:iam::{HUB}:role/other"}, id="another principal is trusted"),
    ],
)
def test_a_refused_role_says_word_for_word_what_the_page_says(airflow, spoke, changed):
    trust, connection = page_json("trust-policy.json"), page_json("connection.json")
    if "ExternalId" in changed:
        connection["extra"]["assume_role_kwargs"]["ExternalId"] = changed["ExternalId"]
    if "principal" in changed:
        trust["Statement"][0]["Principal"]["AWS"] = changed["principal"]
    if "role_arn" not in changed:
        spoke(trust)

    with pytest.raises(RoleRefused) as refused:
        airflow(connection).source_servers()

    assert f"{refused.value}\n" == blocks("text")[0]


def test_a_connection_without_an_external_id_is_told_so(airflow, spoke):
    connection = page_json("connection.json")
    del connection["extra"]["assume_role_kwargs"]["ExternalId"]
    spoke(page_json("trust-policy.json"))

    with pytest.raises(RoleRefused, match=r"that of the connection \(the connection sends none\)"):
        airflow(connection).source_servers()


def test_more_than_the_hour_of_a_chained_role_says_word_for_word_what_the_page_says(airflow, spoke, one_simulator):
    connection = page_json("connection.json")
    connection["extra"]["assume_role_kwargs"]["DurationSeconds"] = 7200
    spoke(page_json("trust-policy.json"))
    iam = one_simulator.client("iam", aws_access_key_id=SPOKE)
    iam.update_role(RoleName="drs-orchestrator", MaxSessionDuration=43200)

    with pytest.raises(RoleRefused) as refused:
        airflow(connection).source_servers()

    assert f"{refused.value}\n" == blocks("text")[1]


def test_a_role_that_is_refused_when_it_is_renewed_says_so_and_not_the_call_that_needed_it(
    airflow, spoke, one_simulator
):
    spoke(page_json("trust-policy.json"))
    hook = airflow(page_json("connection.json"))
    hook.source_servers()
    one_simulator.client("iam", aws_access_key_id=SPOKE).delete_role(RoleName="drs-orchestrator")
    hook._session.get_credentials()._expiry_time = hook._session.get_credentials()._time_fetcher()

    with pytest.raises(RoleRefused, match=r"^sts:AssumeRole: AccessDenied: arn:aws:sts::111122223333"):
        hook.source_servers()


@pytest.mark.parametrize("fault", re.findall(r'`(\{"do": .*?\})`', TEXT))
def test_the_faults_of_the_page_are_faults(one_simulator, fault):
    one_simulator.reset()

    one_simulator.fault(json.loads(fault))


def test_the_plan_of_the_page_is_one(tmp_path):
    (group,) = [block for block in blocks("yaml") if "ProtectionGroup" in block]
    (tmp_path / "ledger.yaml").write_text(group)

    assert read_folder(tmp_path).problems == ()
