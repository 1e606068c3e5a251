"""What a look at the way back of some servers has found and done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drs_provider.exceptions import AwsError, Conflict, ServiceUnavailable
from drs_provider.rules.failback.confirmation import confirm
from drs_provider.rules.failback.next_step import NextStep, StepKind
from drs_provider.rules.failback.progress import server_progress
from drs_provider.rules.failback.state import Stage
from drs_provider.rules.run.handover import FailbackProgress, HomeLooks, RemovedThing
from drs_provider.services.failback.read import CirclesRead
from drs_provider.services.store import Store, load, save

_ON_THEIR_WAY = frozenset({Stage.REVERSING, Stage.COPYING, Stage.LAUNCHING, Stage.REPROTECTING, Stage.STUCK})
NOT_SHOWN_YET = "it was sent, and DRS does not show it yet"


@dataclass(frozen=True)
class FailbackLook:
    """One look, and what it has called.

    :ivar read: what both places said; after the calls where there were any
    :ivar steps: what is next for each server, by its id
    :ivar called: servers for which something was sent in this look
    :ivar removed: what has been removed since the first look of the task
    :ivar job_ids: terminate jobs that were started since the first look of the task
    """

    read: CirclesRead
    steps: Mapping[str, NextStep]
    called: tuple[str, ...] = ()
    removed: tuple[RemovedThing, ...] = ()
    job_ids: tuple[str, ...] = ()

    def of_kind(self, kind: StepKind) -> dict[str, str]:
        """Return words by the id of every server whose next step is of this kind."""
        return {server_id: step.why for server_id, step in self.steps.items() if step.kind == kind}

    @property
    def done(self) -> dict[str, str]:
        """Servers that are where they were to be brought."""
        return self.of_kind("done")

    @property
    def waiting(self) -> dict[str, str]:
        """Servers that the cloud works on, or that are called for at the next look."""
        return {**self.of_kind("wait"), **self.of_kind("call")}

    @property
    def people(self) -> dict[str, str]:
        """Servers that somebody has to do something for."""
        return self.of_kind("people")

    @property
    def refused(self) -> dict[str, str]:
        """Servers that do not get further by waiting, and why."""
        return self.of_kind("refused")

    @property
    def is_over(self) -> bool:
        """Whether another look would find nothing to do and nothing to wait for."""
        return not self.waiting and not self.people

    @property
    def is_followed(self) -> bool:
        """Whether all that wait are on their way or wait for people: nothing is to be called or confirmed soon."""
        return all(self.read.states[server_id].stage in _ON_THEIR_WAY for server_id in self.waiting)

    @property
    def progress(self) -> FailbackProgress:
        """How far every server is, for the page and the log."""
        return progress_of(self.read)


def progress_of(read: CirclesRead) -> FailbackProgress:
    """Return how far the servers of a look are."""
    servers = tuple(
        server_progress(state, read.circles[server_id], hostname=read.hostnames[server_id])
        for server_id, state in read.states.items()
    )
    return FailbackProgress(at=read.at, servers=servers)


def may_have_worked(error: AwsError) -> bool:
    """Tell whether a call that ended with this error may have had its effect all the same."""
    return isinstance(error, ServiceUnavailable) or error.code == "UnreadableAnswer"


def after_call(step: NextStep, error: AwsError | None, *, is_fresh: bool) -> NextStep:
    """Return what a server waits for whose call is still due as far as DRS shows; another step stays what it is.

    :param error: what AWS said to the call of this look; None: it was accepted, or nothing was called
    :param is_fresh: whether the call was sent a moment ago
    """
    if step.kind != "call":
        return step
    if error is None:
        return NextStep("wait", NOT_SHOWN_YET) if is_fresh else step
    if may_have_worked(error):
        return NextStep("wait", f"{error}. Whether it had an effect is seen at the next look")
    if error.retryable or isinstance(error, Conflict):
        return NextStep("wait", str(error))
    return NextStep("refused", str(error))


def confirmed(read: CirclesRead, store: Store, server_ids: Sequence[str]) -> dict[str, NextStep]:
    """Return waits for those of these servers that a second look has not confirmed yet to be protected again.

    :param store: remembers the first look
    """
    kept = load(store, HomeLooks) or HomeLooks()
    found = confirm(read.in_pairs(tuple(read.states)), kept.servers, at=read.at)
    if found.looks != kept.servers:
        save(store, HomeLooks(servers=found.looks))
    return {
        server_id: NextStep("wait", found.unconfirmed[server_id])
        for server_id in server_ids
        if server_id in found.unconfirmed
    }
