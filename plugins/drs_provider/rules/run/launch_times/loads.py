"""What the waves of a plan, or of one run, take time for: from the plan alone, or from what preflight has found."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from drs_provider.plan.steps import Step
from drs_provider.rules.ahead.eligibility import AheadCandidate, why_in_its_wave
from drs_provider.rules.launch.next_launch import stages
from drs_provider.rules.purpose import RECOVERY, Purpose
from drs_provider.rules.run.handover import PreflightWave
from drs_provider.rules.run.launch_times.timetable import NOTHING, Servers, WaveLoad
from drs_provider.rules.run.roster import RosterServer, call_roll, target_of
from drs_provider.rules.run.shape import RunShape, WaveShape

StepTakes = Callable[[Step], timedelta]
"""Says how long a step takes, as far as it is known."""


def takes_what_it_says(step: Step) -> timedelta:
    """Give how long a step takes that says so itself; nothing: it does not."""
    return step.length


@dataclass(frozen=True)
class LoadedServer:
    """A server of a wave: its place in the boot order, the account and Region in words, and when it is launched."""

    server_id: str
    group: str
    order: int
    place: str
    is_ahead: bool


def loads_of_plan(
    shape: RunShape, *, takes: StepTakes = takes_what_it_says, answers_after: timedelta = NOTHING
) -> tuple[WaveLoad, ...]:
    """Give what the chosen waves of a plan take, from the plan alone.

    A group that only selects by tags counts as one server. Who is launched ahead is what the plan itself says; what
    preflight may find against it is not known.

    :param shape: of the plan, or of a run; without a request it is taken for a recovery's
    :param answers_after: how long people think
    """
    purpose, groups = shape.purpose or RECOVERY, shape.runnable.groups
    asked = {target_of(group): () for group in groups.values()}
    above = among(shape.depends_on, [wave.name for wave in shape.chosen_waves])
    roster = call_roll(groups, {wave.name: wave.wave.groups for wave in shape.waves}, asked, purpose)
    return tuple(
        WaveLoad(
            name=wave.name,
            depends_on=above[wave.name],
            stages=stage_loads(_of_plan(shape, wave, roster.waves[wave.name], purpose)),
            ready=wave.wave.ready,
            opening=opening_of(wave, purpose, takes, answers_after),
            closing=closing_of(wave, purpose, takes, answers_after),
        )
        for wave in shape.waves
        if wave.is_chosen
    )


def loads_of_run(waves: Mapping[str, PreflightWave], depends_on: Mapping[str, tuple[str, ...]]) -> tuple[WaveLoad, ...]:
    """Give what the waves of a run take, from what preflight has found.

    :param waves: those that the run has
    :param depends_on: every wave of the plan, each after those that it waits for
    """
    return tuple(
        WaveLoad(
            name=name,
            depends_on=above,
            stages=stage_loads(
                LoadedServer(server.server_id, server.group, server.order, place, server.ahead)
                for part in wave.targets
                for place in [str(part.target)]  # once: there may be thousands of servers
                for server in part.servers
            ),
            ready=wave.ready,
            opening=wave.opening,
            closing=wave.closing,
        )
        for name, above in among(depends_on, waves).items()
        for wave in [waves[name]]
    )


def among(depends_on: Mapping[str, Sequence[str]], chosen: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Give the dependencies among chosen waves: who waits for another one waits for what that waits for."""

    def above(name: str) -> dict[str, None]:
        found: dict[str, None] = {}
        for other in depends_on[name]:
            found |= {other: None} if other in chosen else above(other)
        return found

    return {name: tuple(above(name)) for name in depends_on if name in chosen}


def stage_loads(servers: Iterable[LoadedServer]) -> tuple[Mapping[str, Servers], ...]:
    """Count the servers of a wave, by their boot order, and by account and Region."""
    members = tuple(servers)
    known = {server.server_id: (server.place, server.is_ahead) for server in members}
    counted = [Counter(known[server_id] for server_id in stage) for stage in stages(members)]
    return tuple(
        {
            place: Servers(found[place, True], found[place, False])
            for place in dict.fromkeys(place for place, _ in found)
        }
        for found in counted
    )


def opening_of(
    wave: WaveShape, purpose: Purpose, takes: StepTakes = takes_what_it_says, answers_after: timedelta = NOTHING
) -> timedelta:
    """Give what a plan lets pass between a wave's turn and its launch: delay, pause, steps."""
    pause = answers_after if wave.wave.pause_before else NOTHING
    return wave.wave.delay_before + pause + _of_steps(wave, "before", purpose, takes, answers_after)


def closing_of(
    wave: WaveShape, purpose: Purpose, takes: StepTakes = takes_what_it_says, answers_after: timedelta = NOTHING
) -> timedelta:
    """Give what a plan lets pass between a wave's last server and its end: steps."""
    return _of_steps(wave, "after", purpose, takes, answers_after)


def _of_steps(wave: WaveShape, side: str, purpose: Purpose, takes: StepTakes, answers_after: timedelta) -> timedelta:
    steps = [shape.step for shape in (wave.before if side == "before" else wave.after)]
    lengths = (answers_after if step.ASKS_PEOPLE else takes(step) for step in steps if purpose.takes_step(step))
    return sum(lengths, NOTHING)


def _of_plan(
    shape: RunShape, wave: WaveShape, servers: Iterable[RosterServer], purpose: Purpose
) -> Iterable[LoadedServer]:
    is_ahead = shape.launches_ahead and bool(wave.launch_ahead_tasks)
    for server in servers:
        may = AheadCandidate(
            server.server_id,
            server.hostname,
            settings=server.settings,
            runs_actions=bool(server.settings.get("actions")),
        )
        goes_ahead = is_ahead and why_in_its_wave(may, purpose) is None
        yield LoadedServer(server.server_id, server.group, server.order, str(server.target), goes_ahead)
    for group in wave.groups:
        if not group.servers:
            says = AheadCandidate("", "", settings=group.launch.model_dump(mode="json", exclude_none=True))
            goes_ahead = is_ahead and why_in_its_wave(says, purpose) is None
            yield LoadedServer(f"selected by {group.name}", group.name, 1, str(target_of(group)), goes_ahead)
