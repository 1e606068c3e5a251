"""The inventory asks once, in the background, and keeps what it knows of accounts that do not answer."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import AccessDenied
from drs_provider.rules.run.roster import Place, Target
from drs_provider.services.inventory.cache import Inventory
from kit.console import FakeAccount, server

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
WEST, EAST = Target("prod", "us-west-2"), Target("prod", "us-east-1")


class Clock:
    def __init__(self):
        self.at = NOW

    def __call__(self):
        return self.at

    def forward(self, **passed):
        self.at += timedelta(**passed)


@pytest.fixture
def clock():
    return Clock()


def settled(inventory, *targets):
    """Look until nobody is asked any more."""
    for thread in threading.enumerate():
        if thread.name == "drs-inventory":
            thread.join(10)
    return inventory.look(targets)


def test_what_is_fresh_is_not_asked_again_and_what_is_old_is_asked_behind_the_answer(clock):
    account = FakeAccount(servers=[server(1, "db1")])
    inventory = Inventory(lambda _: account, clock)

    (first,) = inventory.look([WEST])
    clock.forward(seconds=29)
    inventory.look([WEST])
    assert account.calls.count("servers") == 1

    account.servers.append(server(2, "db2"))
    clock.forward(seconds=2)
    (shown,) = inventory.look([WEST])
    assert (len(first.servers), len(shown.servers), shown.asked_at) == (1, 1, NOW)

    (later,) = settled(inventory, WEST)
    assert ([found.hostname for found in later.servers], later.asked_at) == (["db1", "db2"], clock.at)
    assert account.calls == ["account", "servers", "servers"]


def test_an_account_that_stops_answering_keeps_what_is_known_with_the_reason_and_the_others_go_on(clock):
    west, east = FakeAccount(servers=[server(1, "a")]), FakeAccount(region="us-east-1", servers=[server(2, "b")])
    inventory = Inventory({WEST: west, EAST: east}.__getitem__, clock)
    inventory.look([WEST, EAST])
    west.error = AccessDenied("DescribeSourceServers", "AccessDeniedException", "no")
    clock.forward(minutes=1)

    inventory.look([WEST, EAST])
    states = {state.targets[0]: state for state in settled(inventory, WEST, EAST)}

    assert [found.hostname for found in states[WEST].servers] == ["a"]
    assert (states[WEST].asked_at, states[EAST].asked_at) == (NOW, clock.at)
    assert states[WEST].problem.startswith("DescribeSourceServers: AccessDeniedException: no")
    assert states[EAST].problem == ""

    west.error = None
    clock.forward(minutes=1)
    inventory.look([WEST, EAST])
    assert [state.problem for state in settled(inventory, WEST, EAST)] == ["", ""]


def test_a_connection_that_leads_nowhere_is_said_and_looked_up_again(clock):
    found = {}

    def hook_of(target):
        if target not in found:
            raise LookupError("no such connection")
        return found[target]

    inventory = Inventory(hook_of, clock)
    (state,) = inventory.look([WEST])
    assert (state.place, state.servers, state.problem) == (None, (), "LookupError: no such connection")

    found[WEST] = FakeAccount(servers=[server(1, "a")])
    clock.forward(minutes=1)
    (state,) = inventory.look([WEST])
    (state,) = settled(inventory, WEST)
    assert (state.place, state.problem) == (Place("111122223333", "us-west-2"), "")


def test_two_ways_to_name_one_account_are_asked_once_and_shown_once(clock):
    account = FakeAccount(servers=[server(1, "a")])
    inventory = Inventory(lambda _: account, clock)

    inventory.look([WEST, Target("also-prod", "")])
    (state,) = settled(inventory, WEST, Target("also-prod", ""))

    assert sorted(target.aws_conn_id for target in state.targets) == ["also-prod", "prod"]
    assert account.calls.count("servers") == 1


def test_nobody_waits_for_an_account_that_hangs_and_no_second_thread_asks_it(clock):
    goes_on = threading.Event()

    class Hanging(FakeAccount):
        def every_source_server(self):
            self.calls.append("servers")
            goes_on.wait(10)
            return ()

    account = Hanging()
    inventory = Inventory(lambda _: account, clock)
    for _ in range(3):
        (state,) = inventory.look([WEST], wait=0.05)
        clock.forward(minutes=1)
    goes_on.set()

    assert state.problem == "no answer for 2m; it is still being asked"
    assert account.calls.count("servers") == 1


class Slow(FakeAccount):
    """Answers when ``goes_on`` is set."""

    def every_source_server(self):
        self.goes_on.wait(10)
        return super().every_source_server()


def a_slow_account(**facts):
    account = Slow(**facts)
    account.goes_on = threading.Event()
    return account


@pytest.mark.parametrize("first", ["refuses", "hangs"])
def test_only_the_first_try_of_an_account_is_waited_for(clock, first):
    account = a_slow_account(error=AccessDenied("DescribeSourceServers", "AccessDeniedException", "no"))
    inventory = Inventory(lambda _: account, clock)
    if first == "refuses":
        account.goes_on.set()
        inventory.look([WEST])
        account.goes_on.clear()
        clock.forward(minutes=1)
    else:
        inventory.look([WEST], wait=0.05)

    began = time.monotonic()
    inventory.look([WEST], wait=5)
    account.goes_on.set()

    assert time.monotonic() - began < 2


def test_somebody_who_looks_at_fewer_accounts_takes_nothing_from_who_waits(clock):
    west, east = a_slow_account(servers=[server(1, "a")]), a_slow_account(region="us-east-1", servers=[server(2, "b")])
    inventory = Inventory({WEST: west, EAST: east}.__getitem__, clock)
    seen = []
    waits = threading.Thread(target=lambda: seen.append(inventory.look([WEST, EAST], wait=5)))
    waits.start()
    while len(inventory._asked) < 2:
        time.sleep(0.01)

    inventory.look([WEST], wait=0)
    inventory.look([WEST], wait=0)
    west.goes_on.set()
    east.goes_on.set()
    waits.join(10)

    assert [[found.hostname for found in state.servers] for state in seen[0]] == [["a"], ["b"]]
    assert [state.targets for state in settled(inventory, WEST)] == [(WEST,)]


def test_what_is_forgotten_while_somebody_waits_is_no_fault(clock):
    inventory = Inventory(lambda _: FakeAccount(), clock)
    inventory.look([WEST])
    with inventory._changed:
        inventory._asked.clear()

        assert inventory._is_unheard(WEST) is False
        assert [state.problem for state in inventory._states([WEST])] == ["has not answered yet"]


def test_accounts_that_nobody_names_any_more_are_forgotten(clock):
    inventory = Inventory(lambda target: FakeAccount(region=target.region, servers=[server(1, "a")]), clock)
    inventory.look([WEST, EAST])

    assert [state.targets for state in settled(inventory, EAST)] == [(EAST,)]
    assert set(inventory._kept) == {Place("111122223333", "us-east-1")}


def test_the_connection_is_looked_up_again_after_a_while(clock):
    account = FakeAccount()
    inventory = Inventory(lambda _: account, clock)
    inventory.look([WEST])
    account.account = "999922223333"
    clock.forward(minutes=11)
    inventory.look([WEST])

    (state,) = settled(inventory, WEST)
    assert state.place == Place("999922223333", "us-west-2")
