"""Servers whose launch ahead fails are launched again before their wave's turn, in simulated time."""

import dataclasses
from datetime import datetime

import pytest
from drs_provider.dag.waves import relaunch_ahead
from drs_provider.operators import other_tasks
from drs_provider.rules.run.handover import LeftToItself, RunOrder

from benchmarks.kill_sweep.kinds import DB, FLEET, WEB, kind_of
from benchmarks.kill_sweep.lives import environment, lived
from benchmarks.kill_sweep.mortal_run import Death, is_read

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

RELAUNCH, WATCH = "web.relaunch_ahead", "web.recovery_job"
WEB2 = "s-00000000000000009"
BREAKS = {"hostname": "web1", "do": "fail_at", "event": "LAUNCH_START", "error": "x", "count": 1}
LATER = "delay_before: 40m"
"""The repeat is over before the wave's turn."""


def fleet():
    """The sweep's fleet, and a second web server."""
    here = FLEET["accounts"][0]["regions"][1]
    web2 = {**here["servers"][1], "id": WEB2, "hostname": "web2"}
    regions = [FLEET["accounts"][0]["regions"][0], {**here, "servers": [*here["servers"], web2]}]
    return {**FLEET, "accounts": [{**FLEET["accounts"][0], "regions": regions}]}


@pytest.fixture(scope="module")
def simulator_of_two(start_drs_simulator):
    return start_drs_simulator(fleet(), speed=1)


@pytest.fixture
def lives(simulator_of_two, tmp_path, monkeypatch):
    simulator_of_two.reset()
    for name, value in environment(simulator_of_two.url, tmp_path).items():
        monkeypatch.setenv(name, value)

    def live(*faults, kind=None, death=None, **more):
        simulator_of_two.fault(*faults)
        kind = kind or again()
        return lived(kind, simulator_of_two, tmp_path, death or Death(), **more)

    return live


def again(web="retry_failed: 1", *, group="", **more):
    kind = kind_of("ahead")
    plan = kind.plan.replace(f"servers: [{WEB}]\n", f"servers: [{WEB}, {WEB2}]\n{group}").replace("rpo: 5m", "rpo: 1h")
    return dataclasses.replace(kind, plan=plan.replace("groups: [web]", f"groups: [web], {web}"), **more)


def jobs_of(record, server):
    """The launch jobs of a server, oldest first."""
    jobs = sorted((job for job in record.jobs if job["type"] == "LAUNCH"), key=lambda job: job["creationDateTime"])
    return [job for job in jobs if server in {each["sourceServerID"] for each in job["participatingServers"]}]


def starts_of(record):
    """By server, when its instances were asked to start."""
    found = {}
    for call in record.calls:
        if call["operation"] == "StartInstances" and call["committed"]:
            for name in call["request"]["InstanceIds"]:
                found.setdefault(record.instances[name][0], []).append(call["at"])
    return found


def tries_of(record):
    return {s["hostname"]: [t["how"] for t in s["tries"]] for w in record.report["waves"] for s in w["servers"]}


def at(job, what):
    return datetime.fromisoformat(job[f"{what}DateTime"]).timestamp()


def test_a_failed_launch_is_repeated_as_soon_as_its_job_has_ended_and_started_in_its_turn(lives):
    record, runs = lives(BREAKS, kind=again(f"retry_failed: 1, {LATER}"))

    assert record.report["verdict"] == "completed", (record.report["verdict_reason"], record.broken)
    first, second = jobs_of(record, WEB)
    assert 0 <= at(second, "creation") - at(first, "end") <= 90
    starts = starts_of(record)
    assert {server: len(found) for server, found in starts.items()} == {DB: 1, WEB: 1, WEB2: 1}
    assert min(starts[WEB] + starts[WEB2]) > at(second, "end")  # its turn comes later still
    assert len(jobs_of(record, WEB2)) == len(jobs_of(record, DB)) == 1
    assert tries_of(record) == {"db1": [], "web1": ["again"], "web2": []}
    assert (runs[-1].states[RELAUNCH], runs[-1].states[WATCH]) == ("success", "success")
    assert {state for server, state in record.instances.values() if server in (DB, WEB, WEB2)} == {"running"}


def test_while_a_repeat_runs_the_others_of_the_wave_are_started_in_its_turn(lives):
    record, _ = lives(BREAKS)

    assert record.report["verdict"] == "completed", (record.report["verdict_reason"], record.broken)
    first, second = jobs_of(record, WEB)
    starts = starts_of(record)
    assert at(second, "creation") - at(first, "end") <= 90
    assert starts[DB][0] < starts[WEB2][0] < at(second, "end") < starts[WEB][0]
    assert {server: len(found) for server, found in starts.items()} == {DB: 1, WEB: 1, WEB2: 1}
    assert tries_of(record)["web1"] == ["again"]


@pytest.mark.parametrize("more", ["", f", {LATER}"], ids=["in its turn", "ahead"])
def test_the_waves_own_turn_does_not_count_the_tries_anew(lives, more):
    record, _ = lives({**BREAKS, "count": 9}, kind=again(f"retry_failed: 2{more}"))

    assert record.report["verdict"] == "failed"
    assert [job["tags"]["drs-orchestrator:try"] for job in jobs_of(record, WEB)] == ["1", "2", "3"]
    assert tries_of(record)["web1"] == ["again", "again"]
    assert len(jobs_of(record, WEB2)) == 1


def test_a_wave_that_tries_nothing_twice_has_nobody_who_looks(lives):
    record, runs = lives(BREAKS, kind=again("ready: running"))

    assert RELAUNCH not in runs[-1].states
    assert len(jobs_of(record, WEB)) == 1


FALLBACK = "launch: {instance_type: r5.large, right_sizing: none, fallback: {instance_types: [r5a.large]}}\n"


@pytest.mark.parametrize("mode", ["recovery", "drill"])
def test_a_launch_without_capacity_is_repeated_ahead_as_its_fallback_says(lives, simulator_of_two, mode):
    kind = again(LATER, group=FALLBACK, **({} if mode == "recovery" else {"conf": {"mode": "drill"}}))
    record, _ = lives({"hostname": "web1", "do": "no_capacity", "instance_type": "r5.large"}, kind=kind)

    assert record.report["verdict"] in ("completed", "passed"), (record.report["verdict_reason"], record.broken)
    first, second = jobs_of(record, WEB)
    assert at(second, "creation") - at(first, "end") <= 90
    (web1,) = (s for w in record.report["waves"] for s in w["servers"] if s["hostname"] == "web1")
    assert [each["settings"] for each in web1["tries"]] == [{"instance_type": "r5a.large"}]
    assert web1["differences"] == []
    assert {server: len(found) for server, found in starts_of(record).items()} == {DB: 1, WEB: 1, WEB2: 1}
    drs = simulator_of_two.client("drs")
    assert {drs.get_launch_configuration(sourceServerID=s)["launchDisposition"] for s in (WEB, WEB2)} == {"STARTED"}
    if mode == "drill":
        assert record.settings == record.settings_before


def ordered(run, task, document):
    """Somebody gives an order to a task, as the plugin's route does."""
    from drs_provider.airflow_internals.task_runner import comms
    from drs_provider.rehearsal.engine.driver import instance_id
    from drs_provider.rules.run.handover.signature import Origin
    from drs_provider.services.signed import keys

    place = Origin(run.dag.dag_id, run.run_id, task, document.KEY, stored_in="task_state_store")
    entry = keys().seal(document.to_json(), place)
    run.supervisor.send(
        comms.SetTaskStateStore(ti_id=instance_id(task), key=document.KEY, value=entry, expires_at=None)
    )


def at_second_leg(task, act):
    """Do something before the second leg of a task: when its jobs have ended."""

    def people(run):
        seen = []

        def before(name):
            seen.append(name)
            if name == task and seen.count(task) == 2:
                act(run)

        run.before_leg = before

    return people


@pytest.mark.parametrize("kind", ["cancel", "skip"])
def test_for_a_wave_that_a_person_has_ended_nothing_is_launched_again(lives, kind):
    def give(run):
        tasks = [RELAUNCH, "web.start_recovery", *(["database.recovery_job"] if kind == "cancel" else [])]
        for task in tasks:
            ordered(run, task, RunOrder(kind=kind, message=f"{kind} by ann"))
        ordered(run, "web.delay", LeftToItself(waves=("web",)))

    record, runs = lives(BREAKS, kind=again(f"retry_failed: 1, {LATER}"), people=at_second_leg(RELAUNCH, give))

    assert len(jobs_of(record, WEB)) == 1
    assert runs[-1].states[RELAUNCH] == "success"
    assert not {WEB, WEB2} & {*starts_of(record)}


def test_in_a_paused_plan_it_is_left_to_the_turn_of_the_wave(lives, monkeypatch):
    monkeypatch.setattr(relaunch_ahead, "is_dag_paused", lambda _: True)
    record, _ = lives(BREAKS, kind=again(f"retry_failed: 1, {LATER}"))

    assert record.report["verdict"] == "completed", record.report["verdict_reason"]
    first, second = jobs_of(record, WEB)
    assert at(second, "creation") - at(first, "end") > 1000
    assert tries_of(record)["web1"] == ["again"]


def test_an_error_that_nobody_expects_is_left_to_the_turn_of_the_wave(lives, monkeypatch):
    monkeypatch.setattr(relaunch_ahead.RelaunchAhead, "_launch_again", lambda *_: 1 / 0)
    record, runs = lives(BREAKS, kind=again(f"retry_failed: 1, {LATER}"))

    assert record.report["verdict"] == "completed", record.report["verdict_reason"]
    assert runs[-1].states[RELAUNCH] == "skipped"
    assert len(jobs_of(record, WEB)) == 2


def test_what_drs_would_start_at_once_is_not_launched_again_before_its_turn(lives, simulator_of_two):
    def set_started(_):
        simulator_of_two.client("drs").update_launch_configuration(sourceServerID=WEB, launchDisposition="STARTED")

    record, runs = lives(BREAKS, kind=again(f"retry_failed: 1, {LATER}"), people=at_second_leg(RELAUNCH, set_started))

    assert runs[-1].states[RELAUNCH] == "skipped"
    first, *others = jobs_of(record, WEB)
    assert all(at(job, "creation") - at(first, "end") > 1000 for job in others)


def test_a_repeat_waits_for_room(lives, simulator_of_two):
    def fill(_):
        simulator_of_two.fault({"do": "quota_used", "in_jobs": 500, "for": "5m"})

    record, _ = lives(BREAKS, kind=again(f"retry_failed: 1, {LATER}"), people=at_second_leg(RELAUNCH, fill))

    assert record.report["verdict"] == "completed", record.report["verdict_reason"]
    first, second = jobs_of(record, WEB)
    assert 200 < at(second, "creation") - at(first, "end") < 600


def test_a_wave_that_is_not_reached_is_launched_again_by_nobody_and_reports_what_was_tried(lives):
    breaks_db = {**BREAKS, "hostname": "db1"}
    record, runs = lives(BREAKS, breaks_db)

    assert record.report["verdict"] == "failed"
    assert runs[-1].states["web.start_recovery"] == "upstream_failed"
    assert len(jobs_of(record, WEB)) <= 2
    assert starts_of(record) == {}


@dataclasses.dataclass
class Counting(Death):
    """Dies right after the third StartRecovery, which is the repeat's, or after the writing call that follows."""

    later: int = 0
    seen: int = 0

    def after(self, service, operation):
        if not is_read(operation):
            self.seen += operation == "StartRecovery" or self.seen >= 3
            self.at = self.count + 1 if self.seen == 3 + self.later and not self.struck else 0
        super().after(service, operation)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["killed", "taken over"])
@pytest.mark.parametrize("web", [f"retry_failed: 1, {LATER}", "retry_failed: 1"], ids=["before its turn", "near it"])
@pytest.mark.parametrize("later", [0, 1])
def test_a_death_at_a_repeat_launches_nothing_twice_and_forgets_nothing(lives, elsewhere, web, later):
    death = Counting(later=later, writes_only=True)
    kind = again(web)
    record, _ = lives(BREAKS, kind=kind, death=death, elsewhere=elsewhere)

    assert death.struck
    assert record.report["verdict"] == "completed", (record.report["verdict_reason"], record.broken)
    assert [len(jobs_of(record, server)) for server in (DB, WEB, WEB2)] == [1, 2, 1]
    assert {server: len(found) for server, found in starts_of(record).items()} == {DB: 1, WEB: 1, WEB2: 1}


def test_an_answer_to_the_repeat_that_is_lost_starts_no_second_job(lives, simulator_of_two):
    def lose(_):
        lost = {"service": "drs", "operation": "StartRecovery", "do": "commit_then_drop", "count": 1}
        simulator_of_two.fault(lost, {"do": "invisible_for", "seconds": 90})

    record, _ = lives(BREAKS, kind=again(f"retry_failed: 1, {LATER}"), people=at_second_leg(RELAUNCH, lose))

    assert record.report["verdict"] == "completed", (record.report["verdict_reason"], record.broken)
    asked = [call for call in record.calls if call["operation"] == "StartRecovery"]
    assert [call["error"] for call in asked] == [None, None, "ConnectionDropped"]
    assert [len(jobs_of(record, server)) for server in (DB, WEB, WEB2)] == [1, 2, 1]


def test_a_plan_that_is_paused_between_the_decision_and_the_call_launches_nothing_ahead(lives, monkeypatch):
    answers = iter([False])
    monkeypatch.setattr(relaunch_ahead, "is_dag_paused", lambda _: next(answers, True))
    record, runs = lives(BREAKS, kind=again(f"retry_failed: 1, {LATER}"))

    assert record.report["verdict"] == "completed", record.report["verdict_reason"]
    assert runs[-1].states[RELAUNCH] == "skipped"
    first, second = jobs_of(record, WEB)
    assert at(second, "creation") - at(first, "end") > 1000
    assert tries_of(record)["web1"] == ["again"]


def test_what_lies_there_of_a_try_that_airflow_has_replaced_fails_no_wave(lives, monkeypatch):
    """Airflow counts a new try when it schedules the task, and removes what the last one left when that begins."""
    newest = other_tasks.newest_try_of
    monkeypatch.setattr(
        other_tasks, "newest_try_of", lambda context, task: 2 if task == RELAUNCH else newest(context, task)
    )
    record, runs = lives(BREAKS, kind=again(f"retry_failed: 1, {LATER}"))

    assert record.report["verdict"] == "completed", (record.report["verdict_reason"], record.broken)
    assert runs[-1].states[RELAUNCH] == "success"
    assert [len(jobs_of(record, server)) for server in (DB, WEB, WEB2)] == [1, 2, 1]  # found by their tags
    assert {server: len(found) for server, found in starts_of(record).items()} == {DB: 1, WEB: 1, WEB2: 1}


def test_a_wave_that_is_cleared_with_what_launches_ahead_begins_a_new_life(lives):
    """Both tries of the first life fail; whoever clears everything gives the servers all their tries again."""

    def then(run):
        run.clear(["web.launch_ahead", RELAUNCH, "web.start_recovery"])
        return True

    record, _ = lives({**BREAKS, "count": 3}, kind=again(f"retry_failed: 1, {LATER}"), then=then)

    assert record.report["verdict"] == "completed", (record.report["verdict_reason"], record.broken)
    assert [job["tags"]["drs-orchestrator:try"] for job in jobs_of(record, WEB)] == ["1", "2", "3", "4"]
    assert tries_of(record)["web1"] == ["again"]
    assert len(jobs_of(record, WEB2)) == 1
