"""The order of launches ahead, and the rounds that quotas make of it."""

from dataclasses import dataclass
from itertools import pairwise

from drs_provider.rules.ahead.order import WaveLaunch, launch_order, rounds_ahead
from drs_provider.rules.launch.quotas import Quotas
from hypothesis import given
from hypothesis import strategies as st


@dataclass(frozen=True)
class Server:
    server_id: str
    gigabytes: int = 0


def test_waves_whose_turn_comes_first_go_first_and_then_the_biggest():
    servers = {
        "web": [Server("s-5", 900)],
        "db": [Server("s-1", 50), Server("s-2", 200), Server("s-3", 50)],
        "cache": [Server("s-4", 1000)],
    }

    assert launch_order([["db", "cache", "steps-only"], ["web"]], servers) == (
        WaveLaunch("cache", ("s-4",)),
        WaveLaunch("db", ("s-2", "s-1", "s-3")),
        WaveLaunch("web", ("s-5",)),
    )


def test_nothing_is_launched_of_waves_that_are_not_launched_ahead():
    assert launch_order([["db"], ["web"]], {"web": []}) == ()


def waves(*sizes):
    return [
        WaveLaunch(f"w{number}", tuple(f"s-{number}-{n}" for n in range(size))) for number, size in enumerate(sizes)
    ]


def test_a_thousand_servers_in_ten_waves_take_the_two_rounds_that_quotas_allow():
    assert rounds_ahead(waves(*[100] * 10), Quotas()) == {f"w{n}": 1 if n < 5 else 2 for n in range(10)}


def test_a_wave_that_is_split_is_there_with_its_last_server():
    assert rounds_ahead(waves(450, 100), Quotas()) == {"w0": 1, "w1": 2}


def test_jobs_run_out_before_servers_do():
    assert rounds_ahead(waves(*[1] * 21), Quotas()) == {f"w{n}": 1 if n < 20 else 2 for n in range(21)}


@given(
    st.lists(st.integers(1, 60), max_size=12),
    st.integers(1, 5),
    st.integers(1, 20),
    st.integers(1, 50),
)
def test_no_round_holds_more_than_quotas_allow_and_none_is_wasted(sizes, jobs, per_job, in_jobs):
    launches = waves(*sizes)
    found = rounds_ahead(launches, Quotas(jobs, per_job, in_jobs))
    numbers = [found[launch.wave] for launch in launches]

    assert all(before <= after for before, after in pairwise(numbers))
    total = sum(sizes)
    most = min(in_jobs, jobs * min(per_job, in_jobs))
    if sizes:
        assert numbers[-1] >= -(-total // most)
        assert numbers[-1] <= sum(-(-size // min(per_job, in_jobs)) for size in sizes)
