"""What is looked at right before the writes are stopped: what waiting mends stops nobody, everything else does."""

from types import SimpleNamespace

import pytest
from drs_provider.rules.failback.state import state_of
from drs_provider.services.failback.cut_over import why_not_launched
from kit.circles import A2, B1, circle, failback_server, instance, job, server


def _unread(_aws):
    raise AssertionError("nobody is about to be launched, so nothing of a launch is looked at")


def look(**given):
    found = circle(**{"west": [server(state="STALLED")], "west_instances": [instance()], **given})
    read = SimpleNamespace(
        states={B1: state_of(found)}, circles={B1: found}, ensure_answered=lambda: None, unread={}, origin_of=_unread
    )
    return why_not_launched(SimpleNamespace(read=lambda _ids: read), {B1: ""}, _unread).get(B1, "")


COPYING = "it is copying, not ready: nothing can be launched there"
CONVERTING = "it is copying, not ready: its failback client cannot be converted"


def machine(failback, state):
    return {
        "west": [server(origin=None, state="STALLED")],
        "west_instances": [instance(state=state, failback=failback, origin="ON_PREMISES")],
    }


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"east": [failback_server("BACKLOG")]}, ""),
        ({"east": [failback_server("CREATING_SNAPSHOT")]}, ""),
        ({"east": [failback_server("INITIAL_SYNC")]}, COPYING),
        ({"east": [failback_server("RESCAN")]}, COPYING),
        (machine("FAILBACK_READY_FOR_LAUNCH", "BACKLOG"), ""),
        (machine("FAILBACK_READY_FOR_LAUNCH", "RESCAN"), CONVERTING),
        (machine("FAILBACK_IN_PROGRESS", "BACKLOG"), CONVERTING),
        (machine("FAILBACK_IN_PROGRESS", "CONTINUOUS"), CONVERTING),
        ({"east": [failback_server()], "east_jobs": [job()]}, ""),
        ({"east": [failback_server()], "east_instances": [instance(of=A2, name="i-0back0000000000")]}, ""),
        ({}, "it is recovered, not ready: nothing can be launched there"),
        ({"east": [failback_server("INITIATING")]}, "it is reversing, not ready: nothing can be launched there"),
        (
            {"east": [failback_server("DISCONNECTED")]},
            f"FAILBACK server {A2} is DISCONNECTED, its recovery points are deleted, and no instance was launched from",
        ),
    ],
    ids=[
        "lags",
        "is marked",
        "copied anew",
        "rescanned",
        "client lags",
        "client rescanned",
        "client new",
        "client copied",
        "launching",
        "launched",
        "not reversed",
        "reversed again",
        "disconnected",
    ],
)
def test_only_what_waiting_does_not_mend_keeps_the_writes_going(given, why):
    assert look(**given).split(" it: delete")[0] == why
