"""Which of two runs of one way back gives way: never both get through, and never is neither refused without need."""

import pytest
from drs_provider.rules.failback.other_runs import OtherWayBack, refusals_beside, refusals_later
from drs_provider.rules.purpose import FAILBACK, FAILBACK_DRILL, PURPOSES_BACK, REPROTECT
from hypothesis import given
from hypothesis import strategies as st

CANCEL = "drs run cancel shop.failback 'r 1'"
BESIDE_FAILBACK = (
    "failback r 1 goes on, with {} of this run: two at once would ask, stop and start everything twice. Wait for its "
    f"end; or cancel it ({CANCEL}) and start again, which goes on with what it has launched"
)
BESIDE_DRILL = (
    "failback drill r 1 goes on, with wave db of this run: what it launches would be in the way once the writes are "
    f"stopped. Wait for its end, or end it ({CANCEL}), then start again"
)
DRILL_BESIDE = (
    "failback r 1 goes on, with wave db of this run: a drill would take the servers that it is about to launch. Wait "
    "for its end, then start again"
)


def other(purpose, waves=("db",), **more):
    return OtherWayBack("r 1", purpose, waves, **more)


@pytest.mark.parametrize(
    ("purpose", "waves", "beside", "words"),
    [
        (FAILBACK, ("db", "web"), other(FAILBACK), [BESIDE_FAILBACK.format("wave db")]),
        (FAILBACK, ("db", "web"), other(FAILBACK, ("web", "db", "x")), [BESIDE_FAILBACK.format("waves db and web")]),
        (FAILBACK, (), other(FAILBACK), [BESIDE_FAILBACK.format("all waves")]),
        (FAILBACK, ("db",), other(FAILBACK, ()), [BESIDE_FAILBACK.format("wave db")]),
        (FAILBACK, ("web",), other(FAILBACK), []),
        (FAILBACK, ("db",), other(FAILBACK_DRILL), [BESIDE_DRILL]),
        (FAILBACK, ("web",), other(FAILBACK_DRILL), []),
        (FAILBACK_DRILL, ("db",), other(FAILBACK), [DRILL_BESIDE]),
        (FAILBACK_DRILL, ("db",), other(FAILBACK_DRILL), []),
        (FAILBACK, ("db",), other(REPROTECT), []),
        (REPROTECT, ("db",), other(FAILBACK), []),
        (FAILBACK, ("db",), other(FAILBACK, has_passed=False), [BESIDE_FAILBACK.format("wave db")]),
        (FAILBACK, ("db",), other(FAILBACK, has_passed=False, is_earlier=False), []),
        (FAILBACK, ("db",), other(FAILBACK, is_earlier=False), [BESIDE_FAILBACK.format("wave db")]),
    ],
)
def test_a_failback_begins_beside_nothing_that_launches_its_waves(purpose, waves, beside, words):
    assert list(refusals_beside("shop", purpose, waves, [beside])) == words


@pytest.mark.parametrize(
    ("purpose", "beside", "gives_way"),
    [
        (FAILBACK, other(FAILBACK), True),
        (FAILBACK, other(FAILBACK, is_earlier=False), False),
        (FAILBACK, other(FAILBACK, has_passed=False), False),
        (FAILBACK, other(FAILBACK_DRILL), False),
        (FAILBACK_DRILL, other(FAILBACK, is_earlier=False), True),
        (FAILBACK_DRILL, other(FAILBACK_DRILL), False),
        (FAILBACK, other(FAILBACK, ("web",)), False),
    ],
)
def test_once_both_have_begun_exactly_one_gives_way(purpose, beside, gives_way):
    assert bool(list(refusals_later("shop", purpose, ("db",), [beside]))) is gives_way


@given(
    st.permutations(["A looks", "A ends", "B looks", "B ends"]).filter(
        lambda order: order.index("A looks") < order.index("A ends") and order.index("B looks") < order.index("B ends")
    ),
    st.tuples(st.sampled_from(PURPOSES_BACK), st.sampled_from(PURPOSES_BACK)),
)
def test_of_two_preflights_one_gets_through_whichever_looks_first(order, purposes):
    purpose, refused, ended = dict(zip("AB", purposes, strict=True)), set(), set()
    for event in order:
        run, what = event.split()
        beside = "B" if run == "A" else "A"
        if what == "ends":
            ended.add(run)
        elif beside not in refused & ended:
            seen = OtherWayBack(beside, purpose[beside], has_passed=beside in ended, is_earlier=beside == "A")
            if list(refusals_beside("shop", purpose[run], (), [seen])):
                refused.add(run)
    clash = all(each.launches for each in purposes) and any(each.cuts_over for each in purposes)
    assert len(refused) == clash


@given(st.tuples(st.sampled_from(PURPOSES_BACK), st.sampled_from(PURPOSES_BACK)))
def test_of_two_that_got_through_one_goes_on(purposes):
    first, second = purposes
    gave_way = [
        list(refusals_later("shop", first, (), [OtherWayBack("b", second, is_earlier=False)])),
        list(refusals_later("shop", second, (), [OtherWayBack("a", first, is_earlier=True)])),
    ]
    clash = all(each.launches for each in purposes) and any(each.cuts_over for each in purposes)
    assert sum(map(bool, gave_way)) == clash
