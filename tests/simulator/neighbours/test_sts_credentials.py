import json
import urllib.request
from datetime import UTC, datetime

import pytest
from botocore.config import Config
from simulator.neighbours.neighbourhood import HOME, TOOLS, refusal

OPERATOR = f"arn:aws:iam::{HOME}:role/dr-operator"


@pytest.fixture
def tools(sim):
    """STS as the tools account sees it: a user of that account, with an access key of its own."""
    iam = sim.client("iam", aws_access_key_id=TOOLS)
    iam.create_user(UserName="airflow")
    key = iam.create_access_key(UserName="airflow")["AccessKey"]
    return sim.client(
        "sts",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


class Caller:
    def __init__(self, sim, credentials):
        self.sim, self.credentials = sim, credentials

    def client(self, service):
        given = self.credentials
        return self.sim.client(
            service,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )


def assumed(sim, sts, role=OPERATOR, **more):
    request = {"RoleArn": role, "RoleSessionName": "drill", **more}
    if role == OPERATOR:
        request.setdefault("ExternalId", "secret-1")
    return Caller(sim, sts.assume_role(**request)["Credentials"])


def test_a_role_that_trusts_the_caller_is_assumed_and_works_in_its_account(sim, tools):
    caller = assumed(sim, tools)
    identity = caller.client("sts").get_caller_identity()

    assert (identity["Account"], identity["Arn"]) == (HOME, f"arn:aws:sts::{HOME}:assumed-role/dr-operator/drill")
    assert len(caller.client("drs").describe_source_servers()["items"]) == 8


@pytest.mark.parametrize(
    "request_of",
    [
        pytest.param({"RoleArn": f"arn:aws:iam::{HOME}:role/nobody"}, id="no such role"),
        pytest.param({"ExternalId": "wrong"}, id="wrong ExternalId"),
        pytest.param({"ExternalId": None}, id="no ExternalId"),
        pytest.param({"RoleArn": f"arn:aws:iam::{HOME}:role/insider"}, id="not trusted"),
    ],
)
def test_everything_that_is_wrong_with_a_role_is_access_denied(sim, tools, request_of):
    request = {"RoleArn": OPERATOR, "RoleSessionName": "drill", "ExternalId": "secret-1", **request_of}
    request = {name: value for name, value in request.items() if value is not None}

    caller, role = f"arn:aws:iam::{TOOLS}:user/airflow", request["RoleArn"]
    said = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}"
    assert refusal(tools.assume_role, **request) == ("AccessDenied", 403, said)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        pytest.param(
            60,
            "1 validation error detected: Value '60' at 'durationSeconds' failed to satisfy constraint: "
            "Member must have value greater than or equal to 900",
            id="too short",
        ),
        pytest.param(
            50_000,
            "1 validation error detected: Value '50000' at 'durationSeconds' failed to satisfy constraint: "
            "Member must have value less than or equal to 43200",
            id="too long",
        ),
        pytest.param(
            10_000,
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            id="too long for the role",
        ),
    ],
)
def test_a_session_lasts_as_long_as_the_role_allows(sim, tools, seconds, said):
    request = {"RoleArn": OPERATOR, "RoleSessionName": "drill", "ExternalId": "secret-1"}

    assert refusal(tools.assume_role, **request, DurationSeconds=seconds) == ("ValidationError", 400, said)
    assert tools.assume_role(**request, DurationSeconds=7200)["Credentials"]["Expiration"] > datetime.now(UTC)


def test_a_role_trusts_another_role_and_a_chain_lasts_an_hour(sim):
    sts = sim.client("sts")
    insider = assumed(sim, sts, f"arn:aws:iam::{HOME}:role/insider")
    watcher = f"arn:aws:iam::{HOME}:role/watcher"
    chained = assumed(sim, insider.client("sts"), watcher)

    assert chained.client("sts").get_caller_identity()["Arn"].endswith(":assumed-role/watcher/drill")
    assert refusal(sts.assume_role, RoleArn=watcher, RoleSessionName="drill")[0] == "AccessDenied"


def test_a_role_of_create_role_is_checked_by_its_own_trust_policy(sim, tools):
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{TOOLS}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringLike": {"sts:ExternalId": "drill-*"}},
    }
    role = sim.client("iam").create_role(
        RoleName="made", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )["Role"]["Arn"]

    assert refusal(tools.assume_role, RoleArn=role, RoleSessionName="drill", ExternalId="other")[0] == "AccessDenied"
    assert assumed(sim, tools, role, ExternalId="drill-7").credentials["AccessKeyId"].startswith("ASIA")


def test_the_roles_of_the_fleet_file_stand_in_iam(sim):
    role = sim.client("iam").get_role(RoleName="dr-operator")["Role"]

    assert role["MaxSessionDuration"] == 7200
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] == {
        "StringEquals": {"sts:ExternalId": "secret-1"}
    }


def test_an_access_key_of_twelve_digits_is_of_that_account(sim):
    sts = sim.client("sts", aws_access_key_id=TOOLS)

    assert sts.get_caller_identity()["Account"] == TOOLS
    assert assumed(sim, sts).client("sts").get_caller_identity()["Account"] == HOME


EXPIRED = [
    ("drs", "describe_source_servers", {}, "ExpiredTokenException"),
    ("ssm", "list_commands", {}, "ExpiredTokenException"),
    ("lambda", "invoke", {"FunctionName": "flag"}, "ExpiredTokenException"),
    ("cloudwatch", "describe_alarms", {}, "ExpiredTokenException"),
    ("service-quotas", "list_service_quotas", {"ServiceCode": "drs"}, "ExpiredTokenException"),
    ("ec2", "describe_instances", {}, "RequestExpired"),
    ("sts", "get_caller_identity", {}, "ExpiredToken"),
    ("s3", "list_buckets", {}, "ExpiredToken"),
]


@pytest.mark.parametrize("call", EXPIRED, ids=[case[0] for case in EXPIRED])
def test_an_expired_token_is_refused_by_every_service_in_its_own_words(sim, tools, call):
    service, operation, request_of, code = call
    client = assumed(sim, tools).client(service)
    getattr(client, operation)(**request_of)
    sim.advance(3601 * 60)  # the wall clock's hour, at speed 60

    assert refusal(getattr(client, operation), **request_of) == (
        code,
        403,
        "The security token included in the request is expired",
    )


def test_a_session_in_simulated_time_expires_with_the_simulation(sim):
    caller = assumed(sim, sim.client("sts"), f"arn:aws:iam::{HOME}:role/insider").client("drs")
    sim.advance("59m")
    caller.describe_jobs()
    sim.advance("2m")

    assert refusal(caller.describe_jobs)[:2] == ("ExpiredTokenException", 403)


def test_a_token_that_is_not_the_key_s_is_refused(sim, tools):
    caller = assumed(sim, tools)
    caller.credentials = {**caller.credentials, "SessionToken": "somebody else's"}

    assert refusal(caller.client("drs").describe_jobs)[:2] == ("UnrecognizedClientException", 403)
    assert refusal(caller.client("sts").get_caller_identity)[:2] == ("InvalidClientTokenId", 403)


def test_a_key_of_a_session_without_its_token_is_refused(sim, tools):
    caller = assumed(sim, tools)
    keys = {name: caller.credentials[field] for name, field in KEYS.items()}

    assert refusal(sim.client("drs", **keys).describe_jobs)[:2] == ("UnrecognizedClientException", 403)


def test_a_presigned_url_has_the_token_in_its_query(sim, tools):
    url = assumed(sim, tools).client("s3").generate_presigned_url("list_buckets")

    with urllib.request.urlopen(url) as answer:
        assert b"ListAllMyBucketsResult" in answer.read()


KEYS = {"aws_access_key_id": "AccessKeyId", "aws_secret_access_key": "SecretAccessKey"}
