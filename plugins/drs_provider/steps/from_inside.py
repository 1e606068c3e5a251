"""What checks of ports and addresses have in common: Airflow asks, or a recovered server of the run does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Generic, NoReturn, TypeVar, cast

from pydantic import Field

from drs_provider.exceptions import AwsError, StepFailed
from drs_provider.plan.fields import Text
from drs_provider.plan.steps import Step
from drs_provider.plan.templates import server_names
from drs_provider.rules.inside_checks import DOCUMENTS, LOOK_SECONDS, InsideAnswer, Platform, read_output
from drs_provider.rules.run.placeholders import KnownServer, find_server, recovered
from drs_provider.rules.step_answers import kept, last_words, mask_credentials
from drs_provider.steps.probe_outcome import probed
from drs_provider.steps.work import Going, StepOutcome, StepWork

if TYPE_CHECKING:
    from drs_provider.hooks.step_services import StepHook
    from drs_provider.triggers.probes import Probe, ProbeEvent
    from drs_provider.triggers.ssm import StepEvent, What

_LEAST_SECONDS = 5.0
"""Seconds that must be left for one more look."""


class Check(Step):
    """A check of something that answers in the network."""

    from_: Annotated[Text | None, Field(alias="from")] = None
    """The recovered server that asks, by hostname or id; left out, in a drill with a network of its own the asked
    server itself, else Airflow."""

    @property
    def asked(self) -> str:
        """The text that says what is asked; a server's name may stand in it."""
        raise NotImplementedError

    @property
    def host_written(self) -> str:
        """The host in that text, where no name has to be filled in."""
        raise NotImplementedError

    def runs_inside(self, *, own_network: bool) -> bool:
        """Tell whether a recovered server asks.

        Nothing leads into a drill network of its own from where Airflow is, but production has the same addresses: what
        answers Airflow there is the wrong machine.
        """
        return self.from_ is not None or (own_network and (self._asks_recovered() or _is_private(self.host_written)))

    @property
    def names_server(self) -> bool:
        """Whether it names a server of the run; an address may also be one of somewhere else."""
        return self.from_ is not None or self._asks_recovered()

    def _asks_recovered(self) -> bool:
        return any(fact == "private_ip" for _, fact in server_names(self.asked))


def _is_private(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_private and not address.is_loopback


SomeCheck = TypeVar("SomeCheck", bound=Check)


@dataclass(frozen=True)
class _Asker:
    """The recovered server that asks."""

    server: KnownServer
    instance: str
    platform: Platform

    @property
    def name(self) -> str:
        return f"{self.server.hostname} ({self.instance})"

    @property
    def hook(self) -> "StepHook":
        return _hook(self.server)


class AskFromSomewhere(StepWork[SomeCheck, "ProbeEvent | StepEvent"], Generic[SomeCheck]):
    """Ask until the answer is the expected one: from the triggerer, or by SSM commands on a recovered server."""

    def probe(self, going: Going) -> "Probe":
        """Give the trigger that asks from Airflow."""
        raise NotImplementedError

    def script(self, going: Going, platform: Platform, *, seconds: int) -> list[str]:
        """Give the lines that ask from a recovered server."""
        raise NotImplementedError

    def judge(self, going: Going, answer: InsideAnswer) -> str | None:
        """Say why an answer does not pass; None: it passes."""
        raise NotImplementedError

    def what(self, going: Going) -> str:
        """Say what is asked."""
        raise NotImplementedError

    def begin(self, going: Going) -> StepOutcome:
        """Let the triggerer ask, or a recovered server."""
        inside = self.step.runs_inside(own_network=going.where.own_network)
        if inside and (self.step.names_server or any(server.instance_id for server in going.servers())):
            return self._ask_inside(going)
        self.log.info("Asking %s", self.what(going))
        return self.wait(going, self.probe(going))

    def heard(self, going: Going, event: "ProbeEvent | StepEvent") -> StepOutcome:
        """Judge the last answer; a recovered server asks again while there is time."""
        if "attempts" in event:
            return probed(self.step, self.what(going), cast("ProbeEvent", event))
        if event["outcome"] == "refused":
            raise AwsError("ssm", "Refused", event["detail"])
        command = going.memory.begun.get("command")
        if not command:
            if event["outcome"] == "timed_out":
                raise self._no_agent(self._candidates(going))
            going.enter_again()
            return self._ask_inside(going)
        return self._judged(going, str(command))

    def _ask_inside(self, going: Going) -> StepOutcome:
        candidates = self._candidates(going)
        asker = _online(candidates)
        if asker is None:
            if going.seconds_left <= 0:
                raise self._no_agent(candidates)
            self.log.info("Waiting for the SSM agent of %s", ", ".join(server.hostname for server in candidates[:5]))
            self._wait_for(going, "agents", candidates[:1], [recovered(candidates[0])])
        attempts = int(str(going.memory.begun.get("attempts") or 0)) + 1
        seconds = max(1, min(LOOK_SECONDS, int(going.seconds_left)))
        script = self.script(going, asker.platform, seconds=seconds)
        command = asker.hook.send_command(
            DOCUMENTS[asker.platform],
            {"commands": script, "executionTimeout": [str(seconds + 60)]},
            [asker.instance],
            comment=f"drs-orchestrator {going.key} check",
            seconds=60,
        )
        self.log.info("Asking %s from %s: command %s", self.what(going), asker.name, command)
        going.memory.begin(command=command, attempts=attempts, asker=asker.server.server_id)
        self._wait_for(going, "commands", [asker.server], [command])

    def _candidates(self, going: Going) -> list[KnownServer]:
        """Give the recovered servers that may ask, the best one first. Raises StepFailed where there is none."""
        servers = going.servers()
        if self.step.from_ is not None:
            return [_up(find_server(self.step.from_, servers))]
        asked = [find_server(name, servers) for name, _ in server_names(self.step.asked)]
        first = [_up(server) for server in asked]
        others = [server for server in servers if server.instance_id and server not in first]
        if first:
            here = (first[0].aws_conn_id, first[0].region)
            others = [server for server in others if (server.aws_conn_id, server.region) == here]
        if not (first or others):
            why = "no server of this run is recovered yet, and nothing else is in its network"
            raise StepFailed(f"nobody can ask {self.what(going)}: {why}", is_final=True)
        return [*first, *others]

    def _judged(self, going: Going, command: str) -> StepOutcome:
        servers = {server.server_id: server for server in going.servers()}
        server = servers[str(going.memory.begun["asker"])]
        instance, attempts = recovered(server), int(str(going.memory.begun["attempts"]))
        status, said, complaint = _hook(server).output(command, instance)
        answer = read_output(said)
        asked = f"{self.what(going)}, asked from {server.hostname} ({instance})"
        if answer is None:
            why = f"the command ended as {status}" + (f": {last_words(complaint)}" if complaint else "")
        elif (why := self.judge(going, answer) or "") == "":
            times = f"{attempts} command{'s'[: attempts != 1]}"
            return StepOutcome(f"{asked}: {answer.words}, after {times}", self._kept(answer.body))
        if going.seconds_left > _LEAST_SECONDS:
            self.log.info("%s: %s; asking again", asked, why)
            going.enter_again()
            return self._ask_inside(going)
        times = f"{attempts} command{'s'[: attempts != 1]}, the last: {why}"
        raise StepFailed(
            self.timed_out(f"{asked}, {times}").why, output=self._kept(answer.body) if answer else kept(complaint)
        )

    def _kept(self, body: str) -> str:
        """Give what is kept of an answer: nothing, unless the step asks for it."""
        return kept(mask_credentials(body)) if getattr(self.step, "keep_answer", False) else ""

    def _no_agent(self, candidates: Sequence[KnownServer]) -> StepFailed:
        names = ", ".join(f"{server.hostname} ({recovered(server)})" for server in candidates[:5])
        hint = (
            "in a drill with a network of its own a recovered server asks, by SSM; it needs the agent, an instance "
            "profile for SSM and a way to its endpoints"
        )
        return self.timed_out(f"the SSM agent of {names} is not online, so nothing was asked; {hint}")

    def _wait_for(self, going: Going, what: "What", servers: Sequence[KnownServer], ids: Sequence[str]) -> NoReturn:
        from drs_provider.triggers.ssm import SsmTrigger, Watched

        server = servers[0]
        watched = [Watched(aws_conn_id=server.aws_conn_id, region_name=server.region or None, ids=list(ids))]
        self.wait(going, SsmTrigger(what=what, watched=watched, deadline=going.deadline.isoformat()))


def _up(server: KnownServer) -> KnownServer:
    recovered(server)
    return server


def _online(candidates: Sequence[KnownServer]) -> _Asker | None:
    """Find the first server whose agent answers; those of one account and Region are asked together."""
    places: dict[tuple[str, str], dict[str, KnownServer]] = {}
    for server in candidates:
        places.setdefault((server.aws_conn_id, server.region), {})[recovered(server)] = server
    platforms: Mapping[str, str] = {}
    for found in places.values():
        platforms = {**platforms, **_hook(next(iter(found.values()))).platforms(list(found))}
    for server in candidates:
        instance = recovered(server)
        if instance in platforms:
            return _Asker(server, instance, "Windows" if platforms[instance] == "Windows" else "Linux")
    return None


def _hook(server: KnownServer) -> "StepHook":
    from drs_provider.hooks.step_services import StepHook

    return StepHook(aws_conn_id=server.aws_conn_id, region_name=server.region or None)
