"""Which waves of a run had their turn, and which went well: from its launches and from what its people did. Pure."""

from collections.abc import Collection, Sequence

from drs_provider.rules.run.names import PAUSE, approval_tasks, wave_task

from benchmarks.chaos.record import Launch
from benchmarks.chaos.scenarios import Scenario, Server, Step, Wave

_NO = {
    "refuse": "was answered with no",
    "fake": "was only marked as successful",
    "silent": "was not answered",
    "expire": "was not answered in time",
}


ENDED = "ENDED"
"""The status of a server that was launched, and whose instance somebody else has ended."""


class Turns:
    """How far a run may have come.

    :param ours: its launches, oldest first
    :param failed: names of the steps that have failed
    :param ended: servers whose instance counts as missing, for somebody else has ended it
    """

    def __init__(
        self, scenario: Scenario, ours: Sequence[Launch], failed: Collection[str], ended: Collection[str] = ()
    ) -> None:
        self.failed = frozenset(failed)
        self.final: dict[str, str] = {server: status for launch in ours for server, status in launch.status.items()}
        """The launch status of every launched server, by its newest job."""
        self.final |= {server: ENDED for server in ended if self.final.get(server) == "LAUNCHED"}
        self.barred: dict[str, str | None] = {wave.name: _barred(scenario, wave) for wave in scenario.waves}
        """Why people do not let a wave launch; None: they do."""
        self.unapproved = _answered(scenario, set(approval_tasks(2)))
        """Why people do not let the recovery launch anything; None: they do."""
        self.passed: dict[str, bool] = {}
        """Whether each wave, in dependency order, had its turn and went well enough."""
        for wave in scenario.waves:
            self.passed[wave.name] = (
                not self.barred[wave.name]
                and all(self.passed[other] for other in wave.depends_on)
                and self.is_launched(wave)
                and not any(self.is_broken(step) for step in wave.steps)
            )

    def is_launched(self, wave: Wave) -> bool:
        """Whether so many servers of a wave were launched that it can go on."""
        missing = [server for server in wave.servers if self.is_missing(server)]
        was_launched = any(server.id in self.final for server in wave.servers)
        return was_launched and sum(server.critical for server in missing) <= wave.tolerate

    def is_missing(self, server: Server | str) -> bool:
        """Whether a server is not there."""
        # A drill's instance that its clean-up has terminated had been launched.
        name = server if isinstance(server, str) else server.id
        return self.final.get(name) not in ("LAUNCHED", "TERMINATED")

    def is_broken(self, step: Step) -> bool:
        """Whether a step has failed that its wave cannot do without."""
        return step.name in self.failed and step.on_failure == "fail"


def _barred(scenario: Scenario, wave: Wave) -> str | None:
    """Why people do not let a wave launch; None: they do."""
    mine = {*approval_tasks(2), *(set() if goes_on(wave) else {wave_task(wave.name, PAUSE)})}
    mine |= {f"{wave.name}.{step.name}" for step in wave.steps}
    return _answered(scenario, mine)


def _answered(scenario: Scenario, mine: Collection[str]) -> str | None:
    """Say which of these questions was not answered with yes; None: all were."""
    for question in scenario.questions:
        if question.task_id not in mine or question.act == "agree":
            continue
        return f"{question.task_id} {_NO[question.act]}"
    return None


def goes_on(wave: Wave) -> bool:
    """Whether a wave's pause ends by itself."""
    return wave.pause is not None and wave.pause.act == "expire" and wave.pause.on_timeout == "continue"
