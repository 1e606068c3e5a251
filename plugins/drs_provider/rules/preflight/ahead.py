"""What preflight finds of a plan that launches ahead: which servers are, and why the others are not."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from drs_provider.rules.ahead.eligibility import AheadCandidate, ahead_notes, why_in_its_wave
from drs_provider.rules.answers import Answer
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run.roster import RosterServer
from drs_provider.rules.run.shape import RunShape
from drs_provider.rules.servers import is_protected


@dataclass(frozen=True)
class AheadFacts:
    """What was seen in one account and Region of everything that may speak against a launch ahead.

    :param known: ids of the servers whose launch settings in DRS could be looked at
    :param into: by server id, what people call the existing instance that DRS launches it into; None: nobody may look
    :param actions: by server id, the active DRS launch actions that will run on it; absent: nobody may look
    :param instances: items of DescribeRecoveryInstances of these servers
    """

    known: Collection[str] = ()
    into: Mapping[str, str] | None = field(default_factory=dict)
    actions: Mapping[str, Sequence[Answer]] = field(default_factory=dict)
    instances: Sequence[Answer] = ()


@dataclass(frozen=True)
class AheadLook:
    """The ids of the servers that are launched ahead in one account and Region, and lines for the log."""

    servers: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def waves_ahead(shape: RunShape) -> tuple[str, ...]:
    """Give the chosen waves whose servers the plan launches ahead, where the run does so."""
    planned = waves_of_plan(shape) if shape.launches_ahead else ()
    return tuple(wave.name for wave in shape.chosen_waves if wave.name in planned)


def waves_of_plan(shape: RunShape) -> tuple[str, ...]:
    """Give the waves whose servers the plan launches ahead, whatever the run does."""
    return tuple(wave.name for wave in shape.waves if wave.launch_ahead_tasks)


def look_ahead(
    shape: RunShape,
    purpose: Purpose,
    where: str,
    waves: Mapping[str, Sequence[RosterServer]],
    facts: AheadFacts,
) -> AheadLook:
    """Say which servers of one account and Region are launched ahead.

    :param shape: the compiled plan, with the waves of the run
    :param where: account and Region as the run's messages name them
    :param waves: the servers that are launched there, by wave
    """
    live = {
        str(instance["sourceServerID"]): str(instance["recoveryInstanceID"])
        for instance in facts.instances
        if is_protected(instance)
    }
    candidates = {
        wave: [_candidate(server, facts, live) for server in waves[wave] if server.known]
        for wave in waves_ahead(shape)
        if wave in waves
    }
    chosen = (
        server.server_id
        for members in candidates.values()
        for server in members
        if why_in_its_wave(server, purpose) is None
    )
    return AheadLook(frozenset(chosen), ahead_notes(where, candidates, purpose))


def _candidate(server: RosterServer, facts: AheadFacts, live: Mapping[str, str]) -> AheadCandidate:
    name, actions = server.server_id, facts.actions.get(server.server_id)
    declares = bool(server.settings.get("actions"))
    runs = None if actions is None else any(action.get("active") for action in actions)
    return AheadCandidate(
        name,
        server.hostname,
        settings=server.settings,
        runs_actions=declares or runs,
        into_instance=(facts.into or {}).get(name),
        live_instance=live.get(name),
        is_known=name in facts.known and facts.into is not None,
    )
