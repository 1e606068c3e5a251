"""``ssm_command``: runs an SSM command document on recovered instances."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from drs_provider import clock
from drs_provider.exceptions import AwsError, ServiceUnavailable, StepFailed, Throttled
from drs_provider.formatting import some
from drs_provider.plan.fields import OneOrMore, Region, Share, ShareField, Text
from drs_provider.plan.step_kinds import Needed, StepKind
from drs_provider.plan.steps import Step
from drs_provider.rules.launch.backoff import pause_after_refusal
from drs_provider.rules.run.placeholders import KnownServer, find_server, recovered
from drs_provider.rules.step_answers import (
    failures_in_words,
    instances_kept,
    last_words,
    outputs_kept,
    read_invocation,
)
from drs_provider.steps.work import Going, StepOutcome, StepWork

if TYPE_CHECKING:
    from drs_provider.hooks.step_services import StepHook
    from drs_provider.rules.run.handover import StepInstance
    from drs_provider.triggers.ssm import StepEvent

MOST_INSTANCES = 50
"""Instances that one SendCommand takes by id."""
_LOOKS = (0.0, 1.0, 2.0, 4.0)
"""Seconds before each look for a command whose answer was lost."""
_MOST_THROTTLES = 8
_ERRORS_READ = 5
"""Failed instances whose whole error output is fetched."""
_LOOK_BACK = timedelta(minutes=10)
"""How much earlier than an attempt began its command may have been sent, by SSM's clock."""


class SsmCommand(Step):
    """Runs an SSM command document on recovered instances."""

    RUNS_ON_INSTANCES: ClassVar[bool] = True
    FILLED: ClassVar[frozenset[str]] = frozenset({"parameters", "instances"})

    kind: Literal["ssm_command"]
    document: Text
    """The command document, for example AWS-RunShellScript."""
    parameters: Mapping[Text, OneOrMore] = Field(default_factory=dict)
    """The document's parameters."""
    instances: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Instances to run on, by id or hostname; left out, all recovered instances of the wave."""
    tolerate_failures: ShareField = Share(0)
    """The share of the instances on which it may fail."""
    region: Region | None = None
    """Where the instances are; left out, where the run recovers them."""
    aws_conn_id: Text | None = None
    """The Airflow connection; left out, the one of the groups."""


@dataclass(frozen=True)
class Chunk:
    """Instances of one account and Region that one command runs on, each with the name that people know."""

    number: int
    aws_conn_id: str | None
    region: str | None
    instances: Mapping[str, str]

    @property
    def hook(self) -> "StepHook":
        """The door to SSM there."""
        from drs_provider.hooks.step_services import StepHook

        return StepHook(aws_conn_id=self.aws_conn_id, region_name=self.region)


class RunSsmCommand(StepWork[SsmCommand, "StepEvent"]):
    """Run a command document on instances, once, and judge it instance by instance.

    Every command carries a comment that names step, attempt and chunk: a try that follows a lost answer or a dead
    worker finds it by that and sends no second one.
    """

    sleep: Callable[[float], None] = staticmethod(clock.sleep)

    def begin(self, going: Going) -> StepOutcome:
        """Wait for the agents, send, wait for the commands."""
        chunks = self._chunks(going)
        if not going.memory.begun:
            self._await_agents(going, chunks)
        sent = self._send(going, chunks)
        if going.seconds_left <= 0:
            return self._too_late(chunks, sent)
        return self._await_commands(going, chunks, sent)

    def heard(self, going: Going, event: "StepEvent") -> StepOutcome:
        """Go on where the step stands: its commands are sent, or its agents have answered."""
        outcome = event["outcome"]
        if outcome == "refused":
            raise AwsError("ssm", "Refused", event["detail"])
        chunks = self._chunks(going)
        if not going.memory.begun:
            if outcome == "timed_out":
                raise self._agents_missing(chunks)
            going.enter_again()
            return self.begin(going)
        sent = self._send(going, chunks)
        if outcome == "timed_out":
            return self._too_late(chunks, sent)
        return self._judge(chunks, sent)

    def _chunks(self, going: Going) -> list[Chunk]:
        found: dict[tuple[str | None, str | None], dict[str, str]] = {}
        if self.step.instances is None:
            for server in self._recovered(going):
                found.setdefault((server.aws_conn_id, server.region or None), {})[recovered(server)] = server.hostname
        else:
            known = going.servers()
            for named in going.fill(self.step.instances):
                conn, region, instance, name = self._named(going, str(named), known)
                found.setdefault((conn, region), {})[instance] = name
        chunks: list[Chunk] = []
        for (conn, region), instances in found.items():
            names = sorted(instances)
            for start in range(0, len(names), MOST_INSTANCES):
                part = {name: instances[name] for name in names[start : start + MOST_INSTANCES]}
                where = (self.step.aws_conn_id or conn, self.step.region or region)
                chunks.append(Chunk(len(chunks), *where, part))
        return chunks

    def _recovered(self, going: Going) -> list[KnownServer]:
        wave = going.where.wave
        here = [server for server in going.servers() if wave in (None, server.wave) and server.instance_id]
        if here:
            return here
        what = f"wave {wave}" if wave else "this run"
        when = "before its launch" if going.where.side == "before" and wave else "yet"
        if wave and not going.where.launches:
            when = "of its own"
        hint = "name the instances to run on in 'instances'"
        raise StepFailed(f"{what} has no recovered instance {when}: {hint}", is_final=True)

    def _named(self, going: Going, named: str, known: Sequence[KnownServer]) -> tuple[str | None, str | None, str, str]:
        if named.startswith(("i-", "mi-")):
            server = next((server for server in known if server.instance_id == named), None)
            if server is None:
                return *going.target(self.step.aws_conn_id, self.step.region), named, named
        else:
            server = find_server(named, known)
        return server.aws_conn_id, server.region or None, recovered(server), server.hostname

    def _await_agents(self, going: Going, chunks: Sequence[Chunk]) -> None:
        missing = {chunk.number: _offline(chunk) for chunk in chunks}
        if not any(missing.values()):
            return
        if going.seconds_left <= 0:
            raise self._agents_missing(chunks)
        from drs_provider.triggers.ssm import SsmTrigger, Watched

        names = ", ".join(chunks[number].instances[name] for number, ids in missing.items() for name in ids[:5])
        self.log.info("Waiting for the SSM agents of %s", names)
        watched = [
            Watched(aws_conn_id=chunk.aws_conn_id, region_name=chunk.region, ids=missing[chunk.number])
            for chunk in chunks
            if missing[chunk.number]
        ]
        self.wait(going, SsmTrigger(what="agents", watched=watched, deadline=going.deadline.isoformat()))

    def _agents_missing(self, chunks: Sequence[Chunk]) -> StepFailed:
        offline = {chunk.number: _offline(chunk) for chunk in chunks}
        stopped = sorted(
            _known_as(chunk.instances[name], name) for chunk in chunks for name in _stopped(chunk, offline)
        )
        if stopped:
            verb, them = ("is", "it") if len(stopped) == 1 else ("are", "them")
            return self.timed_out(
                f"{some(stopped)} {verb} stopped, so nothing was sent; start {them} in a step before this one, or let "
                f"{them} be launched started (disposition: started)"
            )
        lost = [_known_as(chunk.instances[name], name) for chunk in chunks for name in offline[chunk.number]]
        what = f"the SSM agent of {some(lost) or 'an instance'} is not online, so nothing was sent"
        return self.timed_out(f"{what}; it needs the agent, an instance profile for SSM and a way to its endpoints")

    def _send(self, going: Going, chunks: Sequence[Chunk]) -> dict[int, str]:
        """Send what is not sent yet; return the command of every chunk."""
        parameters = going.fill(dict(self.step.parameters))
        earlier = going.memory.begun.get("sent")
        sent = {number: str(command) for number, command in earlier.items()} if isinstance(earlier, dict) else {}
        for chunk in chunks:
            number = str(chunk.number)
            if number in sent:
                continue
            comment = f"drs-orchestrator {going.key} {number}"
            command = self._found(going, chunk, comment) if going.memory.begun.get("intent") == number else None
            if command is None:
                going.memory.begin(intent=number, sent={**sent})
                command = self._send_once(going, chunk, parameters, comment)
            sent[number] = command
            going.memory.begin(intent=None, sent={**sent})
        return {int(number): command for number, command in sent.items()}

    def _send_once(self, going: Going, chunk: Chunk, parameters: Mapping[str, Sequence[str]], comment: str) -> str:
        seconds = round(going.seconds_left)
        throttles = 0
        while True:
            try:
                command = chunk.hook.send_command(
                    self.step.document, parameters, list(chunk.instances), comment=comment, seconds=seconds
                )
            except Throttled as error:
                throttles += 1
                if throttles > _MOST_THROTTLES:
                    raise
                self.sleep(pause_after_refusal(throttles, error.retry_after_seconds))
            except ServiceUnavailable as error:
                self.log.warning("%s; checking whether the command was sent anyway", error)
                found = self._found(going, chunk, comment)
                if found is None:
                    raise
                return found
            else:
                self.log.info("Command %s runs on %d instances", command, len(chunk.instances))
                return command

    def _found(self, going: Going, chunk: Chunk, comment: str) -> str | None:
        failure: AwsError | None = None
        for pause in _LOOKS:
            self.sleep(pause)
            try:
                found = chunk.hook.commands_since(going.memory.began_at - _LOOK_BACK).get(comment)
            except (Throttled, ServiceUnavailable) as error:
                failure = error
                continue
            failure = None
            if found:
                self.log.info("Command %s belongs to this step: adopted", found)
                return found
        if failure:
            raise failure
        return None

    def _await_commands(self, going: Going, chunks: Sequence[Chunk], sent: Mapping[int, str]) -> StepOutcome:
        from drs_provider.triggers.ssm import SsmTrigger, Watched

        watched = [
            Watched(aws_conn_id=chunk.aws_conn_id, region_name=chunk.region, ids=[sent[chunk.number]])
            for chunk in chunks
        ]
        self.wait(going, SsmTrigger(what="commands", watched=watched, deadline=going.deadline.isoformat()))

    def _judge(self, chunks: Sequence[Chunk], sent: Mapping[int, str]) -> StepOutcome:
        results = self._results(chunks, sent)
        failed = [result for result in results if not result.succeeded]
        if not failed:
            return StepOutcome(_ran(len(results)), outputs_kept(results), instances_kept(results))
        why = failures_in_words(results, self.step.document)
        if self.step.tolerate_failures.allows(len(failed), len(results)):
            return StepOutcome(f"{why} (tolerated)", outputs_kept(results), instances_kept(results))
        raise StepFailed(why, output=outputs_kept(results), instances=instances_kept(results))

    def _results(self, chunks: Sequence[Chunk], sent: Mapping[int, str]) -> "list[StepInstance]":
        results: list[StepInstance] = []
        read = 0
        for chunk in chunks:
            hook, command = chunk.hook, sent[chunk.number]
            found = hook.invocations(command)
            for instance, name in chunk.instances.items():
                result = read_invocation(found.get(instance), instance, name)
                if not result.succeeded and instance in found and read < _ERRORS_READ:
                    read += 1
                    result = _with_error(result, hook, command)
                results.append(result)
        return results

    def _too_late(self, chunks: Sequence[Chunk], sent: Mapping[int, str]) -> StepOutcome:
        """Stop what still runs, and say where; what has ended by now is judged as it ended."""
        results = self._results(chunks, sent)
        going_on = ("Pending", "InProgress", "Delayed", "no invocation")
        running = [_known_as(result.hostname, result.instance_id) for result in results if result.status in going_on]
        if not running:
            return self._judge(chunks, sent)
        for chunk in chunks:
            try:
                chunk.hook.cancel_command(sent[chunk.number])
            except AwsError as error:
                self.log.warning("%s; command %s may still run", error, sent[chunk.number])
        failure = self.timed_out(f"{self.step.document} still ran on {some(running)}; a stop was requested from SSM")
        raise StepFailed(failure.why, output=outputs_kept(results), instances=instances_kept(results))


def _known_as(hostname: str, instance_id: str) -> str:
    return f"{hostname} ({instance_id})" if hostname != instance_id else instance_id


def _offline(chunk: Chunk) -> list[str]:
    online = chunk.hook.online(list(chunk.instances))
    return [name for name in chunk.instances if name not in online]


def _stopped(chunk: Chunk, offline: Mapping[int, Sequence[str]]) -> list[str]:
    """Give the instances without an agent that EC2 has stopped; none where it may not be asked."""
    missing = [name for name in offline[chunk.number] if name.startswith("i-")]
    try:
        stopped = chunk.hook.stopped(missing) if missing else set()
    except AwsError:
        return []
    return [name for name in missing if name in stopped]


def _with_error(result: "StepInstance", hook: "StepHook", command: str) -> "StepInstance":
    try:
        said = hook.error_output(command, result.instance_id)
    except AwsError:
        return result
    return result.model_copy(update={"output": last_words(said, 400)})


def _ran(count: int) -> str:
    return f"ran on {count} instance{'s'[: count != 1]}"


def _needs(step: SsmCommand) -> Needed:
    return Needed("documents", step.document.rsplit("document/", 1)[-1], "Command")


KIND = StepKind(
    name="ssm_command",
    title="SSM command",
    label="ssm",
    model=SsmCommand,
    work=RunSsmCommand,
    actions=(
        "ssm:SendCommand",
        "ssm:ListCommands",
        "ssm:ListCommandInvocations",
        "ssm:GetCommandInvocation",
        "ssm:CancelCommand",
        "ssm:DescribeInstanceInformation",
        "ec2:DescribeInstances",
    ),
    needs=_needs,
)
