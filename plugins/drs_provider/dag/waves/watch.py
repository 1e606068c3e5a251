"""The task that sees a wave through: it waits for the jobs, launches what comes next, and judges once over all."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from drs_provider.dag.run_reader import preflight_result
from drs_provider.dag.waves.cancellation import cancelled_watch
from drs_provider.dag.waves.preemption import ensure_not_taken_over
from drs_provider.dag.waves.tagging import settings_marks
from drs_provider.exceptions import AwsError, PlanChanged, QuotaExceeded
from drs_provider.formatting import duration_words, parse_instant
from drs_provider.operators.base import failing_for_good
from drs_provider.rules.launch.launched import StartedJobs
from drs_provider.rules.run.keys import INSTANCES, LATER, LAUNCH, TRIES
from drs_provider.rules.run.request import is_drill, read_as_of
from drs_provider.sensors.job import BACKSTOP, DrsRecoveryJobSensor

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.launch.next_launch import Launch, LaunchState
    from drs_provider.rules.launch.results import Allows, ServerResult
    from drs_provider.services.start_jobs import MustWait
    from drs_provider.triggers.jobs import DrsJobEvent


_PLACES = ("subnet_id", "security_group_ids", "private_ip")
"""Where an instance is: in a drill a difference here may be production."""

_FOLLOWED, _WAITING = "drs_followed", "drs_waiting_since"
_MAX_WAIT = timedelta(hours=6)
_LOOK_AGAIN_AFTER = timedelta(seconds=15)


class WatchWave(DrsRecoveryJobSensor):
    """Wait for every job of a wave, in all its accounts and Regions, and judge the wave once over all servers.

    Where servers have a boot order, or failed ones are launched again (``retry_failed``, ``fallback``), it starts the
    next jobs itself, through the same exactly-once protocol as the start task, and waits again. Every round of jobs has
    the wave's whole ``timeout``. It knows its jobs from the start tasks and from its own task state store, so that any
    leg of it may be the last one lived.
    """

    template_fields: Sequence[str] = ()  # nothing to render: everything comes from the start tasks and preflight

    def __init__(
        self,
        *,
        plan: str,
        wave: str,
        start_task_ids: Sequence[str],
        digest: str = "",
        retries_of_failed: int = 0,
        networks: Mapping[str, int] | None = None,
        settings_task_ids: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(jobs=(), **kwargs)
        self.plan, self.wave, self.start_task_ids = plan, wave, tuple(start_task_ids)
        self.digest, self.retries_of_failed, self.networks = digest, retries_of_failed, dict(networks or {})
        self.settings_task_ids = dict(settings_task_ids or {})
        self.preflight: Mapping[str, Any] = {}
        self.is_cut_short = False
        self._by_id: dict[str, Mapping[str, Any]] = {}

    def prepare(self, context: Context) -> None:
        """Take jobs and servers from what the start tasks, preflight and earlier legs left, on every leg."""
        from drs_provider.rules.launch.next_launch import newest

        ti = context["ti"]
        launches = [
            {**launch, "settings_task": self.settings_task_ids.get(task, "")}
            for task in self.start_task_ids
            if (launch := ti.xcom_pull(task_ids=task, key=LAUNCH))
        ]
        if not launches:
            raise AirflowFailException(
                f"wave {self.wave}: no record of a started job. A start task that was marked as successful launched "
                "nothing; clear it to launch the wave"
            )
        self.preflight = preflight_result(context, self.plan)
        targets = self.preflight["waves"][self.wave]["targets"]
        self.servers = [
            {"id": server["server_id"], "target": number, **server}
            for number, target in enumerate(targets)
            for server in target["servers"]
        ]
        self._by_id = {str(one["server_id"]): one for one in self.servers}
        store: Any = context["task_state_store"]
        followed: Sequence[Mapping[str, Any]] = store.get(_FOLLOWED) or ()
        self.started = [{**launch, "jobs": list(launch["jobs"])} for launch in launches]
        for job in followed:
            where = (job["aws_conn_id"], job["region"])
            launch = next(one for one in self.started if (one["aws_conn_id"], one["region"]) == where)
            if job["job_id"] not in {one["job_id"] for one in launch["jobs"]}:
                launch["jobs"].append(job)
        holder = newest([job for launch in self.started for job in launch["jobs"]])
        self.holder = {server: {**job} for server, job in holder.items()}
        self.jobs = [{**launch, "jobs": [self._narrowed(job) for job in launch["jobs"]]} for launch in self.started]

    def _narrowed(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Leave a job those servers that no later job holds: only their outcome is its to decide."""
        mine = [one for one in job["servers"] if self.holder[one]["job_id"] == job["job_id"]]
        return {**job, "servers": mine}

    def conclude(self, context: Context, results: "list[ServerResult]") -> "list[ServerResult]":
        """Launch what comes next, or add the servers that were never launched to the results."""
        cancelled = cancelled_watch(context, self.start_task_ids)
        why = cancelled or "not launched: servers that boot before it failed"
        if cancelled:
            self._follow_begun(context)
        elif chosen := self._next(context, results):
            if self.preflight["digest"] == self.digest:
                self._launch(context, chosen)
            why = str(PlanChanged(self.plan, self.preflight["digest"], self.digest))
            self.log.error("%s", why)
        self._leave(context)
        missing = self._missing(why, everywhere=cancelled is not None)
        self.is_cut_short = bool(cancelled and missing)
        return [*self._looked_after(context, results), *missing]

    def _follow_begun(self, context: Context) -> None:
        """Watch what a launch of this task has started while the rest of it waited for room, when a person ends it."""
        from drs_provider.services.launch_memory import Memory
        from drs_provider.services.start_jobs import begun_jobs

        memory = Memory(context["task_state_store"], max_tries=context["ti"].max_tries).jobs()
        known = {job["job_id"] for launched in self.started for job in launched["jobs"]}
        fresh = [
            {**job, "aws_conn_id": launched["aws_conn_id"], "region": launched["region"]}
            for launched in self.started
            for job in begun_jobs(
                self._hook_of(launched),
                self._request(context, self._servers_of(launched), launched),
                since=context["dag_run"].start_date,
                remembered=memory,
            )
            if job["job_id"] not in known
        ]
        if not fresh:
            return
        self._follow(context, fresh)
        self.prepare(context)
        self.watch(self._launches())

    def _servers_of(self, launched: Mapping[str, Any]) -> list[str]:
        return [one["server_id"] for one in self.servers if self._launch_of(one["target"]) is launched]

    def _looked_after(self, context: Context, results: "Sequence[ServerResult]") -> "list[ServerResult]":
        """Protect a recovery's instances, and give up a drill's that are elsewhere than they were asked to be.

        At once, and not in a task of its own: the next wave must not start when this one may be in production.
        """
        from drs_provider.services.instance_protection import look_after

        tries, found = self._all_tries(context), dict[str, dict[str, Any]]()
        for launched in self.started:
            wanted = {
                one: {
                    **(self._server(one).get("settings") or {}),
                    **(tries[one][-1]["settings"] if one in tries else {}),
                }
                for one in dict.fromkeys(server for job in launched["jobs"] for server in job["servers"])
            }
            jobs = [job["job_id"] for job in launched["jobs"]]
            here, errors = look_after(self._hook_of(launched), self.adjusted(context, wanted, launched), jobs)
            for one in here.values():
                if error := errors.get(str(one["instance_id"])):
                    one["not_protected"] = str(error)
                    if error.retryable:
                        raise error
            found |= here
        context["ti"].xcom_push(key=INSTANCES, value=found)
        return [self._in_place(result, found.get(result.server_id)) for result in results]

    def _in_place(self, result: "ServerResult", instance: Mapping[str, Any] | None) -> "ServerResult":
        from drs_provider.rules.settings.values import shown

        astray = [
            f"{one['field']} is {shown(one['found'])}, asked for was {shown(one['wanted'])}"
            for one in (instance["differences"] if instance and instance["is_drill"] else ())
            if one["field"] in _PLACES
        ]
        if not astray:
            return result
        reason = f"the drill's instance is not where it was asked to be, perhaps in production: {'; '.join(astray)}"
        return replace(result, status="failed", critical=True, reason=reason)

    def _next(self, context: Context, results: "Sequence[ServerResult]") -> "Sequence[Launch]":
        from drs_provider.rules.launch.next_launch import LaunchState, next_launches, stages

        by_id = {one.server_id: one for one in results}
        here = {job["server_id"] for job in self.servers if self._launch_of(job["target"]) is not None}
        standings = {
            one["server_id"]: LaunchState(
                one["server_id"],
                one["critical"],
                int(self.holder.get(one["server_id"], {}).get("attempt", 1)) if one["server_id"] in by_id else 0,
                one["server_id"] in by_id and by_id[one["server_id"]].status == "launched",
            )
            for one in self.servers
        }
        base = max(int(launch.get("attempt", 1)) for launch in self.started)
        chosen = next_launches(
            [self._standing(stage, standings, here) for stage in stages(self.servers)],
            base=base,
            allows=self._tolerance(),
            may_try_again=lambda server: self._choose(context, by_id[server], base) is not None,
        )
        tries = self._tries(context, base)
        for server in (one for launch in chosen if launch.attempt > base for one in launch.server_ids):
            again = self._choose(context, by_id[server], base)
            tries[server] = [*self._earlier(context, by_id[server], base), again.as_json()]
            self.log.warning("%s is launched again %s: %s", by_id[server].hostname, again, again.reason)
        if chosen:
            store: Any = context["task_state_store"]
            store.set(TRIES, {"base": base, "servers": tries}, retention=NEVER_EXPIRE)
        return chosen

    @staticmethod
    def _standing(stage: Sequence[str], standings: "Mapping[str, LaunchState]", here: set[str]) -> "list[LaunchState]":
        return [standings[one] for one in stage if one in here]

    def _choose(self, context: Context, result: "ServerResult", base: int) -> Any:
        from drs_provider.rules.launch.next_launch import choose
        from drs_provider.services.recovery_points import POINTS

        server = self._server(result.server_id)
        job = self.holder.get(result.server_id, {})
        store: Any = context["task_state_store"]
        pinned = {**self._first_points(), **(store.get(POINTS) or {})}.get(result.server_id)
        return choose(
            result.as_json(),
            self._earlier(context, result, base),
            settings=server.get("settings") or {},
            retries=self.retries_of_failed,
            is_drill=is_drill(self.preflight["mode"]),
            used_until=pinned["at"] if pinned else str(job.get("created_at")),
        )

    def _earlier(self, context: Context, result: "ServerResult", base: int) -> list[dict[str, Any]]:
        """Return the tries before this failure: one whose launch did not come about is decided on anew."""
        return [one for one in self._tries(context, base).get(result.server_id, ()) if one["job_id"] != result.job_id]

    def _tries(self, context: Context, base: int) -> dict[str, list[dict[str, Any]]]:
        kept: Any = context["task_state_store"].get(TRIES) or {}
        return dict(kept["servers"]) if kept.get("base") == base else {}

    def _first_points(self) -> dict[str, Any]:
        return {server: point for launch in self.started for server, point in (launch.get("points") or {}).items()}

    def _launch(self, context: Context, chosen: "Sequence[Launch]") -> NoReturn:
        """Launch servers in their accounts and Regions, and wait: for their jobs, or for room where there is none."""
        begun, full = False, None
        for launch in chosen:
            for number in dict.fromkeys(one["target"] for one in self.servers):
                launched = self._launch_of(number)
                servers = [one["server_id"] for one in self.servers if one["target"] == number]
                servers = [one for one in servers if one in launch.server_ids]
                if not servers or launched is None:
                    continue
                wait = self._launch_in(context, launch, servers, launched)
                begun, full = begun or wait is None, (wait, launched) if wait else full
        if full and not begun:
            self._wait_for_room(context, *full)
        # What found no room is launched after the wait for what did.
        context["task_state_store"].set(_WAITING, "", retention=NEVER_EXPIRE)
        self.prepare(context)
        self.watch(self._launches())

    def _launch_in(
        self, context: Context, launch: "Launch", chosen: Sequence[str], launched: Mapping[str, Any]
    ) -> "MustWait | None":
        """Launch servers of one account and Region, with what is to be different this time; give back a wait."""
        from drs_provider.services.launch_memory import Memory
        from drs_provider.services.recovery_points import Pinning
        from drs_provider.services.settings_apply import apply_all
        from drs_provider.services.start_jobs import MustWait, Start

        store: Any = context["task_state_store"]
        hook = self._hook_of(launched)
        if is_drill(self.preflight["mode"]):
            ensure_not_taken_over(context, self.preflight, hook)
        tries = {server: known[-1] for server, known in self._all_tries(context).items() if known and server in chosen}
        changed = {
            server: {**(self._server(server).get("settings") or {}), **one["settings"]}
            for server, one in tries.items()
            if one["settings"]
        }
        apply_all(
            hook,
            self.adjusted(context, changed, launched),
            is_temporary=is_drill(self.preflight["mode"]),
            marks=settings_marks(launched.get("tags") or {}, run=context["dag_run"]),
        )
        self._ensure_safe(context, hook, launched, [one for one in chosen if one not in changed])
        pinning = Pinning(
            self.preflight["mode"],
            read_as_of(self.preflight["point_in_time"]),
            {one["server_id"]: one["hostname"] for one in self.servers},
            store,
            {server: parse_instant(one["before"]) for server, one in tries.items() if one["before"]},
        )
        memory = Memory(store, max_tries=context["ti"].max_tries)
        start = Start(
            hook,
            memory,
            self._request(context, chosen, launched),
            now=lambda: datetime.now(UTC),
            points=partial(pinning.points, hook),
            ended=lambda: cancelled_watch(context, self.start_task_ids) is not None,
        )
        outcome = start.run(launch.attempt)
        if isinstance(outcome, MustWait):
            return outcome
        where = {"aws_conn_id": launched["aws_conn_id"], "region": launched["region"]}
        self._follow(context, [{**job, **where} for job in outcome])
        return None

    def _follow(self, context: Context, jobs: Sequence[Mapping[str, Any]]) -> None:
        store: Any = context["task_state_store"]
        followed = {job["job_id"]: job for job in store.get(_FOLLOWED) or ()}
        followed |= {job["job_id"]: dict(job) for job in jobs}
        store.set(_FOLLOWED, list(followed.values()), retention=NEVER_EXPIRE)

    def _ensure_safe(
        self, context: Context, hook: "LaunchSettingsHook", launched: Mapping[str, Any], servers: Sequence[str]
    ) -> None:
        """Look once more, as the wave's start does: a later launch of a drill must not land in production either."""
        from drs_provider.dag.waves.network import ensure_still_isolated, network_of
        from drs_provider.dag.waves.settings import ensure_in_force

        mode, number = self.preflight["mode"], self.networks.get(self._target_name(launched), 0)
        if number and is_drill(mode):
            aws = StartedJobs((), launched["aws_conn_id"], launched["region"]).aws(self.aws)
            ensure_still_isolated(network_of(context, number), aws)
        if task := launched["settings_task"]:
            wanted = {one: self._server(one).get("settings") or {} for one in servers}
            ensure_in_force(context, task, hook, servers, self.adjusted(context, wanted, launched), mode=mode)

    def adjusted(
        self, context: Context, settings: Mapping[str, Mapping[str, Any]], launched: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any]]:
        """Return settings as they are applied in this run; a drill's stay inside its network."""
        from drs_provider.dag.waves.settings import in_this_run

        number = self.networks.get(self._target_name(launched), 0)
        return in_this_run(context, settings, self._by_id, mode=self.preflight["mode"], network=number)

    def _all_tries(self, context: Context) -> dict[str, list[dict[str, Any]]]:
        kept: Any = context["task_state_store"].get(TRIES) or {}
        return dict(kept.get("servers") or {})

    def _request(self, context: Context, servers: Sequence[str], launched: Mapping[str, Any]) -> Any:
        from drs_provider.rules.launch.quotas import Quotas
        from drs_provider.rules.launch.takeover import LOOK_BACK
        from drs_provider.services.start_jobs import Request

        continued = self.preflight.get("continue_run")
        ti, began = context["ti"], context["dag_run"].start_date or datetime.now(UTC)
        quotas = self.preflight["quotas"].get(self._target_name(launched))
        return Request(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            wave=self.wave,
            servers=tuple(servers),
            is_drill=is_drill(self.preflight["mode"]),
            replace_live_instances=self.preflight["replace_live_instances"],
            since=min(
                began - timedelta(minutes=10), datetime.now(UTC) - (LOOK_BACK if continued else timedelta(days=1))
            ),
            continues=continued,
            tags=launched.get("tags") or {},
            quotas=Quotas(**quotas) if quotas else None,
        )

    def _wait_for_room(self, context: Context, wait: "MustWait", launched: Mapping[str, Any]) -> NoReturn:
        store: Any = context["task_state_store"]
        now = datetime.now(UTC)
        since = parse_instant(store.get(_WAITING) or now.isoformat())
        if now - since > _MAX_WAIT:
            raise QuotaExceeded("StartRecovery", "WaitedTooLong", f"waited {duration_words(now - since)}: {wait.why}")
        store.set(_WAITING, since.isoformat(), retention=NEVER_EXPIRE)
        self.log.info("Waiting, this is no failure: %s", wait.why)
        if wait.job_ids:
            from drs_provider.triggers.jobs import DrsJobTrigger

            one = StartedJobs((), launched["aws_conn_id"], launched["region"])
            trigger: Any = DrsJobTrigger(
                watches=[{"aws": one.aws(self.aws), "job_ids": list(wait.job_ids)}],
                since=now.isoformat(),
                deadline=(now + _MAX_WAIT).isoformat(),
                until="all" if wait.until == "all" else "any",
            )
        else:
            from airflow.providers.standard.triggers.temporal import DateTimeTrigger

            trigger = DateTimeTrigger(moment=now + _LOOK_AGAIN_AFTER)
        self.defer(trigger=trigger, method_name=self.room_found.__name__, timeout=_MAX_WAIT + BACKSTOP)

    def room_found(self, context: Context, event: "DrsJobEvent | Any") -> dict[str, Any]:
        """Go on after a wait for room: look again at everything, and launch what fits."""
        with failing_for_good():
            self.prepare(context)
            if isinstance(event, Mapping) and event.get("outcome") == "refused":
                raise AwsError("DescribeJobs", "Refused", str(event["detail"]))
            return self._judge(context, self._deadline(None))

    def _hook_of(self, launched: Mapping[str, Any]) -> "LaunchSettingsHook":
        from drs_provider.hooks.launch_settings import LaunchSettingsHook

        return LaunchSettingsHook(**StartedJobs((), launched["aws_conn_id"], launched["region"]).aws(self.aws))

    def _launch_of(self, target: int) -> Mapping[str, Any] | None:
        """Return what was started in the account and Region of one of preflight's parts of the wave; None: nothing."""
        part = self.preflight["waves"][self.wave]["targets"][target]
        return next((one for one in self.started if self._is_in(one, part)), None)

    def _is_in(self, launched: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
        mine = {server["server_id"] for server in part["servers"]}
        return any(mine & set(job["servers"]) for job in launched["jobs"])

    def _target_name(self, launched: Mapping[str, Any]) -> str:
        from drs_provider.rules.run.roster import Target

        part = next(one for one in self.preflight["waves"][self.wave]["targets"] if self._is_in(launched, one))
        return str(Target(part["aws_conn_id"], part["region"]))

    def _server(self, server_id: str) -> Mapping[str, Any]:
        return self._by_id[server_id]

    def _missing(self, why: str, *, everywhere: bool) -> "list[ServerResult]":
        """Return the servers that were not launched; ``everywhere``: also where nothing of the wave was."""
        from drs_provider.rules.launch.results import ServerResult

        missing = [
            one
            for one in self.servers
            if one["server_id"] not in self.holder and (everywhere or self._launch_of(one["target"]))
        ]
        return [
            ServerResult(one["server_id"], one["hostname"], one["critical"] or everywhere, "failed", reason=why)
            for one in missing
        ]

    def _tolerance(self) -> "Allows":
        from drs_provider.rules.launch.results import tolerance

        # What a plan tolerates are failures, not that a person ended the wave: nothing may go on after it.
        return tolerance("0") if self.is_cut_short else super()._tolerance()

    def _leave(self, context: Context) -> None:
        """Leave what was launched after the start, and what failed before, for the report."""
        from drs_provider.services.recovery_points import POINTS

        store: Any = context["task_state_store"]
        followed: Sequence[Mapping[str, Any]] = store.get(_FOLLOWED) or ()
        parts: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
        for job in followed:
            parts[job["aws_conn_id"], job["region"]].append(job)
        if parts:
            points: Any = store.get(POINTS) or {}
            later = [
                {"aws_conn_id": conn, "region": region, "jobs": jobs, "points": points}
                for (conn, region), jobs in parts.items()
            ]
            context["ti"].xcom_push(key=LATER, value=later)
        if tries := {server: known for server, known in self._all_tries(context).items() if known}:
            context["ti"].xcom_push(key=TRIES, value=tries)
