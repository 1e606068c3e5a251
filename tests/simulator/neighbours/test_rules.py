import itertools
import json

import botocore.session
import pytest
from botocore.model import ServiceModel
from drs_simulator.fleet.model import Role
from drs_simulator.neighbours.answers import enum_faults
from drs_simulator.neighbours.ssm.commands import ENDED, Command, Invocation, limit_of, verdict
from drs_simulator.neighbours.ssm.shell import outcome_of
from drs_simulator.neighbours.sts_credentials import allows, trust_policy
from hypothesis import given
from hypothesis import strategies as st

SSM: ServiceModel = botocore.session.get_session().get_service_model("ssm")
OF_AN_INVOCATION = [
    ("Pending", "Pending"),
    ("InProgress", "InProgress"),
    ("Success", "Success"),
    ("Failed", "Failed"),
    ("TimedOut", "DeliveryTimedOut"),
    ("TimedOut", "ExecutionTimedOut"),
    ("Cancelling", "Cancelling"),
    ("Cancelled", "Canceled"),
    ("Cancelled", "Terminated"),
]


def a_command(*statuses, **request):
    parts = {f"i-{number}": Invocation(f"i-{number}", "", *status) for number, status in enumerate(statuses)}
    return Command("c", ("1", "r"), {"DocumentName": "d", **request}, "1", 0.0, 0.0, parts)


@pytest.mark.parametrize("max_errors", ["0", "1", "50%"])
@pytest.mark.parametrize("cancelled", [False, True])
def test_a_command_s_status_follows_from_its_invocations(max_errors, cancelled):
    known = set(SSM.shape_for("CommandStatus").enum)

    for statuses in itertools.product(OF_AN_INVOCATION, repeat=3):
        command = a_command(*statuses, MaxErrors=max_errors)
        command.cancelled = cancelled
        status, details = verdict(command)
        is_over = all(status in ENDED for status, _ in statuses)

        assert status in known, statuses
        assert (status in ENDED) == is_over, statuses
        assert ((status, details) == ("Success", "Success")) == (
            not cancelled and all(status == "Success" for status, _ in statuses)
        ), statuses


def test_every_status_of_an_invocation_is_known_but_the_delayed_one():
    assert {status for status, _ in OF_AN_INVOCATION} | {"Delayed"} == set(
        SSM.shape_for("CommandInvocationStatus").enum
    )


@pytest.mark.parametrize(
    ("text", "total", "expected"),
    [("0", 9, 0), ("3", 9, 3), ("10%", 9, 1), ("50%", 9, 5), ("100%", 9, 9), ("0%", 9, 0)],
)
def test_a_limit_is_a_number_or_a_share_rounded_up(text, total, expected):
    assert limit_of(text, total) == expected


@given(st.lists(st.text()), st.text())
def test_no_script_breaks_the_shell(lines, hostname):
    outcome = outcome_of(lines, hostname)

    assert 0 <= outcome.code <= 255
    assert outcome.seconds >= 0


ACCOUNT = st.text("0123456789", min_size=12, max_size=12)


@given(ACCOUNT, ACCOUNT, st.none() | st.text(min_size=1), st.none() | st.text(min_size=1))
def test_a_fleet_role_trusts_its_account_with_its_external_id_and_nobody_else(trusted, caller, wanted, given_id):
    policy = json.loads(json.dumps(trust_policy("1" * 12, Role(name="r", trust=trusted, external_id=wanted))))
    is_allowed = allows(policy, f"arn:aws:iam::{caller}:user/a", given_id)

    assert is_allowed == (trusted == caller and (wanted is None or wanted == given_id))


def test_a_deny_wins_and_a_strange_condition_does_not_allow():
    caller = "arn:aws:iam::111122223333:user/a"
    allow = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:*"}
    strange = {**allow, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}

    assert allows({"Statement": allow}, caller, None)
    assert not allows({"Statement": [allow, {**allow, "Effect": "Deny"}]}, caller, None)
    assert not allows({"Statement": [strange]}, caller, None)
    assert not allows({"Statement": [{**allow, "Principal": {"Service": "drs.amazonaws.com"}}]}, caller, None)


def test_a_word_that_the_model_lacks_is_found_in_an_answer():
    shape = SSM.operation_model("ListCommands").output_shape

    assert enum_faults(shape, {"Commands": [{"Status": "Success"}]}) == []
    assert enum_faults(shape, {"Commands": [{"Status": "Done"}]}) == ["'Done' is no CommandStatus"]


@pytest.mark.parametrize(
    ("lines", "said", "seconds"),
    [
        ([": drs-check tcp 10.0.0.1 5432", "exit 3"], "drs-check open\n", 1),
        ([": drs-check tcp 10.0.0.9 5432", "exit 3"], "drs-check closed no answer in time\n", 30),
        ([": drs-check http 'https://10.0.0.1:8443/a?b=c'"], "drs-check 200\n", 1),
        (["# drs-check tcp '10.0.0.1' 3389"], "drs-check open\n", 1),
        (["echo x", ": drs-check tcp 10.0.0.1 5432"], "x\n", 1),
    ],
)
def test_a_check_is_answered_by_what_is_in_the_network(lines, said, seconds):
    outcome = outcome_of(lines, "db1", lambda host: host == "10.0.0.1")

    assert (outcome.stdout, outcome.code, outcome.seconds) == (said, 0, seconds)
