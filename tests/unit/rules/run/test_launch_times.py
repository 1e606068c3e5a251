"""What launching ahead saves, as it is foretold."""

from datetime import timedelta

import pytest
from drs_provider.rules.run.launch_times import BOOTS_IN, launch_times
from drs_provider.rules.run.timing import JOB_DURATION
from kit.plan_files import read_beside_groups

HEAD = "kind: RecoveryPlan\nname: p\n"
GROUPS = "\n---\n".join(f"kind: ProtectionGroup\nname: g{n}\nservers: [s-0000000000000000{n}]" for n in range(1, 5))


@pytest.fixture
def times(tmp_path, monkeypatch):

    def read(text, groups=GROUPS, **more):
        library = read_beside_groups(tmp_path, HEAD + text, groups=groups)
        assert library.problems == ()
        runnable = library.plans["p"]
        return launch_times(runnable.plan, runnable.groups, **more)

    return read


def chain(*more):
    said = [*more, *([""] * (4 - len(more)))]
    return "waves:\n" + "".join(f"  - {{name: w{n}, groups: [g{n}]{extra}}}\n" for n, extra in enumerate(said, start=1))


def test_four_waves_take_four_jobs_or_one_and_the_boots(times):
    found = times("launch: ahead\n" + chain())

    assert found.in_waves == 4 * JOB_DURATION
    assert found.as_planned == JOB_DURATION + 4 * BOOTS_IN["running"]
    assert found.saved == found.in_waves - found.as_planned
    assert found.as_planned <= 1.25 * (JOB_DURATION + 4 * BOOTS_IN["running"])
    assert found.in_waves >= 2 * found.as_planned
    assert str(found) == "launched ahead ~10m55s, in waves ~35m40s: ahead saves 24m45s"


def test_a_plan_that_launches_in_waves_takes_what_it_takes(times):
    found = times(chain())

    assert found.as_planned == found.in_waves == 4 * JOB_DURATION
    assert found.saved == timedelta(0)
    assert str(found).endswith("ahead saves nothing")


def test_status_checks_count_both_ways(times):
    found = times("launch: ahead\n" + chain(*[", ready: status_checks"] * 4))
    checks = BOOTS_IN["status_checks"]

    assert found.as_planned == JOB_DURATION + 4 * checks
    assert found.in_waves == 4 * (JOB_DURATION + checks - BOOTS_IN["running"])


def test_a_wave_that_launches_in_its_turn_takes_a_job_there(times):
    found = times("launch: ahead\n" + chain("", ", launch: in_waves"))

    assert found.as_planned == 2 * JOB_DURATION + 3 * BOOTS_IN["running"]


def test_delays_run_beside_the_job(times):
    found = times("launch: ahead\n" + chain(", delay_before: 5m", ", delay_before: 5m"))

    assert found.as_planned == JOB_DURATION + timedelta(minutes=5) + 4 * BOOTS_IN["running"]


def test_more_servers_than_run_at_once_are_launched_in_rounds(times):
    many = "\n---\n".join(
        f"kind: ProtectionGroup\nname: g{n}\nservers: [{', '.join(f's-{n}{m:016d}' for m in range(200))}]"
        for n in range(1, 5)
    )
    found = times("launch: ahead\n" + chain(), groups=many)

    assert found.as_planned == 2 * JOB_DURATION + 2 * BOOTS_IN["running"]


def test_waves_that_are_not_chosen_take_no_time(times):
    text = "launch: ahead\n" + chain()

    assert times(text, chosen={"w1", "w4"}).as_planned == JOB_DURATION + 2 * BOOTS_IN["running"]
    assert times(text, chosen={"w1", "w4"}).in_waves == 2 * JOB_DURATION
    assert times(text, chosen=set()).in_waves == timedelta(0)
