"""Which prepared instances nobody has ever started, as DRS and EC2 say at this moment."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from drs_provider.exceptions import AwsError
from drs_provider.rules.ahead.never_started import PreparedInstance, why_it_may_have_run
from drs_provider.rules.ahead.next_start import StartTry
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.launch.tags import run_key
from drs_provider.rules.run.handover import InstanceStarts
from drs_provider.services.store import Store, load

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.answers import Answer
    from drs_provider.rules.run.handover import Launch, PreflightResult


def refused_starts(store: Store) -> dict[str, tuple[StartTry, ...]]:
    """Return the starts of those instances whose last start EC2 has refused, by instance id; oldest first."""
    kept = load(store, InstanceStarts)
    return {
        name: tuple(StartTry(start.at, start.refused, is_capacity=start.is_capacity) for start in starts)
        for name, starts in (kept.instances if kept else {}).items()
        if starts and starts[-1].refused
    }


def why_they_may_have_run(
    hook: "LaunchSettingsHook",
    server_ids: Sequence[str],
    starts: Mapping[str, Sequence[StartTry]],
    *,
    run: str,
    continues: str | None,
) -> dict[str, str | None]:
    """Say of the instances of some servers why each is not proven never to have been started; None: it is proven.

    :param hook: of their account and Region
    :param starts: as :func:`refused_starts` gives them; an instance that is not named there is not asked about
    :param run: key of the run, as the tags of its jobs give it
    :param continues: key of the run that it goes on with
    :return: by instance id in EC2; one that DRS does not show as these servers' is absent, and not proven
    :raises AwsError: AWS does not say
    """
    shown = {
        str(item["ec2InstanceID"]): item
        for item in hook.recovery_instances(source_server_ids=server_ids)
        if item.get("ec2InstanceID") in starts
    }
    jobs = {job["jobID"]: job for job in hook.jobs(sorted({str(i["jobID"]) for i in shown.values() if i.get("jobID")}))}
    ec2 = hook.ec2_instances(list(shown)) if shown else {}
    return {
        name: why_it_may_have_run(
            PreparedInstance(name, item, jobs.get(str(item.get("jobID"))), ec2.get(name), starts[name]),
            run=run,
            continues=continues,
        )
        for name, item in shown.items()
    }


class LaunchedThere(Protocol):
    """What a wave has launched in one account and Region, as ``wave_rounds.TargetLaunch`` is."""

    @property
    def launch(self) -> "Launch":
        """Its jobs."""
        ...


class RunOfWave(Protocol):
    """The run that a wave belongs to, as ``wave_rounds.WaveRun`` is."""

    @property
    def dag_id(self) -> str:
        """Id of the plan's DAG."""
        ...

    @property
    def run_id(self) -> str:
        """Id of the run."""
        ...


class StartedWave(Protocol):
    """A wave as far as it is asked about, as ``wave_rounds.WaveRounds`` is."""

    store: Store
    preflight: "PreflightResult"

    @property
    def hook_of(self) -> "Callable[[Launch], LaunchSettingsHook]":
        """Makes the hook of a launch's account and Region."""
        ...

    @property
    def run(self) -> RunOfWave:
        """Its run."""
        ...

    @property
    def started(self) -> Sequence[LaunchedThere]:
        """What it has launched so far."""
        ...


class StartProofs:
    """What is known, on one look at a wave, of its instances whose start EC2 has refused; asked once, when needed."""

    def __init__(self, rounds: StartedWave) -> None:
        self._rounds, self._known = rounds, dict[str, str | None]()

    def never_started(self, results: Iterable[ServerResult]) -> frozenset[str]:
        """Give those of these servers whose instance is proven to be the run's own that nobody has ever started.

        :raises AwsError: AWS does not say now (``retryable``): look again later
        """
        refused = refused_starts(self._rounds.store)
        asked = [result for result in results if result.instance_id in refused]
        return frozenset(result.server_id for result in asked if self.why_not(result) is None)

    def why_not(self, result: ServerResult) -> str | None:
        """Say why the instance of a server whose start EC2 has refused is not proven never to have been started.

        :raises AwsError: AWS does not say now (``retryable``): look again later
        """
        name = result.instance_id or ""
        if name not in self._known:
            self._look()
        return self._known.get(name, f"DRS does not show {name}")

    def still_proven(self, launched: LaunchedThere, live: Iterable["Answer"]) -> frozenset[str]:
        """Give the EC2 ids of those of these recovery instances of one account and Region that are proven now."""
        named = {str(item.get("ec2InstanceID")): str(item["sourceServerID"]) for item in live}
        refused = refused_starts(self._rounds.store)
        servers = [server for name, server in named.items() if name in refused]
        found = self._ask(launched, servers) if servers else {}
        return frozenset(name for name in named if name in found and found[name] is None)

    def _look(self) -> None:
        for launched in self._rounds.started:
            try:
                self._known |= self._ask(launched, launched.launch.servers)
            except AwsError as error:
                if error.retryable:
                    raise
                why = f"it cannot be looked at: {error}"
                self._known |= dict.fromkeys(refused_starts(self._rounds.store), why)

    def _ask(self, launched: LaunchedThere, server_ids: Sequence[str]) -> dict[str, str | None]:
        rounds = self._rounds
        return why_they_may_have_run(
            rounds.hook_of(launched.launch),
            server_ids,
            refused_starts(rounds.store),
            run=run_key(rounds.run.dag_id, rounds.run.run_id, rounds.preflight.installation),
            continues=rounds.preflight.continue_run,
        )
