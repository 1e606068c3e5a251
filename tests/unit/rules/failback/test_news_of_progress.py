"""What a log says of servers that take days: only what is new."""

from datetime import UTC, datetime

from drs_provider.rules.failback.progress import what_is_new
from drs_provider.rules.run.handover import FailbackProgress, FailbackServer
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 22, 5, tzinfo=UTC)


def seen(**servers):
    return FailbackProgress(
        at=AT, servers=tuple(FailbackServer(server_id=name, hostname=name, **facts) for name, facts in servers.items())
    )


def new(now, before):
    return [server.server_id for server in what_is_new(now, before)]


def test_at_the_first_look_everything_is_new():
    assert new(seen(a={"stage": "copying"}, b={"stage": "ready"}), None) == ["a", "b"]


def test_a_whole_per_cent_is_new_and_a_part_of_one_is_not():
    before = seen(a={"stage": "copying", "share": 0.301}, b={"stage": "copying", "share": 0.3})

    assert new(seen(a={"stage": "copying", "share": 0.309}, b={"stage": "copying", "share": 0.31}), before) == ["b"]


def test_another_stage_reason_or_need_is_new():
    before = seen(**{name: {"stage": "copying"} for name in "abcd"})
    now = seen(
        a={"stage": "ready"},
        b={"stage": "copying", "why": "x"},
        c={"stage": "copying", "needs": "y"},
        d={"stage": "copying"},
    )

    assert new(now, before) == ["a", "b", "c"]


@given(st.dictionaries(st.sampled_from("abc"), st.sampled_from(["copying", "ready", "stuck"])))
def test_nothing_is_new_where_nothing_has_changed(stages):
    look = seen(**{name: {"stage": stage} for name, stage in stages.items()})

    assert new(look, look) == []
