"""What preflight found, as people read it."""

from datetime import UTC, datetime

from drs_provider.rules.findings import Finding
from drs_provider.rules.launch.quotas import Quotas, quota_notes, rounds_of
from drs_provider.rules.launch.replication import difficulty, progress
from drs_provider.rules.preflight.table import grouped, refused_table, row_of, table
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def stalled(number, detail=""):
    what = "STALLED: replication is stalled" + (f", {detail}" if detail else "")
    kind = "STALLED: replication is stalled"
    return Finding("refusal", f"s-{number}", f"a{number}", what, "look at it", "state", kind, detail)


def a_row(wave, name, state="CONTINUOUS", *findings):
    server = {"dataReplicationInfo": {"dataReplicationState": state, "lagDuration": "PT2S"}}
    return row_of(wave, name, server, {"timestamp": "2026-01-01T11:55:00+00:00"}, findings)


def test_a_server_whose_points_nobody_asked_for_is_said_to_take_the_most_recent_data():
    server = {"dataReplicationInfo": {"dataReplicationState": "CONTINUOUS", "lagDuration": "PT2S"}}

    assert [
        table([row_of("web", "web1", server, None, (), takes_latest=takes_latest)], now=NOW)[1]
        for takes_latest in (True, False)
    ] == [
        "web   web1    CONTINUOUS  2 s  most recent data  -",
        "web   web1    CONTINUOUS  2 s  none          -",
    ]


def test_many_alike_findings_are_one_line_with_every_name():
    findings = [stalled(number, "last seen 1h ago" if number == 2 else "") for number in range(1, 41)]

    assert grouped(findings) == [
        "40 servers: STALLED: replication is stalled; look at it: a1, a2 (last seen 1h ago), "
        + ", ".join(f"a{number}" for number in range(3, 41))
    ]
    assert grouped([stalled(number) for number in range(1, 44)])[0].endswith(", a39, a40 and 3 more")


def test_few_findings_stand_by_themselves():
    assert grouped([stalled(1), stalled(2, "last seen 1h ago")]) == [
        "a1 (s-1): STALLED: replication is stalled; look at it",
        "a2 (s-2): STALLED: replication is stalled, last seen 1h ago; look at it",
    ]


@given(st.lists(st.integers(1, 60), max_size=40, unique=True))
def test_no_server_is_lost_by_grouping(numbers):
    said = " ".join(grouped([stalled(number) for number in numbers])).replace(",", " ").split()

    assert {f"a{number}" for number in numbers} <= set(said)


def test_the_table_has_a_row_for_every_server_the_refused_ones_first():
    busy = Finding("warning", "s-3", "web2", "it is in a job", "wait", "busy")
    rows = [a_row("db", "db1"), a_row("web", "web1"), a_row("web", "web2", "CONTINUOUS", busy),
            a_row("web", "web3", "STALLED", stalled(3), busy)]  # fmt: skip

    assert table(rows, now=NOW) == [
        "WAVE  SERVER  STATE       LAG  NEWEST POINT                   AGAINST IT",
        "db    db1     CONTINUOUS  2 s  2026-01-01 11:55:00Z (5m old)  -",
        (
            "web   web3    STALLED     2 s  2026-01-01 11:55:00Z (5m old)  refused: replication broken; "
            "warned: in a running job"
        ),
        "web   web2    CONTINUOUS  2 s  2026-01-01 11:55:00Z (5m old)  warned: in a running job",
        "web   web1    CONTINUOUS  2 s  2026-01-01 11:55:00Z (5m old)  -",
    ]
    assert [line.split()[1] for line in refused_table(rows, now=NOW)] == ["SERVER", "web3"]
    assert refused_table(rows[:1], now=NOW) == []


def test_a_server_that_drs_does_not_know_has_a_row_too():
    assert table([row_of("db", "s-9", None, None, [])], now=NOW)[1].split() == ["db", "s-9", "?", "?", "none", "-"]


def test_what_keeps_replication_back_is_said_in_words():
    replication = {
        "dataReplicationError": {"error": "NOT_CONVERGING"},
        "dataReplicationInitiation": {
            "steps": [{"name": "WAIT", "status": "SUCCEEDED"}, {"name": "BOOT_REPLICATION_SERVER", "status": "FAILED"}]
        },
        "replicatedDisks": [{"backloggedStorageBytes": 3 * 2**30}, {}],
        "etaDateTime": "2026-01-01T14:00:00+00:00",
    }

    assert difficulty(replication) == "NOT_CONVERGING: data changes faster than it is sent"
    assert difficulty({"dataReplicationError": {"error": "NEW_ONE", "rawError": "disk"}}) == "NEW_ONE (disk)"
    assert progress(replication, now=NOW) == (
        "step BOOT_REPLICATION_SERVER FAILED, 3.0 GiB to be sent, done in 2h by DRS's estimate"
    )
    assert (difficulty({}), progress({}, now=NOW)) == ("", "")


def test_quotas_are_held_against_what_runs_now():
    running = [{"status": "STARTED", "participatingServers": [{}] * 480}, {"status": "COMPLETED"}]

    assert quota_notes("here", {"db": 0, "app": 20, "web": 1000}, Quotas(), running) == (
        "quotas of here: 1 of 20 jobs run now, with 480 of 500 servers; 100 servers a job",
        "wave app in here: 20 servers in 1 job, 1 round",
        "wave web in here: 1000 servers in 10 jobs, 2 rounds",
    )


def test_a_wave_that_finds_no_room_at_all_waits_first():
    running = [{"status": "STARTED", "participatingServers": [{}] * 500}]

    assert quota_notes("here", {"app": 20}, Quotas(), running)[1] == (
        "wave app in here: 20 servers in 1 job, 1 round (it waits for room first)"
    )


@given(st.integers(0, 3000), st.integers(1, 30), st.integers(1, 200), st.integers(1, 600))
def test_the_rounds_hold_everybody(servers, jobs, per_job, in_jobs):
    quotas = Quotas(jobs, per_job, in_jobs)

    assert rounds_of(servers, quotas) * in_jobs >= servers
