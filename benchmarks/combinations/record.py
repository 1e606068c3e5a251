"""What is known of one combination afterwards: what was said of its runs, and what the simulator recorded. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drs_provider.rules.launch.tags import RUN

from benchmarks.whole_account import Account, differences, is_write

STEPS = ("SendCommand", "Invoke", "StartAutomationExecution")


@dataclass(frozen=True)
class Said:
    """What Airflow and the report say of a run; ``is_gone``: its Airflow was gone before its end."""

    run_id: str
    state: str
    is_gone: bool = False
    verdict: str | None = None
    reason: str | None = None
    report: Mapping[str, Any] | None = None
    unfinished: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    unanswered: Sequence[str] = ()


@dataclass(frozen=True)
class Launched:
    """One server of one launch job; ``began``, ``ended``: ISO instants."""

    job: str
    run: str
    server: str
    is_drill: bool
    began: str
    ended: str | None
    status: str
    instance: str | None
    subnet: str | None
    starts: Sequence[Mapping[str, Any]] | None = None
    """The starts of its instance (``at``, ``ran``: ISO instants), where it was launched stopped; None: it was not."""

    @property
    def is_prepared(self) -> bool:
        """Whether its instance was launched stopped, and nobody has ever started it."""
        return self.starts is not None and not self.starts


@dataclass(frozen=True)
class Record:
    """What is judged.

    ``launches``: of everybody, oldest first; ``foreign``: jobs that there were before. ``terminated``: instances that
    are gone, with the instant of the call or launch that ended them, where it is known. ``live_before``: recovered
    instances of before that were no drill's, by id. ``drills_before``: drill instances of others. ``alive``: recovery
    instances that are there at the end. ``changed``: in what the accounts differ afterwards.
    """

    said: Sequence[Said] = ()
    acted: bool = False
    problem: str | None = None
    broken: str | None = None
    launches: Sequence[Launched] = ()
    foreign: Sequence[str] = ()
    live_before: Sequence[str] = ()
    drills_before: Sequence[str] = ()
    alive: Sequence[str] = ()
    alive_is_drill: Mapping[str, bool] = field(default_factory=dict)
    terminations: Sequence[tuple[float, str]] = ()
    """Instances that DRS was told to terminate: when, and which."""
    writes: Sequence[Mapping[str, Any]] = ()
    """Calls that may have changed something: number, operation, request."""
    production: Sequence[str] = ()
    """Subnets that there were before."""
    changed: Sequence[str] = ()
    default_types: Mapping[str, str] = field(default_factory=dict)
    """Source server → instance type of its launch template's default version at the end."""
    default_places: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Source server → subnets of its launch template's default version at the end."""


State = Mapping[str, Any]


def record_of(
    said: Sequence[Said],
    acted: bool,
    problem: str | None,
    *,
    calls: Sequence[Mapping[str, Any]],
    before: tuple[State, Sequence[Account]],
    after: tuple[State, Sequence[Account]],
) -> Record:
    """Read what the simulator has recorded."""
    old, new = _regions(before[0]), _regions(after[0])
    recovered = {name: found for region in old for name, found in region["recovery_instances"].items()}
    alive = {
        name: found
        for region in new
        for name, found in region["recovery_instances"].items()
        if region["ec2_instances"].get(found["ec2InstanceID"], "TERMINATED") not in ("TERMINATED", "SHUTTING-DOWN")
    }
    defaults = {
        template: version["LaunchTemplateData"]
        for account in after[1]
        for template, found in account["ec2 launch template versions"].items()
        for version in found["LaunchTemplateVersions"]
        if version["DefaultVersion"]
    }
    data = {
        server: defaults[template]
        for region in new
        for server, found in region["servers"].items()
        if (template := found["launchConfiguration"].get("ec2LaunchTemplateID")) in defaults
    }
    return Record(
        said=said,
        acted=acted,
        problem=problem,
        launches=sorted(
            (part for region in new for job in region["jobs"].values() for part in _launched(job, region["starts"])),
            key=lambda launch: launch.began,
        ),
        foreign=[name for region in old for name in region["jobs"]],
        live_before=[name for name, found in recovered.items() if not found["isDrill"]],
        drills_before=[name for name, found in recovered.items() if found["isDrill"]],
        alive=list(alive),
        alive_is_drill={name: found["isDrill"] for name, found in alive.items()},
        terminations=[
            (call["at"], name)
            for call in calls
            if call["operation"] == "TerminateRecoveryInstances" and call["committed"]
            for name in call["request"]["recoveryInstanceIDs"]
        ],
        writes=[
            {"n": call["n"], "operation": call["operation"], "request": call["request"]}
            for call in calls
            if is_write(call)
        ],
        production=[subnet for region in old for subnet in (region.get("subnets") or {}).values()],
        changed=[line for ours, theirs in zip(before[1], after[1], strict=True) for line in differences(ours, theirs)],
        default_types={server: str(found.get("InstanceType")) for server, found in data.items()},
        default_places={
            server: [each["SubnetId"] for each in found.get("NetworkInterfaces") or () if each.get("SubnetId")]
            for server, found in data.items()
        },
    )


def _regions(state: State) -> list[Any]:
    return [region for account in state["accounts"].values() for region in account.values()]


def _launched(job: Mapping[str, Any], starts: Sequence[Mapping[str, Any]]) -> list[Launched]:
    if job["type"] != "LAUNCH":
        return []
    return [
        Launched(
            job["jobID"],
            job["tags"].get(RUN, ""),
            server,
            job["initiatedBy"] == "START_DRILL",
            job["creationDateTime"],
            job.get("endDateTime"),
            part["status"],
            part["instance"],
            (part.get("landed") or {}).get("subnet_id"),
            [start for start in starts if start["id"] == part["instance"]]
            if (part.get("landed") or {}).get("disposition") == "STOPPED"
            else None,
        )
        for server, part in job["timeline"].items()
    ]
