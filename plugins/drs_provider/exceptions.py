"""Every error that this package raises on purpose.

DrsProviderError
├── PlanInvalid              a plan on disk is wrong; nothing was called
├── RunRefused               a run may not start as it was asked for; nothing was launched
│   ├── PreflightRefused     carries every finding, not only the first
│   ├── PlanChanged          the plan was edited while the run went on
│   ├── NotIsolated          a drill network leads out; carries every way
│   ├── NoRecoveryPoint      a point that preflight saw is gone
│   └── HandoverUnreadable   a document that a task left cannot be read
├── AwsError                 AWS answered, and the answer was no
│   ├── Throttled            asked too often; retryable
│   ├── ServiceUnavailable   5xx, time-out, lost connection: the call may have had its effect; retryable
│   ├── Conflict             another job holds a server
│   ├── QuotaExceeded        no room for another job or server now: a wait, not a failure
│   ├── AccessDenied         the role lacks a permission
│   │   └── RoleRefused      the role itself may not be taken
│   ├── CredentialsExpired   the session ended; retryable with a fresh one
│   ├── NotInitialized       DRS was never set up in this account and Region
│   ├── NotFound             no such server, job or instance
│   └── BotocoreTooOld       the installed botocore does not know the operation; nothing was called
├── RecoveryError            AWS did what we asked and it did not work
│   ├── JobFailed            a job ended with servers not launched
│   ├── JobTimedOut          a job did not end within the wave's timeout
│   ├── JobVanished          DescribeJobs no longer knows a job that we started
│   ├── CleanupIncomplete    instances of the run are still there
│   ├── DrillRemains         the last look found something of the drill
│   ├── RollBackIncomplete   a recovery is not rolled back as a whole
│   ├── DrillNetworkLeft     parts of the run's drill network are still there
│   └── StepFailed           a step of the plan did not do what it should
├── AddressRefused           a step or notification named an address that it must not reach; nothing was sent
├── ReportOfAnotherRun       the place of a report holds something else; nothing was written
└── UsageError               the arguments of a command ask for what cannot be done; exit code 2

Errors of one part alone stand there: ``services.airflow_api.AirflowError``, ``rehearsal.processes.RehearsalFailed``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar


class DrsProviderError(Exception):
    """Base of every error raised on purpose. ``retryable`` says whether the same call may be tried again."""

    retryable = False


class PlanInvalid(DrsProviderError):
    """One or more plan documents are wrong. ``problems`` holds every problem found, as printable objects."""

    def __init__(self, problems: Sequence[object]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class RunRefused(DrsProviderError):
    """The run may not go on as asked; ``reason`` says why and what to do next."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class PreparedKept(RunRefused):
    """What a run prepared and could not start is not replaced after all: it may have been started, or AWS refuses."""


class PreflightRefused(RunRefused):
    """Preflight found reasons not to launch; ``findings`` holds all of them, one printable line each."""

    def __init__(self, plan: str, findings: Sequence[str]) -> None:
        DrsProviderError.__init__(self, plan, findings)
        self.plan, self.findings = plan, tuple(findings)

    def __str__(self) -> str:
        lines = "\n".join(f"  - {finding}" for finding in self.findings)
        count = len(self.findings)
        return f"the run of {self.plan} is refused, {count} reason{'s'[: count != 1]}; nothing was launched:\n{lines}"


class PlanChanged(RunRefused):
    """The plan on disk is not the plan that the run was started with."""

    def __init__(self, plan: str, started_with: str, found: str) -> None:
        DrsProviderError.__init__(self, plan, started_with, found)
        self.plan, self.started_with, self.found = plan, started_with, found

    def __str__(self) -> str:
        return (
            f"plan {self.plan} was edited during this run: started with {self.started_with[:12]}, "
            f"now {self.found[:12]}. Nothing more is launched. Restore the old plan and clear this task to continue, "
            "or start a new run of the new plan"
        )


class NotIsolated(RunRefused):
    """A drill network reaches outside. ``leaks`` maps each VPC to its ways out, one printable line each."""

    def __init__(self, leaks: Mapping[str, Sequence[str]], *, launched: bool = False) -> None:
        DrsProviderError.__init__(self, dict(leaks), launched)
        self.leaks, self.launched = {vpc: tuple(ways) for vpc, ways in leaks.items()}, launched

    def __str__(self) -> str:
        count = sum(len(ways) for ways in self.leaks.values())
        lines = "\n".join(f"  - {way}" for ways in self.leaks.values() for way in ways)
        ways = f"{count} way{'s'[: count != 1]}"
        if self.launched:
            return (
                f"drill network {', '.join(self.leaks)} was opened while the drill ran, {ways} out at its end; what "
                f"the drill's servers did outside is not known:\n{lines}"
            )
        return f"drill network {', '.join(self.leaks)} is not isolated, {ways} out; nothing was launched:\n{lines}"


class NoRecoveryPoint(RunRefused):
    """Servers of a wave have no recovery point any more (or none at or before ``as_of``); nothing was launched."""

    def __init__(self, servers: str, as_of: datetime | None) -> None:
        DrsProviderError.__init__(self, servers, as_of)
        self.servers, self.as_of = servers, as_of

    def __str__(self) -> str:
        when = f" at or before {self.as_of:%Y-%m-%d %H:%M:%S} UTC" if self.as_of else ""
        then = "with a later point in time, or without these servers" if self.as_of else "without these servers"
        return (
            f"no recovery point{when} is left for {self.servers}: points age out, and preflight may have seen one. "
            f"Nothing of this job was started; start a run of this wave {then}"
        )


class HandoverUnreadable(RunRefused):
    """A document that a task left cannot be read.

    :ivar document: what it is, in words
    :ivar where: the key under which it lies
    :ivar problem: what is wrong with it
    :ivar next_step: what to do
    """

    def __init__(self, document: str, where: str, problem: str, next_step: str) -> None:
        DrsProviderError.__init__(self, document, where, problem, next_step)
        self.document, self.where, self.problem, self.next_step = document, where, problem, next_step
        self.reason = str(self)

    def __str__(self) -> str:
        return f"{self.document} ({self.where}) cannot be read: {self.problem}. {self.next_step}"


class AwsError(DrsProviderError):
    """An AWS call was refused. ``operation``, ``code`` and ``message`` are AWS's own words."""

    next_step = ""

    def __init__(self, operation: str, code: str, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(operation, code, message)
        self.operation, self.code, self.message = operation, code, message
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild_aws_error, (type(self), self.operation, self.code, self.message, self.retry_after_seconds))

    def __str__(self) -> str:
        advice = f" ({self.next_step})" if self.next_step else ""
        return f"{self.operation}: {self.code}: {self.message}{advice}"


def _rebuild_aws_error(
    kind: type[AwsError], operation: str, code: str, message: str, retry_after_seconds: float | None
) -> AwsError:
    return kind(operation, code, message, retry_after_seconds=retry_after_seconds)


class Throttled(AwsError):
    """AWS asks to slow down; ``retry_after_seconds`` is its own advice where it gave one."""

    retryable = True


class ServiceUnavailable(AwsError):
    """No usable answer: 5xx, a time-out or a lost connection. A call with an effect may have had it."""

    retryable = True


class Conflict(AwsError):
    """The resource is held by something else, most often a server by another job."""


class QuotaExceeded(AwsError):
    """An account quota has no room now. Wait for running jobs to end."""

    next_step = "a quota of the account and Region is full: room comes when running jobs end"


class AccessDenied(AwsError):
    """The role of the connection may not do this."""

    next_step = "add the permission to the role of the Airflow connection; docs/permissions.md lists them all"


class RoleRefused(AccessDenied):
    """STS did not give out the role of a connection. ``message`` says which, to whom, and what to check."""

    next_step = "docs/accounts.md has the whole way from a connection to a role"


class CredentialsExpired(AwsError):
    """The session token ended before the call."""

    retryable = True


class NotInitialized(AwsError):
    """DRS is not set up in this account and Region."""

    next_step = "open the DRS console in this Region once, or call InitializeService"


class NotFound(AwsError):
    """AWS knows no such resource."""


class BotocoreTooOld(AwsError):
    """The installed botocore does not know this operation, so it was not called.

    :param operation: AWS's name of it
    :param installed: version of the installed botocore
    :param since: the first version that knows it
    """

    def __init__(self, operation: str, installed: str, since: str) -> None:
        words = f"botocore {installed} does not know this operation, {since} and newer do"
        super().__init__(operation, "not called", words)
        self.installed, self.since = installed, since

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.operation, self.installed, self.since))


class RecoveryError(DrsProviderError):
    """AWS did what was asked, and it did not work."""


class JobFailed(RecoveryError):
    """A wave's jobs ended with more failed servers than the wave tolerates.

    ``failures`` maps what a person calls the server (hostname or id) to the reason from the job log; its message names
    the first :attr:`MOST_NAMED` of them.
    """

    MOST_NAMED: ClassVar[int] = 40

    def __init__(self, what: str, failures: Mapping[str, str]) -> None:
        super().__init__(what, dict(failures))
        self.what, self.failures = what, dict(failures)

    def __str__(self) -> str:
        count, more = len(self.failures), len(self.failures) - self.MOST_NAMED
        lines = [f"  - {server}: {reason}" for server, reason in islice(self.failures.items(), self.MOST_NAMED)]
        lines += [f"  and {more} more, in the log of this task"] if more > 0 else []
        return "\n".join([f"{self.what}: {count} server{'s'[: count != 1]} failed:", *lines])


class JobTimedOut(RecoveryError):
    """A job was still running when the wave's timeout ended. DRS cannot cancel jobs: it may still end."""

    def __init__(self, job_ids: Sequence[str], waited: str) -> None:
        super().__init__(tuple(job_ids), waited)
        self.job_ids, self.waited = tuple(job_ids), waited

    def __str__(self) -> str:
        return (
            f"still running after {self.waited}: {', '.join(self.job_ids)}. DRS cannot cancel a job, so it may still "
            "launch its servers: look at the job in the DRS console, then clear this task to watch it again"
        )


class JobVanished(RecoveryError):
    """DescribeJobs no longer returns a job that this run started."""

    def __init__(self, job_ids: Sequence[str]) -> None:
        super().__init__(tuple(job_ids))
        self.job_ids = tuple(job_ids)

    def __str__(self) -> str:
        return (
            f"DRS no longer knows {', '.join(self.job_ids)}: deleted or aged out. Whether its servers were launched "
            "is not known from the job; look at the recovery instances of these servers before you start anything"
        )


class CleanupIncomplete(RecoveryError):
    """Something of a drill is still there after clean-up. ``left`` maps its id in EC2 to why."""

    def __init__(self, left: Mapping[str, str]) -> None:
        super().__init__(dict(left))
        self.left = dict(left)

    def __str__(self) -> str:
        lines = "\n".join(f"  - {instance}: {why}" for instance, why in self.left.items())
        count = len(self.left)
        what = "drill instances" if all(name.startswith("i-") for name in self.left) else "things of the drill"
        return f"{count} {what} are still there and cost money; clear this task to try again:\n{lines}"


class DrillRemains(RecoveryError):
    """The last look of a drill found something that is still its own. ``left`` maps each id to what it is."""

    def __init__(self, left: Mapping[str, str]) -> None:
        super().__init__(dict(left))
        self.left = dict(left)

    def __str__(self) -> str:
        lines = "\n".join(f"  - {name}: {what}" for name, what in self.left.items())
        count = len(self.left)
        things = "thing of the drill is" if count == 1 else "things of the drill are"
        return (
            f"{count} {things} still there after its clean-up, and may cost money; clear finish.clean_up with "
            f"everything downstream to clean up again, or remove them manually:\n{lines}"
        )


class RollBackIncomplete(RecoveryError):
    """A recovery is not rolled back as a whole.

    ``left`` maps instances that are still there to why; ``not_replicated`` source servers to how their replication is.
    """

    def __init__(self, left: Mapping[str, str], not_replicated: Mapping[str, str]) -> None:
        super().__init__(dict(left), dict(not_replicated))
        self.left, self.not_replicated = dict(left), dict(not_replicated)

    def __str__(self) -> str:
        lines = [f"  - {name}: {why}" for name, why in {**self.left, **self.not_replicated}.items()]
        parts = []
        if self.left:
            count = len(self.left)
            parts.append(f"{count} recovered instance{'s are' if count != 1 else ' is'} still there")
        if self.not_replicated:
            count = len(self.not_replicated)
            parts.append(f"{count} source{'s are' if count != 1 else ' is'} not replicated as before")
        return "\n".join(
            [f"the roll back is incomplete: {', and '.join(parts)}; once mended, clear this task to go on:", *lines]
        )


class DrillNetworkLeft(RecoveryError):
    """Parts of a run's drill network are still there. ``left`` maps each id to why."""

    def __init__(self, left: Mapping[str, str]) -> None:
        super().__init__(dict(left))
        self.left = dict(left)

    def __str__(self) -> str:
        lines = "\n".join(f"  - {part}: {why}" for part, why in self.left.items())
        count = len(self.left)
        are = "part of the drill network is" if count == 1 else "parts of the drill network are"
        return f"{count} {are} still there; clear this task to try again:\n{lines}"


class StepFailed(RecoveryError):
    """A step did not do what it should. ``is_final``: trying again might do twice what was to be done once.

    ``part``: how the run of another plan ended that the step has run.
    """

    def __init__(
        self,
        why: str,
        *,
        is_final: bool = False,
        output: str = "",
        instances: Sequence[Any] = (),
        part: Any = None,
    ) -> None:
        super().__init__(why)
        self.why, self.is_final, self.output, self.instances = why, is_final, output, tuple(instances)
        self.part = part

    def __str__(self) -> str:
        return self.why


class AddressRefused(DrsProviderError):
    """A step or a notification named an address that it must not reach; nothing was sent.

    ``host`` is what was named, ``address`` what it stands for (None: only the name is known), ``why`` what it is.
    """

    def __init__(self, host: str, why: str, address: object = None) -> None:
        super().__init__(host, why, address)
        self.host, self.why, self.address = host, why, address

    def __str__(self) -> str:
        # Python 3.13 writes the IPv4 part of such an address with dots, and older ones do not.
        mapped = getattr(self.address, "ipv4_mapped", None)
        spelled = f"::ffff:{mapped}" if mapped else str(self.address)
        meant = "" if self.address is None or spelled == self.host.strip("[]") else f" {spelled},"
        return f"{self.host} is{meant} {self.why}. Steps and notifications never reach such an address"


class ReportOfAnotherRun(DrsProviderError):
    """The place where a report belongs holds something else; nothing was written."""

    def __init__(self, path: str, run_id: str, found: str) -> None:
        super().__init__(path, run_id, found)
        self.path, self.run_id, self.found = path, run_id, found

    def __str__(self) -> str:
        return (
            f"{self.path} holds {self.found}; the report of run {self.run_id} was not written over it. "
            "Move that file away, or point DRS_REPORTS to another folder, and clear the report task"
        )


class UsageError(DrsProviderError):
    """The command cannot do what its arguments ask for; exit code 2."""


class UnknownName(UsageError):
    """There is no plan, run or wave of the name that somebody gave; it says which there are."""
