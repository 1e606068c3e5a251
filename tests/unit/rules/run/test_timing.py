"""The order of waves and the chain that decides how long a run takes."""

from datetime import timedelta
from graphlib import CycleError
from itertools import pairwise

import pytest
from drs_provider.rules.run.timing import critical_path, finish_times, levels
from hypothesis import given
from hypothesis import strategies as st

DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


def minutes(**amounts):
    return {name: timedelta(minutes=amount) for name, amount in amounts.items()}


@pytest.mark.parametrize(
    ("dependencies", "durations", "path"),
    [
        pytest.param({}, {}, (), id="nothing"),
        pytest.param({"a": ()}, minutes(a=1), ("a",), id="one wave"),
        pytest.param(DIAMOND, minutes(a=1, b=2, c=3, d=1), ("a", "c", "d"), id="the longer side"),
        pytest.param(DIAMOND, minutes(a=1, b=2, c=2, d=1), ("a", "b", "d"), id="of equal sides the first"),
        pytest.param({"a": (), "b": ()}, minutes(a=1, b=5), ("b",), id="side by side"),
        pytest.param({"a": (), "b": ("a",), "c": ()}, minutes(a=1, b=1, c=3), ("c",), id="one long wave"),
        pytest.param({"b": ("a",), "a": ()}, minutes(a=1, b=1), ("a", "b"), id="written upside down"),
    ],
)
def test_the_critical_path_is_the_longest_chain(dependencies, durations, path):
    assert critical_path(dependencies, durations) == path


def test_a_wave_stands_one_row_below_the_lowest_it_waits_for():
    assert levels({**DIAMOND, "e": ("a", "d"), "f": ()}) == (("a", "f"), ("b", "c"), ("d",), ("e",))
    assert levels({}) == ()


def test_a_circle_is_no_order():
    with pytest.raises(CycleError):
        levels({"a": ("b",), "b": ("a",)})


@st.composite
def graphs(draw):
    names = [f"w{number}" for number in range(draw(st.integers(1, 8)))]
    above = [
        draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else [] for place in range(len(names))
    ]
    lasting = draw(st.lists(st.integers(0, 50), min_size=len(names), max_size=len(names)))
    return dict(zip(names, above, strict=True)), minutes(**dict(zip(names, lasting, strict=True)))


@given(graphs())
def test_the_critical_path_is_a_chain_that_ends_with_the_last_wave(graph):
    dependencies, durations = graph
    path = critical_path(dependencies, durations)

    assert all(before in dependencies[after] for before, after in pairwise(path))
    assert not dependencies[path[0]]
    assert sum((durations[name] for name in path), timedelta(0)) == max(finish_times(dependencies, durations).values())
