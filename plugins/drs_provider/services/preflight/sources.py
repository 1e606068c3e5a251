"""What preflight asks of the places where the sources of a planned migration run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from drs_provider.exceptions import AccessDenied, AwsError
from drs_provider.rules.findings import Finding
from drs_provider.rules.migration.source_instances import NamedSource, why_not_changed
from drs_provider.rules.preflight.permissions import permission_findings, permission_notes, stop_questions
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run.roster import Target

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.run.handover import SourceInstance

HookOf = Callable[[Target], "DrsHook"]


def look_at_sources(
    sources: "Mapping[str, tuple[str, SourceInstance | None]]", hook_of: HookOf, purpose: Purpose
) -> tuple[list[Finding], list[str]]:
    """Look whether every source can be stopped by the connection for its origin; findings, and lines for the log.

    :param sources: hostname and EC2 instance by server id; None: the source is no EC2 instance
    :raises AwsError: nobody can say now, and asking again later may help
    """
    findings = [
        Finding(
            "warning",
            server,
            name,
            "its source is no EC2 instance, so migration.stop_sources does not stop it",
            "stop its writes in a step with when: migration",
            "source",
        )
        for server, (name, source) in sources.items()
        if source is None
    ]
    notes: list[str] = []
    places: dict[Target, list[tuple[str, NamedSource]]] = {}
    for server, (name, source) in sources.items():
        if source is not None:
            named = NamedSource(server, name, source.instance_id, source.account, source.region)
            places.setdefault(Target(source.aws_conn_id, source.region), []).append((server, named))
    for target, here in places.items():
        hook = hook_of(target)
        findings += _unknown(hook, target, [named for _, named in here])
        found, said = _permissions(hook, target, purpose)
        findings += found
        notes += said
    return findings, notes


def _unknown(hook: "DrsHook", target: Target, named: Sequence[NamedSource]) -> Iterator[Finding]:
    step = "give the group, or failback, the origin: whose aws_conn_id reaches the account and Region of its sources"
    try:
        account = hook.caller_account()
        states = hook.instance_states([source.instance_id for source in named])
    except AwsError as error:
        if error.retryable and not isinstance(error, AccessDenied):
            raise
        yield Finding("refusal", str(target), str(target), f"its sources cannot be looked at: {error}", step, "source")
        return
    for source in named:
        why = why_not_changed("stop", source, source, account=account, state=states.get(source.instance_id))
        if why:
            yield Finding(
                "refusal", source.server_id, source.hostname, f"its source cannot be stopped: {why}", step, "source"
            )


def _permissions(hook: "DrsHook", target: Target, purpose: Purpose) -> tuple[Sequence[Finding], Sequence[str]]:
    from drs_provider.hooks.iam import permission_gaps

    asked = stop_questions(purpose)
    gaps = permission_gaps(hook, asked)
    count = len({name for question in asked for name in question.actions})
    return permission_findings(str(target), gaps, purpose), permission_notes(str(target), gaps, asked=count)
