"""The benchmark's figures, on runs whose every second is known."""

import pytest

from benchmarks.figures import (
    ChainRun,
    Crowd,
    CrowdJob,
    Launch,
    LaunchedRun,
    Sample,
    Spread,
    TimedJob,
    TimedStart,
    crowd,
    drs_calls,
    slots_while_waiting,
    spread,
)

# Asked at 100; jobs of 9 s; 2 s before the first, dead times of 1 s and 3 s.
RUN = ChainRun(100.0, (Launch("j-1", 102.0, 111.0), Launch("j-2", 112.0, 121.0), Launch("j-3", 124.0, 133.0)))


def test_dead_time_lies_between_the_end_of_a_job_and_the_next_call():
    assert RUN.dead_times == [1.0, 3.0]


def test_overhead_is_all_time_in_which_no_job_ran():
    assert (RUN.elapsed, RUN.overhead) == (33.0, 6.0)


def test_overhead_is_recomputed_against_jobs_of_real_length():
    assert RUN.real_share == pytest.approx(6.0 / (3 * 540 + 6.0))


@pytest.mark.parametrize(
    ("values", "summed"),
    [
        pytest.param([2.0], Spread(1, 2.0, 2.0, 2.0, 2.0), id="one value"),
        pytest.param([3.0, 1.0, 2.0], Spread(3, 2.0, 3.0, 1.0, 3.0), id="the 99th percentile of few is the largest"),
        pytest.param([float(n) for n in range(200)], Spread(200, 99.5, 198.0, 0.0, 199.0), id="many"),
    ],
)
def test_a_sample_is_summed_up(values, summed):
    assert spread(values) == summed


def test_an_empty_sample_is_no_zero():
    with pytest.raises(ValueError, match="nothing was measured"):
        spread([])


def test_only_drs_calls_are_counted():
    calls = [
        {"service": "drs", "operation": "DescribeJobs"},
        {"service": "ec2", "operation": "DescribeInstances"},
        {"service": "drs", "operation": "StartRecovery"},
        {"service": "drs", "operation": "DescribeJobs"},
    ]

    assert drs_calls(calls) == {"DescribeJobs": 2, "StartRecovery": 1}


def test_slots_count_only_while_a_job_is_waited_for():
    samples = [Sample(103.0, 9), Sample(106.0, 0), Sample(111.5, 9), Sample(116.0, 1), Sample(140.0, 9)]
    other = ChainRun(115.0, (Launch("j-4", 116.0, 140.0),))

    assert slots_while_waiting([RUN], samples, settle=3.0) == [0, 1]
    assert slots_while_waiting([RUN, other], samples, settle=3.0) == [0, 9]


@pytest.mark.parametrize(
    ("jobs", "summed"),
    [
        pytest.param([CrowdJob(100, 0, 9)], Crowd(1, 100, 9, 9), id="one job"),
        pytest.param(
            [CrowdJob(300, 0, 9), CrowdJob(300, 11, 20)], Crowd(1, 300, 20, 18), id="two seconds without need"
        ),
        pytest.param([CrowdJob(200, 0, 9), CrowdJob(200, 3, 12)], Crowd(2, 400, 12, 9), id="started late"),
        pytest.param(
            [CrowdJob(1, 0, 9), CrowdJob(1, 0, 8), CrowdJob(1, 8, 10)], Crowd(2, 2, 10, 10), id="no third job at a time"
        ),
    ],
)
def test_runs_that_share_an_account_are_held_against_what_its_quotas_allow(jobs, summed):
    assert crowd(jobs, 2, 500) == summed


def test_the_excess_is_recomputed_against_jobs_of_real_length():
    assert Crowd(1, 300, 20, 18).excess_share(60) == pytest.approx(2 / (18 * 60))


# Asked at 100; two waves: their jobs begin at 110 side by side, and their instances are started one after the other.
AHEAD = LaunchedRun(
    100.0,
    (TimedJob(0, 2, 110.0, 610.0), TimedJob(1, 1, 112.0, 600.0)),
    (TimedStart(0, 612.0, 630.0), TimedStart(0, 613.0, 627.0), TimedStart(1, 632.0, 650.0)),
)
IN_WAVES = LaunchedRun(100.0, (TimedJob(0, 2, 110.0, 610.0), TimedJob(1, 1, 613.0, 1113.0)))


def test_a_run_ends_with_its_last_job_or_its_last_boot():
    assert (AHEAD.elapsed, IN_WAVES.elapsed) == (550.0, 1013.0)


def test_a_launch_ahead_takes_one_job_and_the_boots_of_its_waves_at_least():
    assert AHEAD.boots == {0: 18.0, 1: 18.0}
    assert AHEAD.least == 500.0 + 36.0


def test_a_recovery_is_recomputed_against_jobs_of_real_length():
    assert (AHEAD.rounds, IN_WAVES.rounds) == (1, 2)
    assert AHEAD.at_real_jobs == pytest.approx(550.0 - 500.0 + 540.0)
    assert IN_WAVES.at_real_jobs == pytest.approx(1013.0 - 1000.0 + 2 * 540.0)


def test_a_run_of_two_rounds_is_held_against_what_quotas_allow_and_the_boots():
    late = LaunchedRun(
        0.0,
        (TimedJob(0, 2, 10.0, 110.0), TimedJob(1, 2, 115.0, 215.0)),
        (TimedStart(0, 112.0, 122.0), TimedStart(1, 220.0, 230.0)),
    )
    found = late.crowded(20, 2)

    assert (found.elapsed, found.allowed) == (220.0, 210.0)
    assert (found.most_jobs, found.most_servers) == (1, 2)
    assert found.excess == pytest.approx(10 / 210)
    assert late.crowded(20, 4).allowed == 100.0 + 10.0 + 10.0
