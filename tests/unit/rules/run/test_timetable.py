"""When the waves of a run end: by their load alone, and as far as a run that goes on is known."""

from dataclasses import replace
from datetime import timedelta

import pytest
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.run.launch_times.timetable import (
    BOOTS_IN,
    Known,
    KnownJob,
    Servers,
    WaveLoad,
    timetable,
)
from drs_provider.rules.run.timing import JOB_DURATION
from hypothesis import given
from hypothesis import strategies as st

JOB, BOOT, ZERO = JOB_DURATION, BOOTS_IN["running"], timedelta(0)
ROOM = Quotas(jobs=10_000, servers_per_job=10_000, servers_in_jobs=100_000)
"""Room for everything that these tests launch."""


def seconds(number):
    return timedelta(seconds=number)


def ahead(name, *above, servers=1, **more):
    return WaveLoad(name, above, ({"here": Servers(ahead=servers)},), **more)


def totals(waves, **more):
    return timetable(waves, **more).total, timetable([wave.in_turn() for wave in waves], **more).total


CHAIN = [ahead("w1"), ahead("w2", "w1"), ahead("w3", "w2"), ahead("w4", "w3")]


def test_nothing_takes_no_time():
    found = timetable([])
    assert (found.total, found.critical_path) == (ZERO, ())


@pytest.mark.parametrize(("servers", "jobs"), [(0, 0), (1, 1), (500, 1), (501, 2), (1_000, 2), (1_001, 3)])
def test_a_wave_takes_a_job_for_every_500_servers(servers, jobs):
    assert timetable([ahead("w", servers=servers).in_turn()]).total == jobs * JOB


def test_a_thousand_servers_in_ten_waves_take_the_two_rounds_that_quotas_allow():
    waves = [ahead(f"w{n}", *([f"w{n - 1}"] if n else []), servers=100) for n in range(10)]

    assert totals(waves) == (2 * JOB + 5 * BOOT, 10 * JOB)


def test_jobs_run_out_before_servers_do():
    waves = [ahead(f"w{n}") for n in range(21)]

    assert timetable(waves).total == 2 * JOB + BOOT
    assert timetable(waves, quotas={"here": Quotas(jobs=21)}).total == JOB + BOOT


def test_accounts_and_regions_have_quotas_of_their_own():
    two = WaveLoad("w", (), ({"here": Servers(ahead=500), "there": Servers(ahead=500)},))

    assert timetable([two]).total == JOB + BOOT


def test_a_wave_waits_for_the_last_of_what_it_launches_both_ways():
    mixed = WaveLoad("w", (), ({"here": Servers(ahead=1, in_turn=1)},), opening=seconds(60))

    assert timetable([mixed]).total == seconds(60) + JOB


def test_what_comes_first_is_launched_first():
    waves = [ahead("first", servers=500), ahead("later", servers=500)]
    found = timetable(waves)

    assert found.ends == {"first": JOB + BOOT, "later": 2 * JOB + BOOT}
    assert found.critical_path == ("later",)


@pytest.mark.parametrize(
    ("known", "ends"),
    [
        pytest.param(Known(), [565, 595, 625, 655], id="nothing is known yet"),
        pytest.param(
            Known(seconds(100), jobs=[KnownJob(f"w{n}", "here", 1, ZERO) for n in range(1, 5)]),
            [565, 595, 625, 655],
            id="its jobs run",
        ),
        pytest.param(Known(seconds(100)), [665, 695, 725, 755], id="nothing was begun although time has passed"),
        pytest.param(
            Known(seconds(100), jobs=[KnownJob("w1", "here", 1, ZERO)]), [565, 665, 695, 725], id="one job runs"
        ),
        pytest.param(
            Known(
                seconds(700),
                turns={"w1": ZERO, "w2": seconds(600)},
                ends={"w1": seconds(600)},
                jobs=[KnownJob(f"w{n}", "here", 1, ZERO) for n in range(1, 5)],
            ),
            [600, 700, 730, 760],
            id="a wave that takes longer than was foretold ends now at the earliest",
        ),
    ],
)
def test_a_run_that_goes_on_is_foretold_from_what_is_known(known, ends):
    assert timetable(CHAIN, known=known).ends == {f"w{n}": seconds(end) for n, end in enumerate(ends, start=1)}


def test_a_wave_in_its_turn_is_foretold_from_when_that_came():
    waves = [wave.in_turn() for wave in CHAIN[:2]]
    known = Known(seconds(400), turns={"w1": seconds(10)})

    assert timetable(waves, known=known).ends == {"w1": seconds(10) + JOB, "w2": seconds(10) + 2 * JOB}


def test_what_an_earlier_run_took_counts_instead():
    before = [replace(wave, job=seconds(100), rest=seconds(7)) for wave in CHAIN[:2]]

    assert timetable(before).ends == {"w1": seconds(107), "w2": seconds(114)}
    assert timetable([wave.in_turn() for wave in before]).ends == {"w1": seconds(7), "w2": seconds(14)}


READY = st.sampled_from(["launched", "running", "status_checks"])
PASSES = st.integers(0, 900).map(seconds)


@st.composite
def loads(draw):
    names = [f"w{number}" for number in range(draw(st.integers(1, 7)))]
    found = []
    for number, name in enumerate(names):
        above = draw(st.lists(st.sampled_from(names[:number]), unique=True)) if number else []
        counts = st.builds(Servers, st.integers(0, 400), st.integers(0, 400))
        stages = draw(st.lists(st.dictionaries(st.sampled_from(["here", "there"]), counts, max_size=2), max_size=3))
        found.append(
            WaveLoad(name, tuple(above), tuple(stages), draw(READY), opening=draw(PASSES), closing=draw(PASSES))
        )
    return found


def boots_of(waves, path):
    """Give the boots along a chain of waves: what launching ahead may cost, and never more."""
    by_name = {wave.name: wave for wave in waves}
    return sum((len(by_name[name].stages) * by_name[name].boots for name in path), ZERO)


@given(loads())
def test_where_there_is_room_launching_ahead_costs_no_more_than_the_boots_of_its_critical_path(waves):
    room = {"here": ROOM, "there": ROOM}
    found = timetable(waves, quotas=room)
    in_waves = timetable([wave.in_turn() for wave in waves], quotas=room)

    assert found.total <= in_waves.total + boots_of(waves, found.critical_path)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=8), st.integers(1, 20), st.integers(1, 100))
def test_a_chain_costs_no_more_than_its_boots_however_short_quotas_are(sizes, jobs, per_job):
    waves = [ahead(f"w{n}", *([f"w{n - 1}"] if n else []), servers=size) for n, size in enumerate(sizes)]
    found, in_waves = totals(waves, quotas={"here": Quotas(jobs, per_job, 500)})

    assert found <= in_waves + len(waves) * BOOT


@given(loads(), st.integers(1, 20), st.integers(1, 100), st.integers(1, 500))
def test_no_run_is_foretold_shorter_than_quotas_and_its_waves_allow(waves, jobs, per_job, in_jobs):
    quotas = dict.fromkeys(("here", "there"), Quotas(jobs, per_job, in_jobs))
    found = timetable(waves, quotas=quotas)
    most = min(in_jobs, jobs * min(per_job, in_jobs))

    for place in quotas:
        servers = sum(s.ahead + s.in_turn for w in waves for stage in w.stages for p, s in stage.items() if p == place)
        assert found.total >= -(-servers // most) * JOB
    for wave in waves:
        assert found.turns[wave.name] == max((found.ends[above] for above in wave.depends_on), default=ZERO)
        assert found.length(wave.name) >= wave.opening + wave.closing
    assert sum((found.length(name) for name in found.critical_path), ZERO) == found.total


@given(loads(), st.integers(0, 5_000))
def test_what_is_known_of_a_run_on_its_way_changes_nothing_of_its_end(waves, now):
    room = {"here": ROOM, "there": ROOM}
    foretold = timetable(waves, quotas=room)
    at = seconds(now)
    known = Known(
        at,
        turns={name: turn for name, turn in foretold.turns.items() if turn <= at},
        ends={name: end for name, end in foretold.ends.items() if end <= at},
        jobs=[
            KnownJob(wave.name, place, servers, ZERO) for wave in waves for place, servers in wave.ahead_in().items()
        ],
    )

    assert timetable(waves, quotas=room, known=known).ends == foretold.ends
