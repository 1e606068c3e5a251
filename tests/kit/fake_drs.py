"""A DRS of a few lines, for tests of what is done with its answers; the simulator is the one that is like AWS."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from drs_provider.hooks.drill_resources import AttachedResources
from drs_provider.rules.launch.quotas import Quotas

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class MemoryStore(dict):
    """A task state store. ``fail_after`` sets of a key raise, as a worker that is killed at that point."""

    def __init__(self):
        super().__init__()
        self.killed_at: str | None = None

    def set(self, key, value, *, retention=None):
        assert value is not None, "Airflow's store takes no None"
        if key == self.killed_at:
            self.killed_at = None
            raise SystemExit("killed")
        self[key] = value


class FakeDrs:
    """Answers like DrsHook. ``answers`` scripts StartRecovery: an exception, or ``lost`` with one, or None (works)."""

    region = "us-west-2"

    def __init__(self, *, quotas: Quotas | None = None):
        self.all_jobs: list[dict] = []
        self.instances: list[dict] = []
        self.ec2: dict[str, str] = {}
        self.starts: list[tuple[str, ...]] = []
        self.terminated: list[tuple[str, ...]] = []
        self.answers: list[Callable[[], Exception | None]] = []
        self.limits = quotas or Quotas()
        self.before_look: Callable[[], None] = lambda: None
        self.parts: dict[str, AttachedResources] = {}
        self.kept: set[str] = set()
        self.ec2_tags: dict[str, dict[str, str]] = {}
        self.undeletable: set[str] = set()
        self.snapshots: dict[str, str] = {}
        self.into: dict[str, str] = {}
        self.created: dict[str, datetime] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.templates: list[dict] = []
        self.sources: dict[str, dict] = {}
        self.executions: list = []
        self.targets: dict[str, str] = {}
        """Instance by source server, as job logs name them."""

    def add_job(self, servers, *, tags=None, status="STARTED", launch="PENDING", created=NOW, kind="LAUNCH"):
        job = {
            "jobID": f"drsjob-{len(self.all_jobs):017d}",
            "type": kind,
            "status": status,
            "creationDateTime": created.isoformat(),
            "tags": dict(tags or {}),
            "participatingServers": [{"sourceServerID": s, "launchStatus": launch} for s in servers],
        }
        self.all_jobs.append(job)
        return job

    def end(self, job, launch="LAUNCHED", *, at=NOW - timedelta(hours=1), **by_server):
        job.update(status="COMPLETED", endDateTime=at.isoformat())
        for server in job["participatingServers"]:
            server["launchStatus"] = by_server.get(server["sourceServerID"].replace("-", "_"), launch)

    def add_instance(self, server, job_id="drsjob-x", *, state="RUNNING", is_drill=True):
        name = f"i-{len(self.instances):017d}"
        self.instances.append(
            {
                "recoveryInstanceID": name,
                "ec2InstanceID": name,
                "sourceServerID": server,
                "jobID": job_id,
                "ec2InstanceState": state,
                "isDrill": is_drill,
            }
        )
        self.ec2[name] = state.lower()
        return name

    def jobs_since(self, when):
        self.before_look()
        return tuple(job for job in self.all_jobs if datetime.fromisoformat(job["creationDateTime"]) >= when)

    def jobs(self, job_ids):
        return tuple(job for job in self.all_jobs if job["jobID"] in job_ids)

    def job_log(self, job_id):
        (job,) = self.jobs([job_id])
        return tuple(
            {
                "logDateTime": job["creationDateTime"],
                "event": "LAUNCH_END",
                "eventData": {"sourceServerID": server, "targetInstanceID": self.targets[server]},
            }
            for server in (part["sourceServerID"] for part in job["participatingServers"])
            if server in self.targets
        )

    def recovery_instances(self, *, source_server_ids=None, instance_ids=None):
        return tuple(
            i
            for i in self.instances
            if (source_server_ids is None or i["sourceServerID"] in source_server_ids)
            and (instance_ids is None or i["recoveryInstanceID"] in instance_ids)
        )

    def source_servers(self, ids=None):
        return tuple(self.sources.get(name, {"sourceServerID": name}) for name in ids or self.sources)

    def launch_configuration(self, server_id):
        into = self.into.get(server_id)
        return {"launchIntoInstanceProperties": {"launchIntoEC2InstanceID": into}} if into else {}

    def launch_configurations(self, server_ids):
        return {server_id: self.launch_configuration(server_id) for server_id in server_ids}

    def native_executions(self):
        return tuple(self.executions)

    def launch_templates(self):
        return tuple(self.templates)

    def ec2_instances(self, instance_ids):
        """As EC2 describes them: created an hour after their job, and tagged by DRS, unless the test says otherwise."""
        owner = {i["recoveryInstanceID"]: i["sourceServerID"] for i in self.instances}
        began = {job["jobID"]: datetime.fromisoformat(job["creationDateTime"]) for job in self.all_jobs}
        of_job = {i["recoveryInstanceID"]: began.get(i["jobID"], NOW) for i in self.instances}
        return {
            name: {
                "InstanceId": name,
                "State": {"Name": self.ec2[name]},
                "LaunchTime": self.created.get(name, of_job.get(name, NOW) + timedelta(hours=1)),
                "Tags": [
                    {"Key": key, "Value": value}
                    for key, value in self.tags.get(
                        name, {"AWSElasticDisasterRecoverySourceServerID": owner.get(name, "")}
                    ).items()
                ],
            }
            for name in instance_ids
            if name in self.ec2
        }

    def unprotect(self, instance_ids):
        self.unprotected = list(instance_ids)

    def quotas(self):
        return self.limits

    def start_recovery(self, server_ids, *, is_drill, tags, snapshot_ids=None):
        self.starts.append(tuple(server_ids))
        answer = self.answers.pop(0)() if self.answers else None
        if answer is not None:
            raise answer
        return self.add_job(server_ids, tags=tags)

    def instance_states(self, instance_ids):
        return {name: self.ec2[name] for name in instance_ids if name in self.ec2}

    def parts_of(self, instance_ids):
        return {name: self.parts[name] for name in instance_ids if name in self.parts}

    def volumes_there(self, ids):
        return {name: "available" for name in ids if name in self.kept}

    def interfaces_there(self, ids):
        return {name: "available" for name in ids if name in self.kept}

    def tags_in_ec2(self, ids):
        of_a_drill = {"drs-orchestrator:run": "r", "drs-orchestrator:mode": "drill"}
        return {name: self.ec2_tags.get(name, of_a_drill) for name in ids}

    def snapshots_of(self, volume_ids):
        return {name: volume for name, volume in self.snapshots.items() if volume in volume_ids}

    def delete_volume(self, name):
        if name not in self.undeletable:
            self.kept.remove(name)

    def delete_interface(self, name):
        self.delete_volume(name)

    def terminate(self, instance_ids):
        self.terminated.append(tuple(instance_ids))
        answer = self.answers.pop(0)() if self.answers else None
        if answer is not None:
            raise answer
        servers = [i["sourceServerID"] for i in self.instances if i["recoveryInstanceID"] in instance_ids]
        return self.add_job(servers, kind="TERMINATE")
