"""Waiting for launched instances: also until DRS's launch actions on them have ended."""

import asyncio
from datetime import UTC, datetime, timedelta

from drs_provider.triggers.instance_poller import InstanceDesk, Look
from drs_provider.triggers.instances import DrsInstancesTrigger

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Hook:
    """A server whose instance runs, and whose launch action ends after some looks."""

    def __init__(self, looks: int):
        self.looks = looks

    def recovery_instances(self, servers):
        running = {"jobID": "drsjob-1", "ec2InstanceID": "i-1", "ec2InstanceState": "RUNNING"}
        return Look([{"sourceServerID": server, **running} for server in servers], {})

    def jobs(self, job_ids):
        self.looks -= 1
        run = {"action": {"name": "check"}, "status": "IN_PROGRESS" if self.looks > 0 else "SUCCEEDED"}
        return [
            {
                "jobID": job_id,
                "participatingServers": [{"sourceServerID": "s-1", "launchActionsStatus": {"runs": [run]}}],
            }
            for job_id in job_ids
        ]


def waited(hook, *, most=100):
    pauses = []
    trigger = DrsInstancesTrigger(
        awaited=[{"aws": {}, "jobs": {"s-1": "drsjob-1"}}],
        ready="running",
        deadline=(NOW + timedelta(seconds=most)).isoformat(),
    )

    async def sleep(seconds):
        pauses.append(seconds)

    def now():
        return NOW + timedelta(seconds=sum(pauses))

    async def wait():
        desk = InstanceDesk(hook.recovery_instances, ask_jobs=hook.jobs)
        return await trigger.wait([desk], now=now, sleep=sleep, jitter=lambda: 1.0)

    event = asyncio.run(wait())
    return event["outcome"], len(pauses)


def test_a_running_launch_action_is_waited_for_without_asking_in_a_loop():
    assert waited(Hook(looks=4)) == ("settled", 3)


def test_without_actions_a_running_instance_is_enough():
    assert waited(Hook(looks=0)) == ("settled", 0)


def test_an_action_that_never_ends_ends_with_the_time():
    assert waited(Hook(looks=10**6))[0] == "timed_out"
