"""The benchmark's figures, on runs whose every second is known."""

import pytest

from benchmarks.figures import (
    ChainRun,
    Crowd,
    CrowdJob,
    Launch,
    Sample,
    Spread,
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
