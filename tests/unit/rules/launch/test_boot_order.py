"""In which order the servers of a wave are launched."""

import itertools

import pytest
from drs_provider.rules.launch.next_launch import stages
from drs_provider.rules.run.handover import PreflightServer
from hypothesis import given
from hypothesis import strategies as st


def server(name, group="db", order=1):
    return PreflightServer(server_id=name, hostname=name, group=group, order=order)


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        pytest.param([], (), id="none"),
        pytest.param([server("a"), server("b")], (("a", "b"),), id="equal together"),
        pytest.param([server("a", order=2), server("b")], (("b",), ("a",)), id="lower first"),
        pytest.param([server("a", order=70), server("b", order=5)], (("b",), ("a",)), id="gaps do not count"),
        pytest.param(
            [server("a", order=9), server("b", "web", 1), server("c", "web", 2)],
            (("a", "b"), ("c",)),
            id="each group begins with its lowest",
        ),
    ],
)
def test_servers_are_launched_in_the_boot_order_of_their_groups(servers, expected):
    assert stages(servers) == expected


@given(
    st.lists(st.tuples(st.sampled_from("gh"), st.integers(1, 5)), max_size=20).map(
        lambda drawn: [server(f"s-{n}", group, order) for n, (group, order) in enumerate(drawn)]
    )
)
def test_every_server_is_in_one_stage_and_after_the_lower_ones_of_its_group(servers):
    staged = stages(servers)

    place = {name: number for number, stage in enumerate(staged) for name in stage}
    assert sorted(name for stage in staged for name in stage) == sorted(server.server_id for server in servers)
    assert all(staged)
    for first, other in itertools.combinations(servers, 2):
        if first.group == other.group:
            here, there = place[first.server_id], place[other.server_id]
            assert ((first.order < other.order), (first.order > other.order)) == ((here < there), (here > there))
