"""Lets one run of a kind take place, with a death in it, and records what there is afterwards. In this process."""

import asyncio
import io
import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.session import Session
from drs_provider import clock as clocks
from drs_provider.airflow_internals.task_runner import set_supervisor_comms
from drs_provider.dag.factory import dags_of_folder
from drs_provider.hooks.response_check import distrustful
from drs_provider.hooks.retries import RetryPolicy
from drs_provider.rehearsal.engine.clock import RehearsalClock
from drs_provider.rehearsal.engine.loop import JumpingLoop, RehearsalTime
from drs_provider.rehearsal.engine.simulator import SimulatorControl
from drs_provider.rules.launch.backoff import next_poll
from drs_provider.rules.launch.tags import run_key
from drs_provider.triggers import job_poller
from drs_simulator.client import SimulatorHandle

from benchmarks.kill_sweep.judge import Record
from benchmarks.kill_sweep.kinds import HERE, ORIGIN, Kind
from benchmarks.kill_sweep.mortal_run import Death, MortalRun, MortalRuns, replaced
from benchmarks.kill_sweep.regions import WayBackWatch, watch_of

INSTALLATION: Final = "kill-sweep"
_LONGEST: Final = timedelta(days=3).total_seconds()
"""Simulated seconds after which a run that has not ended hangs."""

_LOOKS_EVERY: Final = 30.0
"""Simulated seconds between two looks at jobs: twice a second would be most of what a run costs."""


def environment(url: str, home: Path) -> dict[str, str]:
    """Give what a run needs of its environment, against the simulator at an address."""
    extra = {"region_name": HERE, "endpoint_url": url, "service_config": {"sts": {"endpoint_url": url}}}
    connection = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret", "extra": extra}
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
        "DRS_INSTALLATION": INSTALLATION,
        "DRS_PLANS_FOLDER": str(home / "plans"),
        "DRS_REPORTS": str(home / "reports"),
        "DRS_SIGNING_KEY": "of this sweep",
    }


def dag_of(kind: Kind, home: Path) -> Any:
    """Write the plan's file, and build the DAG as Airflow would."""
    folder = home / "plans"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shop.yaml").write_text(kind.plan)
    found = {dag.dag_id: dag for dag in dags_of_folder(folder, dag_file=folder / "none.py")}
    return found[kind.dag]


@contextmanager
def fewer_clients() -> Iterator[None]:
    """Make each client once: botocore reads its models for every one, which takes longer than what it is asked."""
    made: dict[tuple[object, ...], Any] = {}
    create, on = Session.create_client, RetryPolicy.on
    origins: dict[int, tuple[tuple[object, ...], Callable[[], Any]]] = {}

    def create_client(session: Session, service: str, *args: Any, **kwargs: Any) -> Any:
        named = (f"{name}={value}" for name, value in sorted(kwargs.items()) if name != "config")
        place = (service, args, _who(session), *named)
        if place not in made:
            made[place] = create(session, service, *args, **kwargs)
            origins[id(made[place])] = place, partial(create, session, service, *args, **kwargs)
        return made[place]

    def patient(policy: RetryPolicy, client: Any) -> Any:
        """Give a client of its own: one that sends a request exactly once must not learn to repeat it."""
        if policy.seconds <= 0:
            return client
        place, make = origins[id(client)]
        if (policy.seconds, *place) not in made:
            made[policy.seconds, *place] = on(policy, distrustful(make()))
        return made[policy.seconds, *place]

    with replaced(Session, "create_client", create_client), replaced(RetryPolicy, "on", patient):
        yield


def _who(session: Session) -> object:
    """Tell sessions of other accounts apart: of an assumed role every session is another."""
    found = session.get_credentials()
    return found if found is None or found.method.startswith("sts") else found.access_key


@fewer_clients()
def lived(
    kind: Kind,
    simulator: SimulatorHandle,
    home: Path,
    death: Death,
    *,
    elsewhere: bool = False,
    people: Callable[[MortalRun], None] = lambda _: None,
    then: Callable[[MortalRun], bool] = lambda _: False,
) -> tuple[Record, list[MortalRun]]:
    """Run it to its end, and what goes on with it.

    :param simulator: as new
    :param elsewhere: its whole Airflow dies, and another one with an empty database goes on
    :param people: what people do to each run before it begins
    :param then: what they do to the first one when it is over; true: it goes on
    """
    kind.prepare(simulator)
    before, settings = _instances(simulator), _settings(simulator)
    began, jobs = len(_calls(simulator)), {job["jobID"] for job in _jobs(simulator)}
    watch = watch_of(kind, simulator)
    with simulated_time(simulator) as (clock, loop):
        runs = MortalRuns(death)
        first = MortalRun(
            dag_of(kind, home), kind.conf, "manual__first", clock, runs, answers=kind.answers, gone_with_it=elsewhere
        )
        all_runs, broken = [first], ""
        _watched(first, watch)
        people(first)
        try:
            with set_supervisor_comms(runs):
                loop.run_until_complete(asyncio.wait_for(first.run(), _LONGEST))
                if then(first):
                    loop.run_until_complete(asyncio.wait_for(first.run(), _LONGEST))
            if first.is_gone:
                if kind.is_swept:
                    _sweep(home, clock)
                other = MortalRuns(replace(death, at=0))
                conf = {**kind.elsewhere, **_continued(kind, simulator, first)}
                again = MortalRun(dag_of(kind, home), conf, "manual__second", clock, other, answers=kind.answers)
                all_runs.append(again)
                _watched(again, watch)
                people(again)
                with set_supervisor_comms(other):
                    loop.run_until_complete(asyncio.wait_for(again.run(), _LONGEST))
        except (TimeoutError, RuntimeError) as error:
            broken = f"{type(error).__name__}: {error}"
    calls = _calls(simulator)[began:]
    return (
        Record(
            calls=calls,
            jobs=[job for job in _jobs(simulator) if job["jobID"] not in jobs],
            instances=_instances(simulator),
            before=before,
            sources=_sources(simulator),
            failback_servers=_failback_servers(simulator),
            replication={server["sourceServerID"]: _replication(server) for server in _servers(simulator, HERE)},
            protected=_protected(simulator),
            settings=_settings(simulator),
            settings_before=settings,
            states=dict(all_runs[-1].states),
            report=report_of(home, all_runs[-1]),
            broken=broken,
            back=watch.record() if watch else None,
        ),
        all_runs,
    )


def _watched(run: MortalRun, watch: WayBackWatch | None) -> None:
    if watch is not None:
        run.before_write = watch.look


def _sweep(home: Path, clock: RehearsalClock) -> None:
    """Let ``drs sweep`` remove what a drill has left, once its time is over. Raises RuntimeError where it cannot."""
    from drs_provider.cli import sweep

    clock.advance(_LONGEST)
    options = Namespace(plans=home / "plans", aws_conn_id=None, region=None, dry_run=False, format="text")
    said = io.StringIO()
    with redirect_stdout(said):
        code = sweep.run(options, now=clock.now, sleep=clock.advance)
    if code:
        raise RuntimeError(f"drs sweep: {said.getvalue()}")


def _continued(kind: Kind, simulator: SimulatorHandle, first: MortalRun) -> Mapping[str, str]:
    """Name the run that another Airflow goes on with, where anything of it is in the cloud."""
    key = run_key(first.dag.dag_id, first.run_id, INSTALLATION)
    is_there = any((job.get("tags") or {}).get("drs-orchestrator:run") == key for job in _jobs(simulator))
    return {"continue_run": key} if kind.continues and is_there else {}


@contextmanager
def simulated_time(
    simulator: SimulatorHandle, *, looks_every: float | None = _LOOKS_EVERY
) -> Iterator[tuple[RehearsalClock, JumpingLoop]]:
    """Let everything in this process go by the simulator's clock, which jumps.

    :param looks_every: simulated seconds between two looks at jobs; None: as many as in a real run
    """
    control = SimulatorControl(simulator.url)
    clock = RehearsalClock(control.now(), control.advance)
    clocks.install(RehearsalTime(clock))
    loop = JumpingLoop(clock, control.next_answer_in)
    asyncio.set_event_loop(loop)
    try:
        often = next_poll if looks_every is None else lambda *_, **__: looks_every
        with replaced(job_poller, "next_poll", often):
            yield clock, loop
    finally:
        loop.close()
        asyncio.set_event_loop(None)
        clocks.install(clocks.WallClock())


def report_of(home: Path, run: MortalRun) -> Mapping[str, Any]:
    """Read the report that a run has written; empty: none."""
    reports = [json.loads(found.read_text()) for found in sorted((home / "reports").rglob("report.json"))]
    found: Mapping[str, Any] = next((each for each in reports if each["run"]["run_id"] == run.run_id), {})
    return found


def _calls(simulator: SimulatorHandle) -> list[Mapping[str, Any]]:
    return list(simulator.calls())  # type: ignore[call-overload]


def _jobs(simulator: SimulatorHandle) -> list[Mapping[str, Any]]:
    return [*simulator.client("drs").get_paginator("describe_jobs").paginate(filters={}).build_full_result()["items"]]


def _servers(simulator: SimulatorHandle, region: str) -> list[Mapping[str, Any]]:
    drs = simulator.client("drs", region_name=region)
    return [*drs.get_paginator("describe_source_servers").paginate(filters={}).build_full_result()["items"]]


def _replication(server: Mapping[str, Any]) -> str:
    return str((server.get("dataReplicationInfo") or {}).get("dataReplicationState") or "")


def _in_ec2(simulator: SimulatorHandle, region: str) -> dict[str, Mapping[str, Any]]:
    pages = simulator.client("ec2", region_name=region).get_paginator("describe_instances").paginate()
    return {
        instance["InstanceId"]: instance
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    }


def _instances(simulator: SimulatorHandle) -> dict[str, tuple[str, str]]:
    tag = "AWSElasticDisasterRecoverySourceServerID"
    return {
        name: (server, instance["State"]["Name"])
        for name, instance in _in_ec2(simulator, HERE).items()
        if (server := next((each["Value"] for each in instance.get("Tags", ()) if each["Key"] == tag), ""))
    }


def _sources(simulator: SimulatorHandle) -> dict[str, str]:
    there = _in_ec2(simulator, ORIGIN)
    hints = {
        server["sourceServerID"]: (server.get("sourceProperties") or {}).get("identificationHints") or {}
        for server in _servers(simulator, HERE)
    }
    return {
        server: there[hint["awsInstanceID"]]["State"]["Name"] if hint.get("awsInstanceID") in there else "gone"
        for server, hint in hints.items()
    }


def _failback_servers(simulator: SimulatorHandle) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for server in _servers(simulator, ORIGIN):
        if server.get("replicationDirection") == "FAILBACK":
            name = server["sourceProperties"]["identificationHints"]["awsInstanceID"]
            found.setdefault(name, []).append(_replication(server))
    return found


def _protected(simulator: SimulatorHandle) -> dict[str, bool]:
    ec2 = simulator.client("ec2")
    up = [name for name, (_, state) in _instances(simulator).items() if state == "running"]
    return {
        name: ec2.describe_instance_attribute(InstanceId=name, Attribute="disableApiTermination")[
            "DisableApiTermination"
        ]["Value"]
        for name in up
    }


def _settings(simulator: SimulatorHandle) -> dict[str, object]:
    drs, ec2 = simulator.client("drs"), simulator.client("ec2")
    found: dict[str, object] = {}
    for server in _servers(simulator, HERE):
        configuration = drs.get_launch_configuration(sourceServerID=server["sourceServerID"])
        template = configuration["ec2LaunchTemplateID"]
        (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Default"])[
            "LaunchTemplateVersions"
        ]
        found[server["sourceServerID"]] = (
            configuration["copyTags"],
            configuration["targetInstanceTypeRightSizingMethod"],
            version["LaunchTemplateData"].get("InstanceType"),
        )
    return found
