"""What is waited for and what is raised when launch settings are changed, without Airflow."""

from datetime import UTC, datetime

import pytest
from drs_provider.exceptions import AccessDenied, AwsError, Conflict, RunRefused, Throttled
from drs_provider.rules.run.handover import SettingsChange, SettingsChangesSoFar
from drs_provider.services.settings.apply import ServersHeld, find_holders, settle
from kit.fake_drs import NOW, FakeDrs

HELD = Conflict("UpdateLaunchConfiguration", "ConflictException", "being processed by a Job")
SLOW = Throttled("UpdateLaunchConfiguration", "ThrottlingException", "slow down")
DENIED = AccessDenied("UpdateLaunchConfiguration", "AccessDeniedException", "no")
BAD = AwsError("UpdateLaunchConfiguration", "ValidationException", "bad")


def test_a_running_job_that_holds_a_server_is_waited_for():
    drs = FakeDrs()
    job = drs.add_job(["s-1"])

    assert find_holders(drs, ["s-2"], now=NOW) is None
    assert find_holders(drs, ["s-1"], now=NOW) == ServersHeld(
        f"servers are held by running jobs: {job['jobID']}", (job["jobID"],)
    )


def test_a_conflict_is_waited_for_where_nothing_else_is_wrong():
    assert settle(FakeDrs(), {}, now=NOW) is None
    assert settle(FakeDrs(), {"s-1": HELD}, now=NOW) == ServersHeld(str(HELD))


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ({"s-1": SLOW, "s-2": HELD}, SLOW),
        ({"s-1": SLOW, "s-2": SLOW}, SLOW),
        ({"s-1": DENIED, "s-2": HELD}, DENIED),
    ],
)
def test_a_single_error_is_raised_as_it_is(errors, raised):
    with pytest.raises(type(raised)) as caught:
        settle(FakeDrs(), errors, now=NOW)

    assert caught.value is raised


def test_several_errors_are_told_at_once():
    with pytest.raises(RunRefused) as caught:
        settle(FakeDrs(), {"s-1": BAD, "s-2": BAD, "s-3": HELD}, now=datetime.now(UTC))

    assert str(caught.value) == (
        "the launch settings of 2 servers could not be changed; clear this task to continue:\n"
        "  - s-1: UpdateLaunchConfiguration: ValidationException: bad\n"
        "  - s-2: UpdateLaunchConfiguration: ValidationException: bad"
    )


def test_a_setting_that_was_changed_before_keeps_what_it_was_first():
    first = SettingsChangesSoFar(max_tries=1).with_changes(
        "s-1", [SettingsChange(field="copy_tags", was=True, now=False)]
    )
    second = first.with_changes(
        "s-1",
        [SettingsChange(field="copy_tags", was=False, now=True), SettingsChange(field="os_byol", was=None, now=True)],
    )

    assert second.servers == {
        "s-1": (
            SettingsChange(field="copy_tags", was=True, now=True),
            SettingsChange(field="os_byol", was=None, now=True),
        )
    }
