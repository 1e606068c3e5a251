"""What a removal calls comes from the very look that people's list was held against."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import RunRefused
from drs_provider.rules.failback.state import state_of
from drs_provider.services.failback.read import CirclesRead
from drs_provider.services.failback.removal import Removal
from kit.circles import A2, A4, B1, B3, WEST, circle, failback_server, instance, server
from kit.way_back import Memory

AT = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)
OTHERS = "i-0000000000000000e"


class Reader:
    """Shows one look after the other, and keeps what is called."""

    def __init__(self, *shown):
        self.shown, self.sent, self.looks = list(shown), [], 0
        self.recovery = self

    def read(self, server_ids):
        recovered = self.shown[min(self.looks, len(self.shown) - 1)]
        self.looks += 1
        found = circle(
            west=(server(instance=A4),),
            west_instances=[instance(recovered, state="CONTINUOUS")],
            east=(failback_server(instance=recovered),),
            east_instances=(instance(A4, A2, "CONTINUOUS"),),
        )
        at = AT + timedelta(minutes=self.looks)
        return CirclesRead(WEST, {B1: found}, {B1: state_of(found)}, {B1: "db1"}, at)

    def hook_for(self, read, server_id, step):
        return self

    def stop_replication(self, target):
        self.sent.append((target, self.looks))


def test_what_is_called_comes_from_the_look_that_was_compared():
    reader, compared = Reader(B3, B3, OTHERS), []

    def ensure(read):
        compared.append((reader.looks, read.states[B1].recovered))

    removal = Removal(reader, Memory(), ensure=ensure, now=lambda: AT)
    removal.look([B1])
    assert reader.sent == []
    removal.look([B1])

    assert compared == [(1, B3), (2, B3)]
    assert reader.sent == [(A2, 2)]


def test_what_is_not_on_the_list_stops_the_whole_look():
    def refuses(read):
        raise RunRefused(f"{read.states[B1].recovered} is not on it")

    reader, memory = Reader(OTHERS), Memory()
    Removal(reader, memory, now=lambda: AT).look([B1])
    with pytest.raises(RunRefused, match=f"{OTHERS} is not on it"):
        Removal(reader, memory, ensure=refuses, now=lambda: AT).look([B1])
    assert reader.sent == []
