"""Whether a source server may be launched, in a drill or in a recovery."""

from datetime import UTC, datetime, timedelta

import botocore.session
import pytest
from drs_provider.rules.launch.live_instances import InstanceOrigin, Replacing
from drs_provider.rules.launch.readiness import assess, refusals
from drs_provider.rules.launch.recovery_points import must_be_asked
from drs_provider.rules.launch.tags import Mark
from drs_provider.rules.purpose import purpose_of
from drs_provider.rules.servers import hostname_of, is_protected, lag_of

DRS = botocore.session.get_session().get_service_model("drs")
STATES = DRS.shape_for("DataReplicationState").enum
INSTANCE_STATES = DRS.shape_for("EC2InstanceState").enum
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SERVER = "s-0123456789abcdef0"
NAME = f"db1 ({SERVER})"


def a_server(state="CONTINUOUS", lag="PT2S", **more):
    return {
        "sourceServerID": SERVER,
        "sourceProperties": {"identificationHints": {"hostname": "db1"}},
        "dataReplicationInfo": {"dataReplicationState": state, "lagDuration": lag, **more.pop("replication", {})},
        **more,
    }


def an_instance(state="RUNNING", **more):
    return {"recoveryInstanceID": "i-1", "ec2InstanceState": state, "sourceServerID": SERVER, **more}


def found(server, mode="drill", **more):
    arguments = {
        "asked_id": SERVER,
        "newest_snapshot": {"snapshotID": "pit-1"},
        "busy_job": None,
        "live_instances": (),
        "max_lag": timedelta(minutes=15),
        "now": NOW,
        **more,
    }
    return assess(server, purpose=purpose_of(mode), **arguments)


@pytest.mark.parametrize("mode", ["drill", "recovery"])
def test_a_healthy_server_has_no_finding(mode):
    assert found(a_server(), mode) == ()


RECOVERED = Mark("run-7", "recovery", None, "drs.shop", "manual__7")
OWN_DRILL = Mark("run-6", "drill", NOW - timedelta(hours=1), "drs.shop", "manual__6")
REPLACE = Replacing(replace_live_instances=True)


def knowing(mark, *, minutes, **more):
    """What is known of the instance: when its job was created, and by which run."""
    origin = InstanceOrigin("drsjob-1", NOW - timedelta(minutes=minutes), mark)
    return Replacing(origins={"i-1": origin}, own_plan="drs.shop", **more)


CASES = [
    pytest.param(
        (None, {}),
        [
            (
                f"refusal: {SERVER}: DRS knows no such source server in this account and Region; check the id, the "
                "connection's account and the Region of its protection group"
            )
        ],
        None,
        id="unknown",
    ),
    pytest.param(
        (a_server("INITIAL_SYNC"), {}),
        [
            (
                f"refusal: {NAME}: INITIAL_SYNC: the first full copy is not done; a drill needs CONTINUOUS: look at "
                "the server's replication in the DRS console"
            )
        ],
        [
            (
                f"warning: {NAME}: INITIAL_SYNC: the first full copy is not done; the launch uses the newest point in "
                "time there is"
            )
        ],
        id="initial sync",
    ),
    pytest.param(
        (
            a_server(
                "STALLED",
                replication={"dataReplicationError": {"error": "AGENT_NOT_SEEN"}},
                lifeCycle={"lastSeenByServiceDateTime": "2026-01-01T11:00:00+00:00"},
            ),
            {},
        ),
        [
            (
                f"refusal: {NAME}: STALLED: replication is stalled (AGENT_NOT_SEEN: DRS has no contact with its "
                "agent), last seen 1h ago; a drill needs CONTINUOUS: look at the server's replication in the DRS "
                "console"
            )
        ],
        [
            (
                f"warning: {NAME}: STALLED: replication is stalled (AGENT_NOT_SEEN: DRS has no contact with its "
                "agent), last seen 1h ago; the launch uses the newest point in time there is"
            )
        ],
        id="the source is on fire",
    ),
    pytest.param(
        (a_server(lag="P2DT1H32M12.136909S"), {}),
        [
            (
                f"refusal: {NAME}: replication lags 2d 01h behind, 15m are allowed; wait until it has caught up, "
                "or raise max_lag"
            )
        ],
        [f"warning: {NAME}: replication lags 2d 01h behind, 15m are allowed; expect to lose that much data"],
        id="lag",
    ),
    pytest.param(
        (a_server(), {"newest_snapshot": None}),
        [
            (
                f"refusal: {NAME}: there is no recovery point; DRS refuses the whole job for it: leave the server "
                "out, or wait for its first recovery point"
            )
        ],
        None,
        id="no recovery point",
    ),
    pytest.param(
        (a_server(stagingArea={"status": "EXTENSION_ERROR", "stagingAccountID": "1", "errorMessage": "no trust"}), {}),
        [f"refusal: {NAME}: its extension from 1 is broken: no trust; repair the extension"],
        [f"warning: {NAME}: its extension from 1 is broken: no trust; repair the extension"],
        id="extension",
    ),
    pytest.param(
        (
            a_server(
                replication={
                    "replicatedDisks": [
                        {"deviceName": "/dev/sda", "volumeStatus": "MISSING_VOLUME_ATTRIBUTES"},
                        {"deviceName": "/dev/sdb", "volumeStatus": "REGULAR"},
                    ]
                }
            ),
            {},
        ),
        [
            (
                f"refusal: {NAME}: volume attributes are missing: /dev/sda is MISSING_VOLUME_ATTRIBUTES; DRS may "
                "refuse the launch: see the volume's status in the DRS console"
            )
        ],
        [
            (
                f"warning: {NAME}: volume attributes are missing: /dev/sda is MISSING_VOLUME_ATTRIBUTES; DRS may "
                "refuse the launch: see the volume's status in the DRS console"
            )
        ],
        id="volumes",
    ),
    pytest.param(
        (a_server(), {"busy_job": "drsjob-1"}),
        [f"refusal: {NAME}: it is in the running job drsjob-1; start again when that job has ended"],
        [f"warning: {NAME}: it is in the running job drsjob-1; the launch waits until that job has ended"],
        id="busy",
    ),
    pytest.param(
        (a_server(), {"live_instances": (an_instance(isDrill=False),)}),
        [
            (
                f"refusal: {NAME}: it has a live recovered instance i-1 (RUNNING), and a launch would terminate it; "
                "leave the server out: a drill never replaces it"
            )
        ],
        [
            (
                f"refusal: {NAME}: it has a live recovered instance i-1 (RUNNING), and a launch would terminate it; "
                "leave the server out, or set replace_live_instances=True to terminate it"
            )
        ],
        id="live recovered instance",
    ),
    pytest.param(
        (a_server(), {"live_instances": (an_instance(isDrill=False),), "replacing": knowing(None, minutes=90)}),
        [
            (
                f"refusal: {NAME}: it has a live recovered instance i-1 (RUNNING), and a launch would terminate it; "
                "leave the server out: a drill never replaces it"
            )
        ],
        [
            (
                f"refusal: {NAME}: it has just been recovered: i-1 (RUNNING) was launched 1h 30m ago by job "
                "drsjob-1, and a launch would terminate it; see job drsjob-1, and leave the server out: production is "
                "up on that instance"
            )
        ],
        id="just recovered, by somebody",
    ),
    pytest.param(
        (a_server(), {"live_instances": (an_instance(isDrill=False),), "replacing": knowing(RECOVERED, minutes=1)}),
        [
            (
                f"refusal: {NAME}: it has a live recovered instance i-1 (RUNNING), and a launch would terminate it; "
                "leave the server out: a drill never replaces it"
            )
        ],
        [
            (
                f"refusal: {NAME}: it has just been recovered: i-1 (RUNNING) was launched 1m ago by job drsjob-1, "
                "and a launch would terminate it; see run manual__7 of drs.shop, and leave the server out: production "
                "is up on that instance"
            )
        ],
        id="just recovered, by a run",
    ),
    pytest.param(
        (a_server(), {"live_instances": (an_instance(isDrill=False),), "replacing": REPLACE}),
        [
            (
                f"refusal: {NAME}: it has a live recovered instance i-1 (RUNNING), and a launch would terminate it; "
                "leave the server out: a drill never replaces it"
            )
        ],
        [
            (
                f"warning: {NAME}: it has a live recovered instance i-1 (RUNNING), and a launch would terminate it; "
                "replace_live_instances is set, so the launch terminates it"
            )
        ],
        id="live recovered instance, to be replaced",
    ),
    pytest.param(
        (a_server(), {"live_instances": (an_instance(isDrill=True),), "replacing": knowing(OWN_DRILL, minutes=5)}),
        [f"warning: {NAME}: its last drill's instance i-1 (RUNNING) still runs; DRS replaces it at the launch"],
        None,
        id="an old drill's instance",
    ),
    pytest.param(
        (a_server(), {"live_instances": (an_instance(isDrill=True),), "replacing": knowing(None, minutes=120)}),
        [
            (
                f"refusal: {NAME}: it has a drill instance that this plan did not launch, and a launch would terminate "
                "it: i-1 (RUNNING), launched 2h ago by job drsjob-1; ask whose it is and wait until it is gone, leave "
                "the server out, or set replace_drills to terminate it"
            )
        ],
        [
            (
                f"warning: {NAME}: it has a drill instance that this plan did not launch, and a launch would terminate "
                "it: i-1 (RUNNING), launched 2h ago by job drsjob-1; the recovery terminates it"
            )
        ],
        id="somebody else's drill instance",
    ),
    pytest.param(
        (a_server(), {"live_instances": (an_instance(isDrill=True, jobID="drsjob-2"),)}),
        [
            (
                f"refusal: {NAME}: it has a drill instance that this plan did not launch, and a launch would terminate "
                "it: i-1 (RUNNING), launched by job drsjob-2; ask whose it is and wait until it is gone, leave the "
                "server out, or set replace_drills to terminate it"
            )
        ],
        [
            (
                f"warning: {NAME}: it has a drill instance that this plan did not launch, and a launch would terminate "
                "it: i-1 (RUNNING), launched by job drsjob-2; the recovery terminates it"
            )
        ],
        id="a drill instance of which nothing is known",
    ),
    pytest.param(
        (
            a_server(),
            {
                "live_instances": (an_instance(isDrill=True),),
                "replacing": knowing(None, minutes=120, replace_drills=True),
            },
        ),
        [
            (
                f"warning: {NAME}: it has a drill instance that this plan did not launch, and a launch would terminate "
                "it: i-1 (RUNNING), launched 2h ago by job drsjob-1; replace_drills is set, so the launch terminates "
                "it"
            )
        ],
        [
            (
                f"warning: {NAME}: it has a drill instance that this plan did not launch, and a launch would terminate "
                "it: i-1 (RUNNING), launched 2h ago by job drsjob-1; the recovery terminates it"
            )
        ],
        id="somebody else's drill instance, to be replaced",
    ),
]


@pytest.mark.parametrize("mode", ["drill", "recovery"])
@pytest.mark.parametrize(("case", "in_a_drill", "in_a_recovery"), CASES)
def test_every_reason_is_said_word_for_word(mode, case, in_a_drill, in_a_recovery):
    server, more = case
    expected = in_a_drill if mode == "drill" else in_a_recovery or in_a_drill

    assert [f"{finding.severity}: {finding}" for finding in found(server, mode, **more)] == expected


def test_everything_is_said_at_once():
    server = a_server("BACKLOG", "PT1H", stagingArea={"status": "EXTENSION_ERROR"})
    findings = found(server, newest_snapshot=None, busy_job="drsjob-1", live_instances=(an_instance(isDrill=False),))

    assert [finding.rule for finding in refusals(findings)] == [
        "state",
        "lag",
        "recovery_point",
        "staging",
        "busy",
        "live_instance",
    ]


@pytest.mark.parametrize("state", [*STATES, "SOMETHING_NEW"])
def test_a_drill_needs_continuous_and_a_recovery_is_never_refused_for_a_broken_source(state):
    assert bool(refusals(found(a_server(state), "drill"))) == (state != "CONTINUOUS")
    assert refusals(found(a_server(state), "recovery")) == ()


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_the_model_has_words(state):
    assert "not known to this version" not in str(found(a_server(state), "drill"))


@pytest.mark.parametrize("is_drill", [True, False, None, "true"])
@pytest.mark.parametrize("state", [*INSTANCE_STATES, "SOMETHING_NEW"])
def test_an_instance_is_protected_unless_it_is_gone_or_surely_a_drills(state, is_drill):
    expected = state not in ("TERMINATED", "NOT_FOUND") and is_drill is not True

    assert is_protected(an_instance(state, isDrill=is_drill)) is expected


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ({"sourceProperties": {"identificationHints": {"hostname": "db1", "fqdn": "db1.x"}}}, "db1"),
        ({"tags": {"Name": "database"}, "sourceProperties": {"identificationHints": {"fqdn": "db1.x"}}}, "database"),
        ({"sourceProperties": {"identificationHints": {"fqdn": "db1.x"}}}, "db1.x"),
        ({}, SERVER),
        (None, SERVER),
    ],
)
def test_a_server_is_called_what_people_call_it(server, name):
    assert hostname_of(server, SERVER) == name


@pytest.mark.parametrize(("text", "expected"), [("PT1M", timedelta(minutes=1)), (None, None), ("soon", None)])
def test_lag_that_cannot_be_read_is_unknown(text, expected):
    assert lag_of({"dataReplicationInfo": {"lagDuration": text}}) == expected


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"busy_job": "drsjob-9"},
            "it is in the running job drsjob-9; a drill of it is refused until that job has ended",
        ),
        (
            {"live_instances": [an_instance(isDrill=False)]},
            (
                "it has a live recovered instance i-1 (RUNNING), and a launch would terminate it; a drill of it is "
                "refused while production is up on that instance"
            ),
        ),
        (
            {"live_instances": [an_instance(isDrill=True)]},
            (
                "it has a drill instance that this plan did not launch, and a launch would terminate it: i-1 "
                "(RUNNING), launched by a job that DRS does not name; ask whose it is: a drill is refused over it, "
                "unless replace_drills is set"
            ),
        ),
    ],
    ids=["a job", "production", "a drill of others"],
)
def test_what_others_hold_refuses_a_drill_and_warns_in_a_check(more, said):
    (refusal,), (warning,) = found(a_server(), "drill", **more), found(a_server(), "check", **more)

    assert (refusal.severity, warning.severity) == ("refusal", "warning")
    assert f"{warning.what}; {warning.next_step}" == said


def test_a_broken_source_refuses_a_check_like_a_drill():
    broken = a_server("STALLED", lag="PT2H")

    assert [finding.severity for finding in found(broken, "check")] == ["refusal", "refusal"]
    assert found(broken, "check") == found(broken, "drill")


@pytest.mark.parametrize("as_of", [None, NOW])
@pytest.mark.parametrize("error", [None, "SNAPSHOTS_FAILURE"])
@pytest.mark.parametrize("state", [*STATES, "ONE_OF_TOMORROW", None])
def test_points_are_asked_for_unless_replication_is_well_and_the_most_recent_data_is_wanted(state, error, as_of):
    replication = {"dataReplicationError": {"error": error}} if error else {}
    server = a_server(state, replication=replication)

    assert must_be_asked(server, as_of=as_of) is not (state == "CONTINUOUS" and error is None and as_of is None)


def test_a_server_that_nobody_knows_is_no_reason_to_take_the_most_recent_data():
    assert must_be_asked(None, as_of=None)


@pytest.mark.parametrize("mode", ["drill", "recovery"])
def test_a_server_whose_points_nobody_asked_for_has_nothing_against_it(mode):
    assert found(a_server(), mode, newest_snapshot=None, takes_latest=True) == ()
    assert found(a_server(), mode, newest_snapshot=None) != ()
