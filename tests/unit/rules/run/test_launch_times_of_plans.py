"""What launching ahead saves, as it is foretold of a plan."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.run.launch_times.both_ways import both_ways
from drs_provider.rules.run.launch_times.loads import loads_of_plan
from drs_provider.rules.run.launch_times.timetable import BOOTS_IN
from drs_provider.rules.run.request import read_request
from drs_provider.rules.run.shape import compile_shape
from drs_provider.rules.run.timing import JOB_DURATION
from kit.plan_files import read_beside_groups

NOW = datetime(2026, 11, 30, tzinfo=UTC)
HEAD = "kind: RecoveryPlan\nname: p\n"
GROUPS = "\n---\n".join(f"kind: ProtectionGroup\nname: g{n}\nservers: [s-0000000000000000{n}]" for n in range(1, 5))
BOOT, CHECKS, MINUTE = BOOTS_IN["running"], BOOTS_IN["status_checks"], timedelta(minutes=1)


@pytest.fixture
def times(tmp_path):

    def read(text, groups=GROUPS, conf=None, **more):
        library = read_beside_groups(tmp_path, HEAD + text, groups=groups)
        assert library.problems == ()
        shape = compile_shape(library.plans["p"])
        if conf is not None:
            known = [wave.name for wave in shape.waves]
            asked = {"reason": "a test", **conf}
            request = read_request(
                asked, plan="p", waves=known, run_type="manual", now=NOW, has_launch_ahead=shape.has_launch_ahead
            )
            shape = shape.for_request(request)
        return both_ways(loads_of_plan(shape, **more))

    return read


def chain(*more):
    said = [*more, *([""] * (4 - len(more)))]
    return "waves:\n" + "".join(f"  - {{name: w{n}, groups: [g{n}]{extra}}}\n" for n, extra in enumerate(said, start=1))


def test_four_waves_take_four_jobs_or_one_and_the_boots(times):
    found = times("launch: ahead\n" + chain())

    assert found.in_waves.total == 4 * JOB_DURATION
    assert found.as_launched.total == JOB_DURATION + 4 * BOOT
    assert found.saved == found.in_waves.total - found.as_launched.total
    assert str(found) == "launched ahead ~10m55s, in waves ~35m40s: ahead saves 24m45s"


def test_a_plan_that_launches_in_waves_takes_what_it_takes(times):
    found = times(chain())

    assert found.as_launched == found.in_waves
    assert found.in_waves.total == 4 * JOB_DURATION
    assert str(found).endswith("ahead saves nothing")


def test_one_wave_alone_takes_a_boot_longer(times):
    found = times("launch: ahead\nwaves: [{name: w1, groups: [g1]}]")

    assert str(found) == "launched ahead ~9m25s, in waves ~8m55s: ahead takes 30s longer"


GROUP_STARTED = GROUPS.replace("name: g2\n", "name: g2\nlaunch: {disposition: started}\n")
GROUP_WITH_ACTIONS = GROUPS.replace(
    "name: g2\n", "name: g2\nlaunch: {actions: [{name: x, document: AWS-RunShellScript}]}\n"
)
BOOT_ORDER = GROUPS.replace("[s-00000000000000001]", "[s-00000000000000001, {id: s-00000000000000009, order: 2}]")
MANY = "\n---\n".join(
    f"kind: ProtectionGroup\nname: g{n}\nservers: [{', '.join(f's-{n}{m:016d}' for m in range(200))}]"
    for n in range(1, 5)
)
BY_TAG = "\n---\n".join(f"kind: ProtectionGroup\nname: g{n}\nselect: {{tags: {{Tier: t{n}}}}}" for n in range(1, 5))


@pytest.mark.parametrize(
    ("waves", "groups", "ahead", "in_waves"),
    [
        pytest.param(
            chain(*[", ready: status_checks"] * 4),
            GROUPS,
            JOB_DURATION + 4 * CHECKS,
            4 * (JOB_DURATION + CHECKS - BOOT),
            id="status checks count both ways",
        ),
        pytest.param(chain(*[", ready: launched"] * 4), GROUPS, JOB_DURATION, 4 * JOB_DURATION, id="no boots awaited"),
        pytest.param(
            chain("", ", launch: in_waves"), GROUPS, 2 * JOB_DURATION + 3 * BOOT, 4 * JOB_DURATION, id="one in its turn"
        ),
        pytest.param(
            chain(), GROUP_STARTED, 2 * JOB_DURATION + 3 * BOOT, 4 * JOB_DURATION, id="one that has to be started"
        ),
        pytest.param(
            chain(), BY_TAG, JOB_DURATION + 4 * BOOT, 4 * JOB_DURATION, id="servers that are selected by tags"
        ),
        pytest.param(
            chain(", delay_before: 5m", ", delay_before: 5m"),
            GROUPS,
            JOB_DURATION + 5 * MINUTE + 4 * BOOT,
            4 * JOB_DURATION + 10 * MINUTE,
            id="the first delay runs beside the job",
        ),
        pytest.param(
            chain(", before: [{kind: wait, name: a, for: 20m}]", ", after: [{kind: wait, name: b, for: 3m}]"),
            GROUPS,
            23 * MINUTE + 4 * BOOT,
            4 * JOB_DURATION + 23 * MINUTE,
            id="steps that say how long they take",
        ),
        pytest.param(
            chain(", after: [{kind: wait, name: b, for: 3m, when: drill}]"),
            GROUPS,
            JOB_DURATION + 4 * BOOT,
            4 * JOB_DURATION,
            id="steps that a recovery does not have",
        ),
        pytest.param(
            chain(), MANY, 2 * JOB_DURATION + 2 * BOOT, 4 * JOB_DURATION, id="more servers than run at once: two rounds"
        ),
        pytest.param(
            chain(), BOOT_ORDER, JOB_DURATION + 5 * BOOT, 5 * JOB_DURATION, id="a boot order is a chain of its own"
        ),
        pytest.param(
            "waves:\n  - {name: w1, groups: [g1]}\n  - {name: w2, groups: [g2], depends_on: []}\n"
            "  - {name: w3, groups: [g3], depends_on: [w1]}\n  - {name: w4, groups: [g4], depends_on: [w2, w3]}",
            GROUPS,
            JOB_DURATION + 3 * BOOT,
            3 * JOB_DURATION,
            id="waves side by side",
        ),
    ],
)
def test_a_plan_is_foretold_both_ways(times, waves, groups, ahead, in_waves):
    found = times("launch: ahead\n" + waves, groups)

    assert (found.as_launched.total, found.in_waves.total) == (ahead, in_waves)


def test_people_think_beside_the_job_that_launches_ahead(times):
    text = "launch: ahead\n" + chain("", ", pause_before: {approvers: [ann], message: Go on?}")
    found = times(text, answers_after=5 * MINUTE)

    assert found.as_launched.total == JOB_DURATION + 4 * BOOT + 5 * MINUTE
    early = times(
        "launch: ahead\n" + chain(", before: [{kind: approval, name: ask, approvers: [ann], message: Go on?}]"),
        answers_after=5 * MINUTE,
    )
    assert early.as_launched.total == JOB_DURATION + 4 * BOOT
    assert early.in_waves.total == 4 * JOB_DURATION + 5 * MINUTE


def test_a_run_that_its_starter_launches_in_waves_is_foretold_so(times):
    text = "launch: ahead\n" + chain()

    found = times(text, conf={"mode": "drill", "launch": "in_waves"})
    assert found.as_launched == found.in_waves
    assert times(text, conf={"mode": "drill"}).as_launched.total == JOB_DURATION + 4 * BOOT


def test_waves_that_are_not_chosen_take_no_time(times):
    text = "launch: ahead\n" + chain()

    found = times(text, conf={"mode": "drill", "waves": ["w1", "w4"]})
    assert found.as_launched.total == JOB_DURATION + 2 * BOOT
    assert found.in_waves.total == 2 * JOB_DURATION
    assert found.as_launched.critical_path == ("w1", "w4")
