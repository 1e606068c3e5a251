"""Squares of servers in Airflow's grid: never more than a run can end soon after."""

import pytest
from drs_provider.rules.run.handover import MappedServer, PreflightServer
from drs_provider.rules.run.squares import MOST_SQUARES, squares_of
from hypothesis import given
from hypothesis import strategies as st


def servers(count: int) -> list[PreflightServer]:
    return [
        PreflightServer(server_id=f"s-{n}", hostname=f"app{n}", group="g", critical=True) for n in range(1, count + 1)
    ]


@given(st.integers(0, 1500))
def test_every_server_has_one_square_and_a_big_wave_has_no_more_of_them(count):
    squares = squares_of(servers(count))

    assert len(squares) == min(count, MOST_SQUARES)
    assert [server for square in squares for server in square.hostnames] == [f"s-{n}" for n in range(1, count + 1)]
    sizes = [len(square.hostnames) for square in squares]
    assert not sizes or max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("count", "labels"),
    [
        (2, ["app1", "app2"]),
        (MOST_SQUARES, [f"app{n}" for n in range(1, MOST_SQUARES + 1)]),
    ],
)
def test_a_small_wave_shows_every_server_by_its_name(count, labels):
    assert [square.label for square in squares_of(servers(count))] == labels


def test_a_big_wave_names_the_first_and_the_last_server_of_a_square():
    squares = squares_of(servers(1000))

    assert squares[0].label == "app1 … app62 (62 servers)"
    assert squares[-1].label == "app938 … app1000 (63 servers)"
    assert [MappedServer.from_json(square.to_json()) for square in squares] == squares
