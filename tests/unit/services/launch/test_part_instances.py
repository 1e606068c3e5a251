"""What a step that runs another plan sees of that plan's instances: judged as the plan judges itself."""

from types import SimpleNamespace

import pytest
from drs_provider.exceptions import AccessDenied, ServiceUnavailable
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.run.handover import PlanRunOutcome
from drs_provider.rules.run.part_losses import PartWave, lacks_servers, wave_of_results, waves_in_report
from drs_provider.rules.run.roster import Target
from drs_provider.services.launch.part_instances import PartLook, look_at_part
from drs_provider.steps.plan_run import why_gone
from drs_provider.steps.work import StepSurroundings
from hypothesis import given
from hypothesis import strategies as st
from kit.fake_drs import FakeDrs

WEST, EAST = Target("west", "us-west-2"), Target("east", "us-east-1")


class Part:
    """A run with one wave of four servers, two in each of two Regions."""

    def __init__(self, *, states, critical=("s-0", "s-1", "s-2", "s-3")):
        self.drs = {WEST: FakeDrs(), EAST: FakeDrs()}
        self.servers, self.asked = [], []
        for number, state in enumerate(states):
            server, drs = f"s-{number}", self.drs[(WEST, EAST)[number // 2]]
            job = drs.add_job([server])
            name = drs.add_instance(server, job["jobID"], is_drill=False)
            drs.ec2[name] = state
            self.servers.append(
                {
                    "server_id": server,
                    "hostname": f"db{number}",
                    "critical": server in critical,
                    "status": "launched",
                    "instance_id": name,
                    "instance_state": "RUNNING",
                    "job_id": job["jobID"],
                }
            )

    def report(self, tolerates="0", **more):
        return {"waves": [{"name": "web", "tolerate_failures": tolerates, "servers": self.servers, **more}]}

    def preflight(self):
        def place(target, numbers):
            servers = [SimpleNamespace(server_id=f"s-{number}", critical=True) for number in numbers]
            return SimpleNamespace(target=target, servers=servers)

        wave = SimpleNamespace(targets=[place(WEST, (0, 1)), place(EAST, (2, 3))])
        return SimpleNamespace(waves={"web": wave})

    def look(self, tolerates="0"):
        def hook_of(target):
            self.asked.append(target)
            found = self.drs[target]
            if isinstance(found, Exception):
                raise found
            return found

        return look_at_part(waves_in_report(self.report(tolerates)), self.preflight(), hook_of)


RUNS = "running"


@pytest.mark.parametrize(
    ("states", "critical", "tolerates", "fatal", "said"),
    [
        ((RUNS,) * 4, ("s-0", "s-1", "s-2", "s-3"), "0", [], []),
        (("terminated", RUNS, RUNS, RUNS), ("s-0", "s-1", "s-2", "s-3"), "0", ["db0"], []),
        (("terminated", RUNS, RUNS, RUNS), ("s-0", "s-1", "s-2", "s-3"), "1", [], ["db0"]),
        (("terminated", RUNS, RUNS, RUNS), ("s-0", "s-1", "s-2", "s-3"), "25%", [], ["db0"]),
        (("terminated", RUNS, RUNS, "shutting-down"), ("s-0", "s-1", "s-2", "s-3"), "1", ["db0", "db3"], []),
        (("terminated", RUNS, RUNS, RUNS), ("s-1", "s-2", "s-3"), "0", [], ["db0"]),
        (("stopped", "stopping", RUNS, RUNS), ("s-0", "s-1", "s-2", "s-3"), "0", [], ["db0", "db1"]),
        (("stopped", "terminated", RUNS, RUNS), ("s-0", "s-1", "s-2", "s-3"), "1", [], ["db0", "db1"]),
        (("stopped", "terminated", RUNS, RUNS), ("s-0", "s-1", "s-2", "s-3"), "0", ["db1"], ["db0"]),
        (("terminated", RUNS, RUNS, RUNS), ("s-0", "s-1", "s-2", "s-3"), "what", ["db0"], []),
    ],
)
def test_what_the_part_s_plan_can_do_without_fails_nothing(states, critical, tolerates, fatal, said):
    part = Part(states=states, critical=critical)

    look = part.look(tolerates)

    assert [text.partition(":")[0] for text in look.gone] == fatal
    assert [text.partition(":")[0] for text in look.remarks] == said
    assert look.problems == ()


def test_what_is_missing_in_the_report_counts_with_what_is_gone_since():
    part = Part(states=("terminated", RUNS, RUNS, RUNS))
    part.servers[3]["status"] = "failed"

    assert [text.partition(":")[0] for text in part.look("1").gone] == ["db0"]
    assert part.look("2").gone == ()


@pytest.mark.parametrize("status", ["excluded", "skipped", "ready"])
def test_what_was_not_to_be_there_or_is_is_not_missing(status):
    part = Part(states=("terminated", RUNS, RUNS, RUNS))
    part.servers[3]["status"] = status

    assert part.look("1").gone == ()


@pytest.mark.parametrize(
    "silence",
    [
        ServiceUnavailable("DescribeRecoveryInstances", "ConnectTimeoutError", "no answer"),
        AccessDenied("DescribeRecoveryInstances", "AccessDeniedException", "you may not"),
    ],
)
@pytest.mark.parametrize("silent", [WEST, EAST])
def test_a_place_that_does_not_answer_hides_nothing_of_the_others(silence, silent):
    part = Part(states=("terminated", RUNS, "terminated", RUNS))
    lost = "db2" if silent == WEST else "db0"
    part.drs[silent] = silence

    look = part.look()

    assert [text.partition(":")[0] for text in look.gone] == [lost]
    assert look.problems == (f"{silent}: {silence}",)
    assert part.asked == [WEST, EAST]


def test_two_waves_in_one_place_ask_it_once():
    part = Part(states=(RUNS, "terminated", RUNS, RUNS))
    first, second = waves_in_report(part.report())[0].launched[:2], waves_in_report(part.report())[0].launched[2:]
    asked = []

    def hook_of(target):
        asked.append(target)
        return part.drs[target]

    waves = [PartWave("one", "0", 2, 0, first[1:]), PartWave("two", "0", 2, 0, first[:1] + second)]
    look = look_at_part(waves, part.preflight(), hook_of)

    assert sorted(asked, key=str) == sorted([WEST, EAST], key=str)
    assert [text.partition(":")[0] for text in look.gone] == ["db1"]


@pytest.mark.parametrize(
    ("report", "lacks"),
    [
        (None, True),
        ({"counts": {"launched": 3}, "waves": [{"servers": []}, {"servers": []}]}, True),
        ({"counts": {"launched": 0}, "waves": [{"servers": []}]}, False),
        ({"counts": {"launched": 3}, "waves": [{"servers": []}, {"servers": [{"server_id": "s-1"}]}]}, False),
        ({}, False),
    ],
)
def test_a_report_without_its_servers_is_seen(report, lacks):
    assert lacks_servers(report) is lacks


def test_a_wave_of_a_big_part_is_judged_by_what_it_left_itself():
    part = Part(states=(RUNS, "terminated", RUNS, RUNS))
    report = part.report("1", servers=[])
    results = [*waves_in_report(part.report())[0].launched[:3], ServerResult("s-3", "db3", True, "failed")]
    planned = [server for place in part.preflight().waves["web"].targets for server in place.servers]

    wave = wave_of_results("web", planned, results, report)

    assert (wave.tolerates, wave.critical, wave.missing, len(wave.launched)) == ("1", 4, 1, 3)
    assert [text.partition(":")[0] for text in look_at_part([wave], part.preflight(), part.drs.get).gone] == ["db1"]


@given(
    critical=st.integers(1, 30),
    missing=st.integers(0, 30),
    lost=st.integers(0, 30),
    tolerates=st.integers(0, 30),
)
def test_a_loss_fails_exactly_where_all_that_is_missing_is_more_than_is_tolerated(critical, missing, lost, tolerates):
    servers = tuple(ServerResult(f"s-{number}", "db", True, "launched") for number in range(critical))
    ids = {f"s-{number}" for number in range(min(lost, critical))}

    is_lost = PartWave("web", str(tolerates), critical, missing, servers).is_lost(ids)

    assert is_lost is (bool(ids) and missing + len(ids) > tolerates)


@pytest.mark.parametrize("report", [{}, {"waves": None}, {"waves": [1, {"servers": 7}, {"servers": [None, {}]}]}])
def test_a_report_that_says_nothing_has_launched_nothing(report):
    assert waves_in_report(report) == []
    assert look_at_part([], SimpleNamespace(waves={})) == PartLook()


@pytest.mark.parametrize(
    ("wave", "then"),
    [
        ("first", "drs run continue shop --wave first --reason TEXT"),
        (None, "mark this task of plan shop as successful in Airflow"),
    ],
)
def test_a_loss_names_what_lets_the_parent_go_on(wave, then):
    found = PlanRunOutcome(plan="mail", dag_id="drs.mail", run_id="drs__x", report="/r/report.html")

    said = why_gone(found, ["web1: it is gone"], StepSurroundings("shop", wave, "after", (), launches=True))

    assert said.startswith(
        "what plan mail has launched is not up any more: web1: it is gone. Report: /r/report.html. To start it again: "
        "drs run start mail. To clear this task does not help, it looks at the same run again; once mail is up, or is "
        f"not needed, let this run go on: {then}; drs run status mail "
    )
