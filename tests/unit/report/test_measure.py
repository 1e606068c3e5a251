"""Every figure of a report, and what is said where a figure is missing."""

from datetime import timedelta

import pytest
from drs_provider.formatting import instant_words
from drs_provider.report.evidence import (
    BootsEvidence,
    DrillFacts,
    JobEvent,
    JobEvidence,
    Objectives,
    RunEvidence,
    ServerEvidence,
    WaitEvidence,
    WaveEvidence,
)
from drs_provider.report.measure import measure
from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.run.handover import GivenOrder, KeptDrill, KeptExtension
from kit.evidence import (
    a_drill_with_a_failed_database,
    a_drill_with_exceptions,
    a_launched_server,
    a_passed_drill,
    a_refused_drill,
    a_run,
    a_wave,
    an_unstarted_wave,
    at,
    end_of,
    some_facts,
)

NO_OBJECTIVES = Objectives()


def a_server(name: str, **changes) -> ServerEvidence:
    facts = {
        "server_id": f"s-{name:0<17}",
        "hostname": name,
        "status": "launched",
        "job_id": "j1",
        "point_in_time": at(40),
        "events": (JobEvent(at=at(600), event="LAUNCH_END"),),
    }
    return ServerEvidence(**(facts | changes))


def a_small_wave(name: str, servers, *, job_at: float = 100, job_end: float | None = 610, **changes) -> WaveEvidence:
    job = JobEvidence(
        job_id="j1",
        created_at=at(job_at),
        ended_at=at(job_end) if job_end is not None else None,
        servers=tuple(server.server_id for server in servers),
    )
    return WaveEvidence(**({"name": name, "state": "launched", "jobs": (job,), "servers": tuple(servers)} | changes))


def the_server(server: ServerEvidence, **wave):
    return measure(a_run([a_small_wave("only", [server], **wave)])).waves[0].servers[0]


def test_rto_counts_from_the_run_start_to_launch_end_and_rpo_back_from_the_job():
    server = the_server(a_server("db1"))

    assert (server.rto_seconds, server.rpo_seconds) == (600, 60)


def test_without_a_launch_event_the_end_of_the_job_counts():
    assert the_server(a_server("db1", events=())).rto_seconds == 610


def test_without_event_and_job_end_the_rto_is_not_measured():
    assert the_server(a_server("db1", events=()), job_end=None).rto_seconds is None


def test_without_a_point_in_time_the_rpo_is_not_measured():
    assert the_server(a_server("db1", point_in_time=None)).rpo_seconds is None


def test_a_snapshot_younger_than_the_job_lost_nothing():
    assert the_server(a_server("db1", point_in_time=at(130))).rpo_seconds == 0


def test_replication_lag_is_part_of_the_rpo():
    assert the_server(a_server("db1", lag=timedelta(seconds=3))).rpo_seconds == 63
    assert the_server(a_server("db1", point_in_time=at(130), lag=timedelta(seconds=3))).rpo_seconds == 3
    assert the_server(a_server("db1", point_in_time=None, lag=timedelta(seconds=3))).rpo_seconds is None


def test_a_server_that_names_no_job_belongs_to_the_last_job_that_held_it():
    server = a_server("db1", job_id=None, events=())
    jobs = tuple(
        JobEvidence(job_id=name, created_at=at(start), ended_at=at(start + 50), servers=(server.server_id,))
        for name, start in (("first", 100), ("second", 200))
    )

    measured = the_server(server, jobs=jobs)

    assert (measured.job_id, measured.rto_seconds, measured.rpo_seconds) == ("second", 250, 160)


@pytest.mark.parametrize("status", ["failed", "unknown", "launching", "not_started", "waiting"])
def test_a_server_that_is_not_launched_has_no_rto_and_no_rpo(status):
    server = the_server(a_server("db1", status=status))

    assert (server.rto_seconds, server.rpo_seconds) == (None, None)


def test_the_phases_of_a_server_are_what_the_job_log_says():
    marks = [
        ("SNAPSHOT_START", 101),
        ("SNAPSHOT_END", 103),
        ("CONVERSION_START", 150),
        ("CONVERSION_END", 350),
        ("LAUNCH_START", 351),
        ("LAUNCH_END", 600),
    ]
    phases = the_server(a_server("db1", events=tuple(JobEvent(at=at(when), event=name) for name, when in marks))).phases

    assert phases.model_dump() == {
        "snapshot_seconds": 2,
        "conversion_seconds": 200,
        "launch_seconds": 249,
        "waiting_seconds": 49,
    }


def test_a_phase_whose_end_was_not_logged_is_not_measured():
    events = (JobEvent(at=at(101), event="SNAPSHOT_START"), JobEvent(at=at(160), event="CONVERSION_START"))

    phases = the_server(a_server("db1", status="failed", events=events)).phases

    assert set(phases.model_dump().values()) == {None}


def test_events_of_an_earlier_job_do_not_count_in_the_phases_of_the_later_one():
    early = [("LAUNCH_START", 10), ("LAUNCH_FAILED", 20)]
    late = [("LAUNCH_START", 500), ("LAUNCH_END", 600)]
    events = tuple(JobEvent(at=at(when), event=name) for name, when in early + late)

    assert the_server(a_server("db1", events=events)).phases.launch_seconds == 100


def test_a_wave_is_as_slow_and_as_old_as_its_worst_server():
    late = a_server("db2", events=(JobEvent(at=at(609), event="LAUNCH_END"),), point_in_time=at(-20))
    wave = measure(a_run([a_small_wave("only", [a_server("db1"), late])])).waves[0]

    assert (wave.rto_seconds, wave.rpo_seconds, wave.duration_seconds) == (609, 120, 510)


def test_a_wave_with_a_server_missing_has_no_rto():
    wave = measure(a_run([a_small_wave("only", [a_server("db1"), a_server("db2", status="failed")])])).waves[0]

    assert (wave.rto_seconds, wave.rpo_seconds) == (None, None)


def objectives_of(evidence: RunEvidence):
    objectives = measure(evidence).objectives
    return [(part.outcome, part.why) for part in (objectives.rto, objectives.rpo)]


@pytest.mark.parametrize(
    ("servers", "objectives", "expected"),
    [
        pytest.param(
            [a_server("db1")],
            Objectives(rto=timedelta(seconds=600), rpo=timedelta(seconds=60)),
            [("met", "10m is within the objective of 10m"), ("met", "1m is within the objective of 1m")],
            id="exactly the objective is met",
        ),
        pytest.param(
            [a_server("db1")],
            Objectives(rto=timedelta(seconds=599), rpo=timedelta(seconds=59)),
            [("missed", "10m is over the objective of 9m 59s"), ("missed", "1m is over the objective of 59 s")],
            id="a second more is missed",
        ),
        pytest.param(
            [a_server("db1")],
            NO_OBJECTIVES,
            [("no_objective", "the plan sets no RTO"), ("no_objective", "the plan sets no RPO")],
            id="no objective",
        ),
        pytest.param(
            [a_server("db1"), a_server("db2", status="failed")],
            Objectives(rto=timedelta(hours=1), rpo=timedelta(hours=1)),
            [("not_measured", "1 of 2 servers is not there: db2")] * 2,
            id="never met while a server is missing",
        ),
        pytest.param(
            [a_server("db1"), a_server("db2", status="excluded")],
            Objectives(rto=timedelta(hours=1), rpo=timedelta(hours=1)),
            [("not_measured", "1 of 2 servers is not there: db2")] * 2,
            id="never met while a server was left out",
        ),
        pytest.param(
            [a_server("db1"), a_server("db2", status="failed")],
            Objectives(rto=timedelta(minutes=5), rpo=timedelta(hours=1)),
            [
                ("missed", "10m is over the objective of 5m"),
                ("not_measured", "1 of 2 servers is not there: db2"),
            ],
            id="missed by those that are there",
        ),
        pytest.param(
            [a_server("db1", events=(), point_in_time=None)],
            Objectives(rto=timedelta(hours=1), rpo=timedelta(hours=1)),
            [
                ("met", "10m 10s is within the objective of 1h"),
                ("not_measured", "nothing was recorded to measure the RPO of every server with"),
            ],
            id="no point in time was recorded",
        ),
        pytest.param(
            [],
            Objectives(rto=timedelta(hours=1), rpo=timedelta(hours=1)),
            [("not_measured", "nothing was launched")] * 2,
            id="no server at all",
        ),
    ],
)
def test_objectives_are_met_missed_or_not_measured(servers, objectives, expected):
    assert objectives_of(a_run([a_small_wave("only", servers)], objectives=objectives)) == expected


def test_a_run_with_nothing_recorded_has_no_figure_at_all():
    report = measure(a_refused_drill())

    assert report.critical_path.model_dump() == {
        "waves": (),
        "elapsed_seconds": None,
        "jobs_seconds": None,
        "boots_seconds": None,
        "overhead_seconds": None,
        "overhead_share": None,
        "waited_seconds": None,
    }
    assert report.dead_times == ()
    assert {wave.duration_seconds for wave in report.waves} == {None}
    assert (report.objectives.rto.measured_seconds, report.objectives.rpo.measured_seconds) == (None, None)


def a_chain(*spans: tuple[str, float, float, list[str]]):
    return [
        a_small_wave(
            name,
            [a_server(f"{name}1", events=(JobEvent(at=at(end), event="LAUNCH_END"),))],
            job_at=start,
            job_end=end,
            depends_on=tuple(above),
        )
        for name, start, end, above in spans
    ]


def test_dead_time_lies_between_the_last_upstream_job_and_the_first_own_one():
    waves = a_chain(("a", 10, 500, []), ("b", 10, 550, []), ("c", 553, 900, ["a", "b"]), ("d", 10, 60, []))

    dead = measure(a_run(waves)).dead_times

    assert [(gap.wave, gap.after, gap.seconds) for gap in dead] == [("c", "b", 3)]


def test_dead_time_is_never_negative():
    waves = a_chain(("a", 10, 500, []), ("b", 400, 900, ["a"]))

    assert [gap.seconds for gap in measure(a_run(waves)).dead_times] == [0]


@pytest.mark.parametrize(
    "waves",
    [
        pytest.param([*a_chain(("a", 10, 500, [])), an_unstarted_wave("b", 2, depends_on=["a"])], id="never started"),
        pytest.param(
            [
                a_small_wave("a", [a_server("a1")], job_at=10, job_end=None, state="launching"),
                *a_chain(("b", 510, 900, ["a"])),
            ],
            id="no end of the job above",
        ),
    ],
)
def test_dead_time_without_both_ends_is_not_measured(waves):
    assert measure(a_run(waves)).dead_times == ()


def test_the_critical_path_is_the_chain_that_ended_last_and_its_overhead_lies_outside_the_jobs():
    waves = a_chain(
        ("database", 10, 500, []),
        ("application", 505, 1000, ["database"]),
        ("monitoring", 505, 800, ["database"]),
        ("reports", 10, 700, []),
    )

    report = measure(a_run(waves))

    assert report.critical_path.model_dump() == {
        "waves": ("database", "application"),
        "elapsed_seconds": 1000,
        "jobs_seconds": 985,
        "boots_seconds": 0,
        "overhead_seconds": 15,
        "overhead_share": 0.015,
        "waited_seconds": 0,
    }
    assert [wave.on_critical_path for wave in report.waves] == [True, True, False, False]


def a_wait(kind, wave, began, ended, outcome="continued"):
    task = f"{wave or 'preflight'}.{kind}"
    return WaitEvidence(
        kind=kind, task=task, wave=wave, began_at=at(began), ended_at=at(ended), by="ann", outcome=outcome
    )


def test_what_the_plan_itself_let_pass_is_neither_dead_time_nor_overhead():
    waves = a_chain(("database", 110, 500, []), ("application", 805, 1000, ["database"]))
    waits = (
        a_wait("approval", None, 5, 105, "approved"),
        a_wait("delay", "application", 501, 561, "over"),
        a_wait("pause", "application", 561, 801),
        a_wait("pause", "another", 500, 1000),
    )

    report = measure(a_run(waves, waits=waits))

    (gap,) = report.dead_times
    assert (gap.seconds, gap.waited_seconds) == (5, 300)
    assert report.critical_path.model_dump(exclude={"waves"}) == {
        "elapsed_seconds": 1000,
        "jobs_seconds": 585,
        "boots_seconds": 0,
        "overhead_seconds": 15,
        "overhead_share": 0.015,
        "waited_seconds": 400,
    }
    assert [entry.what for entry in report.timeline if entry.wave == "application" and "pause" in entry.what] == [
        "pause requested",
        "pause continued by ann",
    ]


def ahead(wave, began, ended):
    return wave.model_copy(update={"boots": BootsEvidence(began_at=at(began), ended_at=at(ended))})


def test_where_everything_is_launched_ahead_boots_are_no_overhead_and_the_time_between_them_is_dead():
    first, second, beside = a_chain(
        ("database", 10, 500, []), ("application", 10, 510, ["database"]), ("reports", 10, 505, [])
    )
    waves = (ahead(first, 502, 540), ahead(second, 541, 600), ahead(beside, 506, 530))

    report = measure(a_run(waves))

    assert report.critical_path.model_dump() == {
        "waves": ("database", "application"),
        "elapsed_seconds": 600,
        "jobs_seconds": 500,
        "boots_seconds": 30 + 59,
        "overhead_seconds": 10 + 1,
        "overhead_share": 11 / 600,
        "waited_seconds": 0,
    }
    (gap,) = report.dead_times
    assert (gap.wave, gap.after, gap.seconds) == ("application", "database", 1)
    assert {"jobs": 500, "boots": 89}.items() <= {share.kind: share.seconds for share in report.time_shares}.items()


def test_what_the_plan_lets_pass_before_a_wave_that_was_launched_ahead_is_not_dead():
    first, second = a_chain(("database", 10, 500, []), ("application", 10, 510, ["database"]))
    waves = (ahead(first, 500, 540), ahead(second, 642, 700))

    report = measure(a_run(waves, waits=(a_wait("delay", "application", 541, 641, "over"),)))

    (gap,) = report.dead_times
    assert (gap.seconds, gap.waited_seconds) == (2, 100)
    assert (report.critical_path.overhead_seconds, report.critical_path.waited_seconds) == (10 + 2, 100)


def test_a_pinned_server_lost_what_came_after_its_point_and_not_the_lag_of_now_besides():
    point = Point(snapshot_id="pit-1", at=at(-1900), why="source_unreachable")
    pinned = a_server("db1", point_in_time=at(-1900), lag=timedelta(minutes=33), point=point)

    (wave,) = measure(a_run([a_small_wave("only", [pinned])])).waves

    assert (wave.servers[0].rpo_seconds, wave.servers[0].point) == (2000, point)


def test_jobs_of_a_wave_side_by_side_count_once():
    servers = [a_server("db1"), a_server("db2", job_id="j2")]
    jobs = (
        JobEvidence(job_id="j1", created_at=at(100), ended_at=at(610), servers=(servers[0].server_id,)),
        JobEvidence(job_id="j2", created_at=at(110), ended_at=at(600), servers=(servers[1].server_id,)),
    )

    assert measure(a_run([a_small_wave("only", servers, jobs=jobs)])).critical_path.jobs_seconds == 510


def test_a_failed_server_is_named_with_reason_next_step_and_what_was_not_started():
    failure = measure(a_drill_with_a_failed_database()).failures[0]

    assert failure.model_dump() == {
        "server_id": "s-0dat0000000000003",
        "hostname": "dat3",
        "wave": "database",
        "critical": True,
        "status": "failed",
        "reason": "InsufficientInstanceCapacity: We currently do not have sufficient r6i.xlarge capacity in us-west-2a",
        "next_step": (
            "choose an instance type or subnet that has capacity in the server's launch settings, "
            "then start the drill again"
        ),
        "not_started": ("application", "web", "monitoring"),
    }


def test_in_a_recovery_the_next_step_is_to_clear_and_not_to_start_again():
    evidence = a_drill_with_a_failed_database()
    evidence = evidence.model_copy(update={"run": some_facts(mode="recovery")})

    assert measure(evidence).failures[0].next_step == (
        "choose an instance type or subnet that has capacity in the server's launch settings, "
        "then clear the wave's tasks in Airflow to launch what is not there"
    )


def test_what_was_not_started_is_listed_with_the_reason():
    listed = measure(a_drill_with_a_failed_database()).not_started

    assert [(wave.wave, wave.servers, wave.because) for wave in listed] == [
        ("application", 30, "waits for database, which failed"),
        ("web", 50, "waits for application, which was not started either"),
        ("monitoring", 10, "waits for database, which failed"),
    ]


@pytest.mark.parametrize(
    ("wave", "because"),
    [
        pytest.param(an_unstarted_wave("web", 1, state="skipped"), "excluded when the run was triggered", id="chosen"),
        pytest.param(an_unstarted_wave("web", 1, state="skipped", state_reason="empty"), "empty", id="said"),
        pytest.param(an_unstarted_wave("web", 1, state_reason="no slot"), "no slot", id="what the tasks said"),
        pytest.param(an_unstarted_wave("web", 1), "the run ended before it", id="nobody said anything"),
        pytest.param(
            an_unstarted_wave("web", 1, depends_on=["database"], state_reason="something that it waits for failed"),
            "waits for database, which failed",
            id="the name of what failed says more",
        ),
    ],
)
def test_a_wave_that_was_not_started_says_why(wave, because):
    evidence = a_run([a_wave("database", 2, 9, failed=[1]), wave])

    assert [wave.because for wave in measure(evidence).not_started] == [because]


def test_critical_failures_stand_first_and_a_silent_one_says_so():
    failures = measure(a_drill_with_exceptions()).failures

    assert [(failure.hostname, failure.critical, failure.not_started) for failure in failures] == [
        ("web7", True, ()),
        ("web31", False, ()),
    ]
    assert failures[1].reason == "DRS gave no reason"


@pytest.mark.parametrize("status", ["unknown", "launching"])
@pytest.mark.parametrize(
    ("why", "reason"),
    [
        (None, "a job was started for it, and its result is not recorded"),
        (
            "the jobs did not end within 20m",
            "a job was started for it, and its result is not recorded: the jobs did not end within 20m",
        ),
    ],
)
def test_a_server_of_which_nobody_knows_what_became_is_a_failure(status, why, reason):
    wave = a_small_wave("only", [a_server("db1", status=status)], state="failed", state_reason=why)

    report = measure(a_run([wave]))

    assert report.failures[0].reason == reason
    assert (report.counts.launched, report.counts.failed) == (0, 1)


def test_the_story_is_told_in_order_and_names_who_asked():
    story = measure(a_drill_with_a_failed_database()).timeline

    assert [entry.at for entry in story] == sorted(entry.at for entry in story)
    assert [entry.what for entry in story] == [
        "drill of web-shop requested by maria: Quarterly drill",
        "run started",
        "preflight passed, 1 finding",
        "job drsjob-data0000000000001 started, 10 servers",
        "dat3: LAUNCH_FAILED",
        "job drsjob-data0000000000001 ended, 9 of 10 servers launched",
        "report written: failed",
    ]


def test_a_run_of_a_thousand_servers_is_counted_whole():
    counts = measure(a_passed_drill(10)).counts

    assert counts.model_dump() == {
        "waves": 4,
        "servers": 1000,
        "launched": 1000,
        "failed": 0,
        "not_started": 0,
        "excluded": 0,
        "ready": 0,
    }


def test_a_wave_of_the_kit_ends_with_its_last_server():
    wave = a_wave("database", 2, 9.4)
    last = max(event.at for server in wave.servers for event in server.events)

    assert at(end_of(wave) - 2) == last
    assert a_launched_server("database", 1, 9.4, "j").events == wave.servers[0].events


def test_what_people_ordered_stands_in_the_timeline_with_who_when_and_why():
    orders = (
        GivenOrder(kind="skip", at=at(60), by="ada", wave="web", message="wave web skipped by ada: not tonight"),
        GivenOrder(kind="cancel", at=at(90), by="bob", message="cancelled by bob"),
    )
    kept = KeptDrill(
        began_at=at(700),
        until=at(9000),
        extended=1,
        extensions=(KeptExtension(at=at(800), until=at(9000), by="ann"),),
        by="ann",
    )
    answered = WaitEvidence(
        kind="pause",
        task="web.pause",
        wave="web",
        began_at=at(100),
        ended_at=at(120),
        by="cyd",
        comment="looks fine",
        outcome="continued",
    )
    facts = some_facts(queued_at=at(-4), triggered_by="ann", reason="audit", params={"exclude_servers": ["db2", "db3"]})
    evidence = a_passed_drill().model_copy(
        update={
            "run": facts,
            "orders": orders,
            "waits": (answered,),
            "cancelled": "cancelled by bob",
            "drill": DrillFacts(kept=kept),
        }
    )

    report = measure(evidence)

    assert report.orders == orders
    assert (report.verdict, report.verdict_reason) == (
        "cancelled",
        "Cancelled by bob; everything had been launched by then.",
    )
    told = {(entry.at, entry.what, entry.wave) for entry in report.timeline}
    assert {
        (at(-4), f"drill of {facts.plan} requested by ann, without db2 and db3: audit", None),
        (at(60), "wave web skipped by ada: not tonight", "web"),
        (at(90), "cancelled by bob", None),
        (at(120), "pause continued by cyd: looks fine", "web"),
        (at(800), f"kept drill extended by ann until {instant_words(at(9000))}", None),
    } <= told
