"""What of all that is there is a drill's left-over: a decision by tags and expiry alone, made without asking anybody.

Never chosen: what carries no tag of a run, what a recovery made, what DRS does not call a drill's, and anything of a
drill that may still go on. When in doubt it is kept, and said so.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, Literal

from drs_provider.formatting import parse_instant
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.conflicts import is_recovery
from drs_provider.rules.launch.installations import is_overdue, why_not_ours
from drs_provider.rules.launch.jobs import ENDED_STATUS
from drs_provider.rules.launch.tags import Mark, end_of_life, read_expiry, read_mark, run_key
from drs_provider.rules.purpose import DRILL
from drs_provider.rules.servers import hostname_of, is_live
from drs_provider.rules.settings.drill_memory import EXPIRES as SETTINGS_EXPIRES
from drs_provider.rules.settings.drill_memory import INSTALLATION as SETTINGS_INSTALLATION
from drs_provider.rules.settings.drill_memory import RUN as SETTINGS_RUN
from drs_provider.rules.settings.drill_memory import TAG, UNKNOWN
from drs_provider.rules.settings.launch_actions import TAG as ACTIONS

ActionKind = Literal["terminate", "put_back", "remove", "forget_version"]

OWN_LIFE: Final = frozenset({"instance"})
"""Kinds of EC2 resources that are never removed by their tags: DRS terminates what it calls a drill's."""

AT_LEAST: Final = timedelta(days=2)
"""Age of a drill's unused template version before it is taken for forgotten: no tag says until when it is wanted."""


@dataclass(frozen=True)
class Resource:
    """An EC2 resource that carries tags of a run; ``kind`` is EC2's own word, ``volume`` or ``vpc`` for example."""

    id: str
    kind: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Version:
    """A version of a launch template that a drill made and that is not the default; ``server_id``: whose template."""

    template_id: str
    number: int
    server_id: str
    made_at: datetime


@dataclass(frozen=True)
class DefaultVersion:
    """The default version of a server's launch template.

    ``names``: subnets and security groups that it names and that are a drill's, or do not exist. ``made_at`` None:
    nobody says when.
    """

    template_id: str
    number: int
    server_id: str
    names: tuple[str, ...]
    made_at: datetime | None = None


@dataclass(frozen=True)
class Facts:
    """Everything that is known of one account and Region.

    ``jobs``, ``instances`` and ``servers`` as DRS describes them. ``active_runs``: keys of runs that the Airflow which
    asks still works on, whatever their tags say. ``unknown_runs``: keys of runs of which it could not say whether they
    are over, and why; nothing of them is a left-over. ``installation``: id of the Airflow that asks, whose clean-up
    leaves the drills of others alone; empty: a person asks, who answers for all of them. ``defaults``: default versions
    with something of a drill that is over, of servers that drills launched.
    """

    jobs: Sequence[Answer] = ()
    instances: Sequence[Answer] = ()
    servers: Sequence[Answer] = ()
    resources: Sequence[Resource] = ()
    versions: Sequence[Version] = ()
    defaults: Sequence[DefaultVersion] = ()
    active_runs: frozenset[str] = frozenset()
    unknown_runs: Mapping[str, str] = field(default_factory=dict)
    installation: str = ""

    @cached_property
    def by_job(self) -> Mapping[str, Answer]:
        """The jobs by id."""
        return {str(job["jobID"]): job for job in self.jobs}


@dataclass(frozen=True)
class Action:
    """One thing to do, and why it may be done.

    ``terminate``: a recovery instance. ``put_back``: the launch settings of the source server ``id``. ``remove``: an
    EC2 resource of the kind ``what``. ``forget_version``: a launch template's version, ``id`` as ``lt-…:5``.

    ``job``: the job that launched the instance, as it was when this was decided.
    """

    kind: ActionKind
    id: str
    why: str
    what: str = ""
    run: str = ""
    job: str = ""

    def __str__(self) -> str:
        words = {
            "terminate": "terminate",
            "put_back": "put the launch settings back of",
            "remove": f"remove {self.what}",
        }
        return f"{words.get(self.kind, 'delete template version')} {self.id}: {self.why}"


@dataclass(frozen=True)
class SweepDecision:
    """What to do, in the order in which it can be done; and what is a drill's and stays for now, with the reason."""

    actions: tuple[Action, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, str] = field(default_factory=dict)
    """Left-overs that cannot be removed before something has ended: a job that runs."""
    doubtful: Mapping[str, str] = field(default_factory=dict)
    """What looks like a left-over and does not say of which drill, or whose run may go on: for a person."""
    marks: Mapping[str, Mark] = field(default_factory=dict, compare=False)
    """Of every drill, by run, the mark that names its plan and run best."""


def leftovers(facts: Facts, now: datetime) -> SweepDecision:
    """Choose what is left of drills that are over."""
    runs = _runs(facts)
    expired = {run: why for run, marks in runs.items() if (why := _why_expired(marks, now))}
    facts = replace(facts, unknown_runs={**_of_others(facts, expired, runs), **facts.unknown_runs})
    over = {run: why for run, why in expired.items() if run not in {*facts.active_runs, *facts.unknown_runs}}
    actions, kept, waiting = _instances(facts, runs, over)
    back, doubtful, held = _settings(facts, over)
    doubtful |= _undecided(
        facts, runs, {run: why for run, why in expired.items() if not _is_left_to_others(facts, runs[run], now)}
    )
    actions += back
    waiting |= {server: why for server, why in held.items() if server not in kept}
    doubtful = {**_overtaken(facts), **doubtful}
    busy = {job["jobID"] for job in facts.jobs if job.get("status") != ENDED_STATUS}
    for version in facts.versions:
        if (why := _why_forget(version, facts, now)) and not busy:
            actions.append(Action("forget_version", f"{version.template_id}:{version.number}", why))
    ending = {mark.run for instance in facts.instances if (mark := _instance_mark(facts, instance))}
    for resource in facts.resources:
        mark = read_mark(resource.tags)
        if mark is None or not mark.is_drill or resource.kind in OWN_LIFE:
            continue
        if mark.run not in over:
            kept[resource.id] = f"{resource.kind} of {mark}: {_why_kept(mark.run, runs, facts)}"
        elif mark.run in ending:  # also while a job terminates them: what an instance has is in use until it is gone
            waiting[resource.id] = f"{resource.kind} of {mark}: its instances are terminated first"
        else:
            actions.append(Action("remove", resource.id, over[mark.run], resource.kind, mark.run))
    marks = {run: named_mark(found) for run, found in runs.items()}
    return SweepDecision(tuple(actions), kept, waiting, doubtful, marks)


def expired_drills(facts: Facts, now: datetime) -> dict[str, tuple[Mark, ...]]:
    """Return the drills whose time is over by their tags, by run: of these has to be asked whether they go on.

    Not those of another Airflow: this one does not know them.

    By several marks where they name several runs: one that continues another has that one's key and its own name.
    """
    return {
        run: tuple({(mark.plan, mark.run_id, mark.installation, mark.taker): mark for mark in marks}.values())
        for run, marks in _runs(facts).items()
        if _why_expired(marks, now) and _why_not_ours(facts, marks) is None
    }


def _of_others(facts: Facts, expired: Mapping[str, str], runs: Mapping[str, Sequence[Mark]]) -> dict[str, str]:
    return {run: why for run in expired if (why := _why_not_ours(facts, runs[run]))}


def _why_not_ours(facts: Facts, marks: Sequence[Mark]) -> str | None:
    return why_not_ours(marks, named_mark(marks), own=facts.installation) if facts.installation else None


def _is_left_to_others(facts: Facts, marks: Sequence[Mark], now: datetime) -> bool:
    """Tell whether a drill of another Airflow has expired so lately that its own clean-up may not have come yet."""
    return _why_not_ours(facts, marks) is not None and not is_overdue(end_of_life(marks), now)


def named_mark(marks: Sequence[Mark]) -> Mark:
    """Return the mark that names its run best: one whose names are the run's own, as its key shows."""
    return min(marks, key=lambda mark: (not is_named(mark), mark.taker != "", not mark.run_id))


def is_named(mark: Mark) -> bool:
    """Tell whether a mark names its run truly: AWS allows not every character in a tag, and people edit tags.

    A run that goes on with another one has that one's key, and names itself by its own beside it.
    """
    return run_key(mark.plan, mark.run_id, mark.installation) == (mark.taker or mark.run)


def _undecided(facts: Facts, runs: Mapping[str, Sequence[Mark]], expired: Mapping[str, str]) -> dict[str, str]:
    """Say of which drills nobody knows whether they are over although their time is: as long as they have anything."""
    there = {mark.run for resource in facts.resources if (mark := read_mark(resource.tags)) and mark.is_drill}
    there |= {mark.run for server in facts.servers if (mark := _settings_mark(server))}
    there |= {mark.run for instance in facts.instances if (mark := _instance_mark(facts, instance))}
    return {
        str(named_mark(runs[run])): f"{expired[run]}, and nothing of it was removed: {why}"
        for run, why in facts.unknown_runs.items()
        if run in expired and run in there
    }


def remains(facts: Facts, runs: Collection[str]) -> dict[str, str]:
    """Return everything that is still there of one run's drill, by id with what it is; the last look of a drill.

    :param facts: what was found of the run: ``jobs`` and ``resources`` that carry its tags, its ``servers`` with their
        ``instances`` and the ``versions`` of their launch templates
    """
    jobs = {str(job["jobID"]): job for job in facts.jobs}
    found = {name: f"a {job['type']} job that still runs" for name, job in jobs.items() if _goes_on(job)}
    found |= {
        str(instance["recoveryInstanceID"]): f"an instance that {instance.get('jobID')} launched"
        for instance in facts.instances
        if is_live(instance) and instance.get("isDrill") is True and instance.get("jobID") in jobs
    }
    for resource in facts.resources:
        found.setdefault(resource.id, f"{_article(resource.kind)} {resource.kind} with the run's tags")
    held = set()
    for server in facts.servers:
        mark = _settings_mark(server)
        if mark is not None:
            held.add(server["sourceServerID"])
        if mark is not None and mark.run in runs:
            name = str(server["sourceServerID"])
            found[name] = f"the launch settings of {hostname_of(server, name)} are still the drill's"
    for version in facts.versions:
        if version.server_id not in held:
            found[f"{version.template_id}:{version.number}"] = "a drill's version of a launch template"
    names = {str(server["sourceServerID"]): server for server in facts.servers}
    for default in facts.defaults:
        hostname = hostname_of(names.get(default.server_id), default.server_id)
        found[f"{default.template_id}:{default.number}"] = (
            f"the default version of {hostname}'s launch template names {', '.join(default.names)} of the drill: "
            "somebody has made it since on top of the drill's; set production's subnet and security groups in it"
        )
    return found


def _goes_on(job: Answer) -> bool:
    return job.get("status") != ENDED_STATUS


def _article(word: str) -> str:
    return "an" if word[:1] in "aeiou" else "a"


def _runs(facts: Facts) -> dict[str, list[Mark]]:
    """Every mark of every drill, by run: of jobs, instances, EC2 resources and settings."""
    found: dict[str, list[Mark]] = defaultdict(list)
    tags = [
        *(job.get("tags") for job in facts.jobs if not is_recovery(job)),
        *(instance.get("tags") for instance in facts.instances if instance.get("isDrill") is True),
        *(resource.tags for resource in facts.resources),
    ]
    for mark in map(read_mark, tags):
        if mark and mark.is_drill:
            found[mark.run].append(mark)
    for server in facts.servers:
        mark = _settings_mark(server)
        if mark:
            found[mark.run].append(mark)
    return found


def _why_expired(marks: Sequence[Mark], now: datetime) -> str | None:
    """Say why a drill's time is over; None: it is not, or nobody can tell."""
    latest = max((mark.expires for mark in marks if mark.expires), default=None)
    if latest is None or latest >= now:
        return None
    return f"the drill {named_mark(marks)} expired at {latest:%Y-%m-%d %H:%M} UTC"


def _why_kept(run: str, runs: Mapping[str, Sequence[Mark]], facts: Facts) -> str:
    if run in facts.active_runs:
        return "its run goes on"
    return facts.unknown_runs.get(run) or _until(runs[run])


def _until(marks: Iterable[Mark]) -> str:
    latest = max((mark.expires for mark in marks if mark.expires), default=None)
    return f"its drill may run until {latest:%Y-%m-%d %H:%M} UTC" if latest else "nothing says when it expires"


def _instances(
    facts: Facts, runs: Mapping[str, list[Mark]], over: Mapping[str, str]
) -> tuple[list[Action], dict[str, str], dict[str, str]]:
    held = _held(facts)
    actions: list[Action] = []
    kept: dict[str, str] = {}
    waiting: dict[str, str] = {}
    for instance in facts.instances:
        name, server = str(instance["recoveryInstanceID"]), str(instance.get("sourceServerID"))
        mark = _instance_mark(facts, instance)
        if mark is None:
            continue
        if mark.run not in over:
            kept[name] = f"instance of {mark}: {_why_kept(mark.run, runs, facts)}"
        elif server in held:
            waiting[name] = f"{over[mark.run]}; its server is in the running job {held[server]}"
        else:
            action = Action("terminate", name, over[mark.run], run=mark.run, job=str(instance.get("jobID")))
            actions.append(action)
    return actions, kept, waiting


def _instance_mark(facts: Facts, instance: Answer) -> Mark | None:
    """Return which drill of ours a live instance belongs to; None: to none, as far as anybody can tell."""
    job = facts.by_job.get(str(instance.get("jobID")))
    # The job is the better witness: DRS copies a source server's tags to its instances.
    mark = read_mark(job.get("tags")) if job is not None else read_mark(instance.get("tags"))
    if instance.get("isDrill") is not True or not is_live(instance) or mark is None or not mark.is_drill:
        return None
    return None if job is not None and is_recovery(job) else mark


def _settings(facts: Facts, over: Mapping[str, str]) -> tuple[list[Action], dict[str, str], dict[str, str]]:
    held = _held(facts)
    actions: list[Action] = []
    doubtful: dict[str, str] = {}
    waiting: dict[str, str] = {}
    for server in facts.servers:
        if not _is_changed(server):
            continue
        name = str(server["sourceServerID"])
        mark = _settings_mark(server)
        if mark is None:
            doubtful[name] = (
                f"{hostname_of(server, name)}: a drill changed its launch settings and did not say until when: put "
                "them back with DrsRestoreLaunchSettingsOperator once that drill is over"
            )
        elif mark.run in over and name in held:
            waiting[name] = f"{over[mark.run]}; the server is in the running job {held[name]}"
        elif mark.run in over:
            actions.append(Action("put_back", name, over[mark.run], run=mark.run))
    return actions, doubtful, waiting


def _overtaken(facts: Facts) -> dict[str, str]:
    """Name the launch templates that others made after a drill's settings were put back, on top of the drill's."""
    servers = {str(server["sourceServerID"]): server for server in facts.servers}
    began: dict[str, datetime] = {}
    for job in facts.jobs:
        mark = read_mark(job.get("tags"))
        if mark is None or not mark.is_drill or is_recovery(job) or not job.get("creationDateTime"):
            continue
        at = parse_instant(str(job["creationDateTime"]))
        for server in job.get("participatingServers", ()):
            name = str(server["sourceServerID"])
            began[name] = min(began.get(name, at), at)
    found = {}
    for default in facts.defaults:
        server, since = servers.get(default.server_id), began.get(default.server_id)
        if server is None or since is None or _is_changed(server) or (default.made_at and default.made_at < since):
            continue
        found[default.server_id] = (
            f"{hostname_of(server, default.server_id)}: version {default.number}, the default of its launch template "
            f"{default.template_id}, names {', '.join(default.names)}, which no longer exists: it was made after a "
            "drill began, on top of the drill's. Set production's subnet and security groups in the launch template"
        )
    return found


def _held(facts: Facts) -> dict[str, str]:
    """Return the running job that holds a server, by server."""
    return {
        str(server["sourceServerID"]): str(job["jobID"])
        for job in facts.jobs
        if job.get("status") != ENDED_STATUS
        for server in job.get("participatingServers", ())
    }


def _is_changed(server: Answer) -> bool:
    """Tell whether a drill has left a tag that says what it changed in a server's launch settings or actions."""
    tags = server.get("tags") or {}
    return TAG in tags or ACTIONS in tags


def _settings_mark(server: Answer) -> Mark | None:
    tags = server.get("tags") or {}
    if not _is_changed(server) or not tags.get(SETTINGS_RUN):
        return None
    installation = tags.get(SETTINGS_INSTALLATION, UNKNOWN)
    return Mark(
        tags[SETTINGS_RUN],
        DRILL.name,
        read_expiry(tags.get(SETTINGS_EXPIRES)),
        installation="" if installation == UNKNOWN else installation,
    )


def _why_forget(version: Version, facts: Facts, now: datetime) -> str | None:
    server = next((server for server in facts.servers if server["sourceServerID"] == version.server_id), None)
    if server is None or _is_changed(server) or now - version.made_at < AT_LEAST:
        return None
    return "a drill made it, nothing launches with it, and no drill has changed the server's settings"
