"""How long to wait before DRS is asked about a job again."""

from datetime import timedelta

LEAST_SECONDS = 0.5
MOST_SECONDS = 3.0
ENDING_SECONDS = 0.5
SHARE_OF_AGE = 1 / 60

LEAST_LOG_SECONDS = 1.0
MOST_LOG_SECONDS = 30.0
LOG_SHARE_OF_AGE = 1 / 3

MOST_PAUSE_SECONDS = 30.0
"""The longest pause after a refusal that names none."""


def next_poll(age: timedelta, *, any_server_ended: bool, jitter: float = 1.0) -> float:
    """Return the seconds until the next look at a job of this age.

    Half a period is dead time in every wave, so the period is a sixtieth of the job's age, from half a second to three:
    proportional, so that it fits jobs of nine minutes as well as a simulator's compressed ones. Once any server of the
    job has ended, the rest follows within seconds and the period is at most half a second.

    :param age: since the job was created; below zero (clocks differ) counts as zero
    :param any_server_ended: whether DRS has launched or failed a server of the job already
    :param jitter: a factor around 1, from outside, so that many triggerers do not ask in step
    """
    seconds = min(max(age.total_seconds() * SHARE_OF_AGE, LEAST_SECONDS), MOST_SECONDS)
    return (min(seconds, ENDING_SECONDS) if any_server_ended else seconds) * jitter


def next_log_look(age: timedelta) -> float:
    """Return the seconds until logs of running jobs are read again, for people who look at the board.

    A third of the age of the youngest job, from one second to thirty: about thirty looks at a job of nine minutes, a
    quarter of what DescribeJobs costs meanwhile.

    :param age: since the job was created; below zero (clocks differ) counts as zero
    """
    return min(max(age.total_seconds() * LOG_SHARE_OF_AGE, LEAST_LOG_SECONDS), MOST_LOG_SECONDS)


def pause_after_refusal(
    refusals: int, retry_after: float | None, *, jitter: float = 1.0, most: float = MOST_PAUSE_SECONDS
) -> float:
    """Return the seconds to wait after that many refusals in a row (throttled, 5xx, lost connection).

    Doubles from one second to ``most``; never shorter than the service's own Retry-After.
    """
    return max(min(2.0 ** min(max(refusals - 1, 0), 30), most), retry_after or 0.0) * max(jitter, 1.0)
