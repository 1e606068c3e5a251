"""Whose the live instances of a server are that its launch would terminate, and whether a run may replace them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from drs_provider.exceptions import RunRefused
from drs_provider.formatting import duration, parse_instant
from drs_provider.rules.launch.tags import Mark, read_mark
from drs_provider.rules.purpose import Purpose, purpose_of
from drs_provider.rules.servers import Answer, is_live

JUST_RECOVERED: Final = timedelta(days=1)
"""How long after its launch nobody is advised to replace a recovered instance: production has just come up on it."""

InstanceOwner = Literal["this_run", "this_plan", "expired_drill", "other_drill", "stranger"]
"""``other_drill``: a run of ours that may go on. ``stranger``: no run of ours launched it, or nobody can tell."""


@dataclass(frozen=True)
class InstanceOrigin:
    """Where a recovery instance comes from; ``launched_at``: when its job was created, None where nobody knows.

    ``mark``: what the job's tags say of the run that launched it; None: no run of ours did.
    """

    job_id: str = ""
    launched_at: datetime | None = None
    mark: Mark | None = None

    def owner(
        self, *, own_runs: Collection[str], own_plan: str, now: datetime, own_installation: str = ""
    ) -> InstanceOwner:
        """Say whose the instance is.

        :param own_runs: keys of the run itself, and of one that it continues
        :param own_plan: DAG id
        :param own_installation: id of the Airflow that asks: another one's runs of the same plan are not this plan's
        """
        if self.mark is None:
            return "stranger"
        if self.mark.run in own_runs:
            return "this_run"
        if self.mark.plan == own_plan and not self.mark.is_of_other_airflow(own_installation):
            return "this_plan"
        if self.mark.is_drill and self.mark.expires:
            return "expired_drill" if self.mark.expires <= now else "other_drill"
        return "stranger"

    def is_recent(self, now: datetime) -> bool:
        """Tell whether it was launched a moment ago, as far as anybody knows."""
        return self.launched_at is not None and now - self.launched_at < JUST_RECOVERED

    def age(self, now: datetime) -> str:
        """Word how long ago it was launched; empty where nobody knows."""
        return f"launched {duration(max(now - self.launched_at, timedelta(0)))} ago" if self.launched_at else ""

    def words(self, now: datetime) -> str:
        """Word when and by what it was launched."""
        by = f"by job {self.job_id}" if self.job_id else "by a job that DRS does not name"
        if self.mark and self.mark.installation:
            by += f", run {self.mark} of Airflow installation {self.mark.installation}"
        return f"{self.age(now) or 'launched'} {by}"


@dataclass(frozen=True, kw_only=True)
class Replacing:
    """What a run may replace, and what is known of the instances that are there.

    :param origins: by instance id
    :param own_runs: keys of the run itself, and of one that it continues
    :param own_plan: DAG id
    :param own_installation: id of the Airflow that the run is of
    """

    replace_live_instances: bool = False
    replace_drills: bool = False
    origins: Mapping[str, InstanceOrigin] = field(default_factory=dict)
    own_runs: Collection[str] = ()
    own_plan: str = ""
    own_installation: str = ""

    def origin(self, instance: Answer) -> InstanceOrigin:
        """Return where an instance comes from, as far as anybody knows."""
        return self.origins.get(str(instance.get("recoveryInstanceID"))) or InstanceOrigin(
            str(instance.get("jobID", ""))
        )

    def owner(self, instance: Answer, now: datetime) -> InstanceOwner:
        """Say whose an instance is."""
        return self.origin(instance).owner(
            own_runs=self.own_runs, own_plan=self.own_plan, now=now, own_installation=self.own_installation
        )


def origins_of(
    instances: Iterable[Answer], jobs: Iterable[Answer], sources: Iterable[Answer] = ()
) -> dict[str, InstanceOrigin]:
    """Return where recovery instances come from, by instance id.

    :param instances: items of DescribeRecoveryInstances
    :param jobs: the jobs of the account and Region, those of the instances among them as far as DRS still knows them
    :param sources: items of DescribeSourceServers: a server remembers its last launch longer than DRS keeps the job
    """
    by_id = {str(job["jobID"]): job for job in jobs}
    remembered = {
        str(initiated["jobID"]): initiated.get("apiCallDateTime")
        for source in sources
        if (initiated := ((source.get("lifeCycle") or {}).get("lastLaunch") or {}).get("initiated") or {}).get("jobID")
    }
    found = {}
    for instance in instances:
        job_id = str(instance.get("jobID") or "")
        job = by_id.get(job_id)
        # The job is the better witness: DRS copies a source server's tags to its instances.
        tags = job.get("tags") if job is not None else instance.get("tags")
        at = (job or {}).get("creationDateTime") or remembered.get(job_id)
        origin = InstanceOrigin(job_id, parse_instant(str(at)) if at else None, read_mark(tags))
        found[str(instance["recoveryInstanceID"])] = origin
    return found


def ensure_may_replace(mode: str | Purpose, *, replace_live_instances: bool) -> None:
    """Refuse a drill that is told to replace live recovered instances. Raises RunRefused."""
    purpose = mode if isinstance(mode, Purpose) else purpose_of(mode)
    if replace_live_instances and not purpose.may_replace_recovered:
        raise RunRefused(no_replacing(purpose))


def no_replacing(purpose: Purpose) -> str:
    """Word that such a run may not replace what is recovered."""
    return (
        f"replace_live_instances is for recoveries: a {purpose} never terminates a live recovered instance. Switch it "
        "off, and leave out the servers that have one (exclude_servers)"
    )


def others_drills(
    instances: Iterable[Answer],
    origins: Mapping[str, InstanceOrigin],
    *,
    own_runs: Collection[str],
    own_plan: str,
    now: datetime,
    own_installation: str = "",
) -> dict[str, InstanceOrigin]:
    """Return the live drill instances that neither this plan nor an expired drill of ours has launched, by id."""
    unknown = InstanceOrigin()
    found = {
        name: origins.get(name, unknown)
        for instance in instances
        if is_live(instance) and instance.get("isDrill") is True
        for name in [str(instance["recoveryInstanceID"])]
    }
    return {
        name: origin
        for name, origin in found.items()
        if origin.owner(own_runs=own_runs, own_plan=own_plan, now=now, own_installation=own_installation)
        in ("stranger", "other_drill")
    }


def drills_in_the_way(found: Mapping[str, InstanceOrigin], servers: Mapping[str, str], now: datetime) -> str:
    """Word why a drill is not started over drill instances of others.

    :param found: as :func:`others_drills` returns them
    :param servers: source server by instance id
    """
    named = ", ".join(f"{servers.get(name, name)} has {name} ({origin.words(now)})" for name, origin in found.items())
    count = len(found)
    return (
        f"a launch would terminate {count} drill instance{'s'[: count != 1]} of somebody else: {named}. Nothing of "
        "this job was started. Ask whose it is and wait until it is gone, leave these servers out, or set "
        "replace_drills=True to terminate it"
    )


def servers_by_instance(instances: Sequence[Answer]) -> dict[str, str]:
    """Return the source server of each recovery instance."""
    return {str(instance["recoveryInstanceID"]): str(instance.get("sourceServerID", "")) for instance in instances}
