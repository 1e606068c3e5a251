"""Protection of instances that DRS tells of in part: what it leaves out fails nobody."""

from types import SimpleNamespace

import pytest
from drs_provider.services.launch.instance_protection import look_after

WHOLE = {"sourceServerID": "s-1", "ec2InstanceID": "i-1", "ec2InstanceState": "RUNNING", "isDrill": False, "jobID": "j"}


@pytest.mark.parametrize(
    ("left_out", "job_ids", "protected"),
    [
        ("", ["j"], ["i-1"]),
        ("", None, ["i-1"]),
        ("ec2InstanceID", ["j"], []),
        ("ec2InstanceID", None, []),
        ("jobID", ["j"], []),
        ("jobID", None, ["i-1"]),
    ],
)
def test_an_instance_that_drs_does_not_name_in_full_fails_nobody(left_out, job_ids, protected):
    record = {key: value for key, value in WHOLE.items() if key != left_out}
    asked = []

    def protect(names):
        asked.extend(names)
        return dict.fromkeys(names)

    hook = SimpleNamespace(
        recovery_instances=lambda **_: [record],
        ec2_instances=lambda names: {name: {"State": {"Name": "running"}} for name in names},
        protect=protect,
    )
    checks, errors = look_after(hook, {"s-1": {}}, job_ids)

    assert (asked, errors) == (protected, {})
    assert (checks["s-1"].instance_id, checks["s-1"].protected) == (("i-1", True) if protected else (None, False))


def test_what_was_protected_a_moment_ago_is_looked_at_and_not_protected_again():
    asked = []

    def protect(names):
        asked.extend(names)
        return dict.fromkeys(names)

    hook = SimpleNamespace(
        recovery_instances=lambda **_: [WHOLE, {**WHOLE, "sourceServerID": "s-2", "ec2InstanceID": "i-2"}],
        ec2_instances=lambda names: {name: {"State": {"Name": "stopped"}} for name in names},
        protect=protect,
    )
    checks, errors = look_after(hook, {"s-1": {}, "s-2": {}}, ["j"], protected={"i-1"})

    assert (asked, errors) == (["i-2"], {})
    assert {server: check.protected for server, check in checks.items()} == {"s-1": True, "s-2": True}
