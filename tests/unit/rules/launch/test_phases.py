"""What DRS does with each server of a job, from the log of that job."""

import itertools

import pytest
from botocore.session import get_session
from drs_provider.rules.launch.phases import ABOUT_NETWORKS, WORDS, newest_events, phase_words, phases_in_words

DB1, DB2 = "s-00000000000000001", "s-00000000000000002"
EVENTS = get_session().get_service_model("drs").shape_for("JobLogEvent").enum


def line(second, event, server=None):
    data = {"sourceServerID": server} if server else {}
    return {"logDateTime": f"2026-11-29T21:00:{second:02d}+00:00", "event": event, "eventData": data}


@pytest.mark.parametrize("event", [*EVENTS, "LAUNCH_END"])
def test_every_event_of_the_api_says_something_of_a_server_or_is_about_a_network(event):
    found = newest_events([line(0, "JOB_START"), line(1, event, DB1)], [DB1])

    if event in ABOUT_NETWORKS:
        assert (found, phase_words(event)) == ({DB1: "JOB_START"}, None)
    else:
        assert found == {DB1: event}
        assert phase_words(event) == WORDS[event]


def test_the_tables_hold_no_event_that_nobody_has_seen():
    assert {*WORDS, *ABOUT_NETWORKS} - set(EVENTS) == {"LAUNCH_END"}


@pytest.mark.parametrize(
    ("log", "phases"),
    [
        pytest.param([], {}, id="nothing is logged yet"),
        pytest.param([line(0, "JOB_START")], {DB1: "job started", DB2: "job started"}, id="the whole job"),
        pytest.param(
            [line(0, "JOB_START"), line(1, "SNAPSHOT_START", DB1)],
            {DB1: "taking a snapshot", DB2: "job started"},
            id="one server is ahead",
        ),
        pytest.param(
            [line(1, "SNAPSHOT_START", DB1), line(2, "SNAPSHOT_END", DB1), line(2, "CONVERSION_START", DB1)],
            {DB1: "converting"},
            id="two events of a second count as DRS logs them",
        ),
        pytest.param(
            [line(1, "SNAPSHOT_FAIL", DB1), line(2, "USING_PREVIOUS_SNAPSHOT", DB1), line(2, "LAUNCH_START", DB2)],
            {DB1: "using an earlier snapshot", DB2: "launching"},
            id="a source that is gone",
        ),
        pytest.param(
            [line(8, "LAUNCH_END", DB1), line(8, "LAUNCH_FAILED", DB2), line(9, "JOB_END")],
            {DB1: "instance launched", DB2: "launch failed"},
            id="the end of the job is no news of a server whose launch has ended",
        ),
        pytest.param(
            [line(1, "SNAPSHOT_END", DB1), line(1, "LAUNCH_END", DB2), line(2, "JOB_END")],
            {DB1: "job ended", DB2: "instance launched"},
            id="but of one that was left in the middle",
        ),
        pytest.param(
            [line(1, "CONVERSION_START", DB1), line(2, "JOB_CANCEL")],
            {DB1: "job cancelled", DB2: "job cancelled"},
            id="cancelled",
        ),
        pytest.param(
            [line(1, "CONVERSION_START", DB1), line(2, "WARMING_UP", DB1), {**line(3, "X"), "eventData": None}],
            {DB1: "converting"},
            id="events that nobody knows say nothing",
        ),
        pytest.param(
            [line(5, "LAUNCH_START", "s-00000000000000009")], {"s-00000000000000009": "launching"}, id="another server"
        ),
    ],
)
def test_the_phase_of_a_server_is_its_newest_event_in_any_order_of_the_answer(log, phases):
    for items in itertools.permutations(log):
        found = newest_events(items, [DB1, DB2])

        assert {server: phase_words(event) for server, event in found.items()} == phases


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([], ""),
        (["LAUNCH_START"], "1 launching"),
        (["LAUNCH_START", "CONVERSION_START", "LAUNCH_START"], "1 converting, 2 launching"),
        (["NETWORK_RECOVERY_FAIL", "WARMING_UP"], ""),
    ],
)
def test_the_phases_of_a_wave_are_summed_up_in_the_order_of_a_launch(events, words):
    assert phases_in_words(events) == words
