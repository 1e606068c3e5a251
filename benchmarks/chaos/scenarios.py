"""Plans, weather, people and kills made from a number: the same number gives the same ones. Pure.

Every aspect draws from a stream of its own (``"<seed> <aspect>"``): what is added to one leaves the others alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal

from drs_provider.rules.run.names import APPROVAL_TASK, PAUSE, dag_id_of, numbered, wave_task

from benchmarks.chaos.effects import Part, faults_of
from benchmarks.chaos.lies import SHARE, lies_of
from demo.team import Executor

REGION = "us-west-2"
LEAST, MOST = 2, 200
"""Servers of a plan."""

SMALL_ONES = 1.5
"""How much likelier small plans are than big ones: with 1 a plan of 2 to 20 is as likely as one of 20 to 200."""

MOST_WAVES = 5
MOST_IN_NETWORK, MOST_IN_SMALL, MOST_WITH_COMMANDS = 60, 40, 40
"""Servers of a plan that drills in a network of its own, recovers into the small account, runs commands on them."""

SCARCE, PLENTY = "r5.large", "r5a.large"
"""An instance type that there is no capacity of for some servers, and what is tried then."""

TRIGGERED_BY = "admin"
PEOPLE = ("ann", "bob")
"""Who is asked. Both may answer everything in Airflow; the plan says who may what."""


@dataclass(frozen=True)
class Account:
    """A recovery account with its own quotas, reached by an Airflow connection."""

    id: str
    conn_id: str
    jobs: int = 20
    per_job: int = 100
    in_jobs: int = 500


LARGE = Account("111122223333", "aws_default")
SMALL = Account("222233334444", "chaos_small", jobs=3, per_job=8, in_jobs=20)
"""So little that waves wait for each other, and for those of other runs."""

ACCOUNTS = (LARGE, SMALL)

Victim = Literal[
    "task",
    "worker",
    "scheduler",
    "triggerer",
    "api-server",
    "dag-processor",
    "machine",
    "database",
    "celery-worker",
    "postgresql",
    "redis",
    "api",
]
_ODDS: dict[Victim, int] = {
    "task": 38,
    "worker": 15,
    "scheduler": 14,
    "triggerer": 14,
    "api-server": 7,
    "dag-processor": 6,
    "machine": 4,
    "database": 2,
}
_ODDS_OF_A_TEAM: dict[Victim, int] = {
    "task": 16,
    "worker": 8,
    "celery-worker": 16,
    "scheduler": 14,
    "triggerer": 14,
    "api-server": 8,
    "dag-processor": 3,
    "machine": 3,
    "database": 3,
    "postgresql": 5,
    "redis": 6,
    "api": 4,
}
"""Who dies where there are two of a part: ``demo.team``."""

Act = Literal["agree", "refuse", "fake", "silent", "expire"]
"""What people do when they are asked: yes, no, "Mark success", nothing for ever, nothing until the time is over."""
_ACTS: tuple[Act, ...] = ("agree", "agree", "agree", "agree", "agree", "refuse", "fake", "silent", "expire")

Kind = Literal["ssm_command", "ssm_automation", "lambda", "webhook", "http", "wait", "approval"]
_KINDS: tuple[Kind, ...] = ("ssm_command", "ssm_automation", "lambda", "webhook", "http", "wait", "approval")


@dataclass(frozen=True)
class Kill:
    """Somebody is killed with -9 so many seconds after the run was triggered; ``luck`` chooses among several.

    ``machine``: every part of Airflow at once. ``database``: one of PostgreSQL's processes, which makes it cut every
    connection; SQLite has none. Of a team: one of two, ``postgresql`` and ``redis`` whole, and ``api``: both API
    servers, for a minute.
    """

    after: float
    victim: Victim
    luck: float


@dataclass(frozen=True)
class Server:
    """One source server; ``has_live``: it holds a live recovered instance, so its plan must be refused."""

    id: str
    hostname: str
    critical: bool = True
    has_live: bool = False
    order: int = 1


@dataclass(frozen=True)
class Step:
    """One step of a wave. ``name`` is unique in the plan.

    ``lost``: how many answers the local server swallows (webhook), or how often it says that it is not ready (http).
    """

    name: str
    kind: Kind
    side: Literal["before", "after"] = "after"
    repeatable: bool = False
    retries: int = 0
    on_failure: Literal["fail", "continue"] = "fail"
    lost: int = 0
    act: Act = "agree"


@dataclass(frozen=True)
class Pause:
    """The question before a wave; ``on_timeout`` says what comes of an ``expire``."""

    act: Act
    on_timeout: Literal["fail", "continue"] = "fail"


@dataclass(frozen=True)
class Approval:
    """The approval of a recovery: so many people, the last of whom does ``act``."""

    required: int
    act: Act


@dataclass(frozen=True)
class Question:
    """A task that asks: who may answer, with which words, and what they do."""

    task_id: str
    people: tuple[str, ...]
    yes: str
    no: str
    act: Act


@dataclass(frozen=True)
class Wave:
    """One wave, what it tolerates, how often it launches failed servers again, its settings, steps and pause."""

    name: str
    servers: tuple[Server, ...]
    depends_on: tuple[str, ...] = ()
    tolerate: int = 0
    ready: str = "running"
    retry_failed: int = 0
    drill_launch: tuple[tuple[str, object], ...] = ()
    launch: tuple[tuple[str, object], ...] = ()
    """Settings of both kinds of run; a recovery leaves them."""
    delay: int = 0
    """Seconds."""
    pause: Pause | None = None
    steps: tuple[Step, ...] = ()

    @property
    def stages(self) -> tuple[tuple[Server, ...], ...]:
        """The servers in their boot order."""
        orders = sorted({server.order for server in self.servers})
        return tuple(tuple(server for server in self.servers if server.order == order) for order in orders)


@dataclass(frozen=True)
class Scenario:
    """One run of the campaign, and perhaps a recovery of the same servers that overtakes it."""

    seed: int
    mode: Literal["drill", "recovery"]
    waves: tuple[Wave, ...]
    faults: tuple[dict[str, Any], ...]
    kills: tuple[Kill, ...]
    network: Literal["shared", "isolated"] = "shared"
    account: Account = LARGE
    approval: Approval | None = None
    notify: bool = False
    ahead: bool = False
    """Whether the plan launches all waves at once, and its waves start the instances."""
    lies: tuple[dict[str, Any], ...] = ()
    """Faults by which DRS says of this run's servers what is not so."""
    rival_after: float | None = None
    """Seconds after which a recovery of the same servers is started by another plan."""
    suffix: str = ""
    """Tells the rival from the drill: both have the same seed."""
    run: str | None = None
    """Id of a run that was named by somebody else."""

    @property
    def base(self) -> str:
        """What the groups are named after, which a rival shares."""
        return f"chaos-{self.seed}"

    @property
    def plan(self) -> str:
        """Name of the plan."""
        return f"{self.base}{self.suffix}"

    @property
    def dag_id(self) -> str:
        """Id of the plan's DAG."""
        return dag_id_of(self.plan)

    @property
    def run_id(self) -> str:
        """Id of the run, known before it is triggered: a lost answer of Airflow's API is no second run."""
        return self.run or f"chaos__{self.seed}{self.suffix}"

    @property
    def servers(self) -> tuple[Server, ...]:
        """Every server of the plan."""
        return tuple(server for wave in self.waves for server in wave.servers)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step of the plan."""
        return tuple(step for wave in self.waves for step in wave.steps)

    @property
    def conf(self) -> dict[str, object]:
        """What the trigger form is filled in with."""
        more = {"confirm": self.plan} if self.mode == "recovery" else {}
        return {"mode": self.mode, "reason": f"chaos, seed {self.seed}", **more}

    @property
    def rival(self) -> "Scenario | None":
        """The recovery that overtakes this drill: the same waves without their people and steps."""
        if self.rival_after is None:
            return None
        waves = tuple(replace(wave, pause=None, steps=(), delay=0) for wave in self.waves)
        return replace(
            self, mode="recovery", waves=waves, faults=(), kills=(), approval=None, rival_after=None, suffix="-r"
        )

    @property
    def questions(self) -> tuple[Question, ...]:
        """What people are asked in this run, in no order."""
        found = []
        if self.approval and self.mode == "recovery":
            for number in range(1, self.approval.required + 1):
                act = self.approval.act if number == self.approval.required else "agree"
                people = PEOPLE if self.approval.required == 1 else (PEOPLE[number - 1],)
                task = numbered(APPROVAL_TASK, number)
                found.append(Question(task, people, "Approve", "Reject", act))
        for wave in self.waves:
            if wave.pause:
                found.append(Question(wave_task(wave.name, PAUSE), ("bob",), "Continue", "Stop", wave.pause.act))
            found += [
                Question(f"{wave.name}.{step.name}", ("ann",), "Approve", "Reject", step.act)
                for step in wave.steps
                if step.kind == "approval"
            ]
        return tuple(found)

    def mark(self, step: Step) -> str:
        """Return what a step's effect is known by in the records: the name of its function, document or message."""
        return f"{self.base}-{step.name}"


def scenario(seed: int, executor: Executor = "local") -> Scenario:
    """Return the run of a seed; the executor decides who dies in it, and nothing else."""
    random = _stream(seed, "plan")
    account = SMALL if _stream(seed, "account").random() < 0.15 else LARGE
    most = MOST if account is LARGE else MOST_IN_SMALL
    count = round(LEAST * (most / LEAST) ** (random.random() ** SMALL_ONES))
    mode: Literal["drill", "recovery"] = "drill" if random.random() < 0.75 else "recovery"
    drawn = _network(seed, mode, count)
    has_rival = mode == "drill" and count <= 60 and _stream(seed, "rival").random() < 0.1
    waves = _steps(seed, count, _waves(seed, count, has_rival=has_rival))
    waves = _people(seed, waves, may_say_no=not has_rival)
    scenario = Scenario(
        seed,
        mode,
        tuple(waves),
        (),
        tuple(_kills(seed, executor)),
        network=drawn,
        account=account,
        approval=_approval(seed, mode),
        notify=_stream(seed, "notify").random() < 0.15,
        rival_after=_stream(seed, "rival when").uniform(4, 40) if has_rival else None,
        ahead=_stream(seed, "ahead").random() < _AHEAD,
    )
    return replace(scenario, faults=tuple(_faults(scenario, count)), lies=tuple(_lies(scenario)))


_AHEAD = 0.3
"""Share of the plans that launch ahead."""


def _stream(seed: int, aspect: str) -> Random:
    return Random(f"{seed} {aspect}")


def _network(seed: int, mode: str, count: int) -> Literal["shared", "isolated"]:
    is_isolated = _stream(seed, "network").random() < 0.3
    return "isolated" if is_isolated and mode == "drill" and count <= MOST_IN_NETWORK else "shared"


def _waves(seed: int, count: int, *, has_rival: bool) -> Iterator[Wave]:
    random, order, delay = _stream(seed, "waves"), _stream(seed, "boot order"), _stream(seed, "delay")
    fallback = not has_rival and _stream(seed, "fallback").random() < 0.12
    number = random.randint(1, min(MOST_WAVES, count))
    cuts = sorted(random.sample(range(1, count), number - 1))
    is_occupied = not has_rival and random.random() < 0.04
    has_settings = random.random() < 0.4
    for wave, (first, end) in enumerate(zip([0, *cuts], [*cuts, count], strict=True)):
        is_staged = end - first > 1 and order.random() < 0.2
        servers = tuple(
            Server(
                server_id(seed, number),
                f"c{seed}-{number}",
                critical=random.random() > 0.15,
                has_live=is_occupied and number == 0,
                order=1 + (number - first) * 2 // (end - first) if is_staged else 1,
            )
            for number in range(first, end)
        )
        before = [f"w{earlier}" for earlier in range(wave)]
        depends_on = tuple(sorted(random.sample(before, random.randint(0, min(2, len(before))))))
        if wave and random.random() < 0.5:
            depends_on = (before[-1],)
        tolerate = max(0, min(random.choice((0, 0, 0, 1, 2)), sum(server.critical for server in servers) - 1))
        yield Wave(
            f"w{wave}",
            servers,
            depends_on,
            tolerate,
            random.choice(("running", "running", "launched")),
            retry_failed=int(random.random() < 0.25),
            drill_launch=random.choice(_DRILL_SETTINGS) if has_settings and not fallback else (),
            launch=_FALLBACK if fallback and wave == 0 else (),
            delay=delay.randint(1, 4) if delay.random() < 0.1 else 0,
        )


def server_id(seed: int, number: int) -> str:
    """Return the id of a plan's n-th server."""
    return f"s-{seed % 10**9:09d}{number:08d}"


_FALLBACK: tuple[tuple[str, object], ...] = (
    ("instance_type", SCARCE),
    ("right_sizing", "none"),
    ("fallback", {"instance_types": [PLENTY]}),
)

_ACTION = {"code": "AWSDisasterRecovery-ValidateNetworkConnectivity", "name": "probe", "optional": True}

_DRILL_SETTINGS: tuple[tuple[tuple[str, object], ...], ...] = (
    (),
    (("copy_tags", True),),
    (("instance_type", "m5.large"), ("right_sizing", "none")),
    (("instance_type", "t3.large"), ("right_sizing", "none"), ("copy_tags", True)),
    (("actions", [_ACTION]),),
)


def _steps(seed: int, count: int, waves: Iterator[Wave]) -> Iterator[Wave]:
    """Give waves steps: a third of the plans have some."""
    random = _stream(seed, "steps")
    has_steps = random.random() < 0.35
    for wave in waves:
        steps = []
        for number in range(random.choice((0, 1, 1, 2)) if has_steps else 0):
            kind = random.choice(_KINDS)
            if kind == "ssm_command" and count > MOST_WITH_COMMANDS:
                kind = "ssm_automation"
            after: tuple[Literal["before", "after"], ...] = ("before", "after", "after")
            side = {"ssm_command": "after", "approval": "before"}.get(kind) or random.choice(after)
            steps.append(
                Step(
                    f"{wave.name}-{kind.replace('_', '-')}-{number}",
                    kind,
                    "before" if side == "before" else "after",
                    repeatable=kind in ("lambda", "webhook") and random.random() < 0.4,
                    retries=random.choice((0, 0, 1)) if kind not in ("approval", "wait") else 0,
                    on_failure="continue" if random.random() < 0.25 and kind != "approval" else "fail",
                    lost=random.choice((0, 1, 3)) if kind in ("webhook", "http") else 0,
                )
            )
        yield replace(wave, steps=tuple(steps))


def _people(seed: int, waves: Iterator[Wave], *, may_say_no: bool) -> Iterator[Wave]:
    """Let people pause waves; at most one of the questions of a run is not answered with yes."""
    random = _stream(seed, "people")
    has_pauses = random.random() < 0.2
    may_say_no = may_say_no and _stream(seed, "approval").random() >= _APPROVED
    for wave in waves:
        act: Act = random.choice(_ACTS)
        on_timeout: Literal["fail", "continue"] = random.choice(("fail", "continue"))
        asked = any(step.kind == "approval" for step in wave.steps)
        if not may_say_no:
            act = "agree"
        if has_pauses and random.random() < 0.5:
            may_say_no = may_say_no and act == "agree"
            yield replace(wave, pause=Pause(act, on_timeout))
        elif asked:
            may_say_no = may_say_no and act == "agree"
            first = next(step for step in wave.steps if step.kind == "approval")
            steps = tuple(replace(step, act=act) if step is first else step for step in wave.steps)
            yield replace(wave, steps=steps)
        else:
            yield wave


_APPROVED = 0.4
"""Share of the recoveries that people must approve."""


def _approval(seed: int, mode: str) -> Approval | None:
    random = _stream(seed, "approval")
    if random.random() >= _APPROVED or mode != "recovery":
        return None
    return Approval(random.randint(1, 2), random.choice(_ACTS))


def parts_of(scenario: Scenario) -> set[Part]:
    """Return what a plan has that lets its runs send more operations."""
    found: set[Part] = {"leftovers"}
    found |= {"network"} if scenario.network == "isolated" else set()
    found |= {"notify"} if scenario.notify else set()
    found |= {"ahead"} if scenario.ahead else set()
    found |= {"actions"} if any(dict(wave.drill_launch).get("actions") for wave in scenario.waves) else set()
    kinds = {step.kind for step in scenario.steps}
    for kind in ("ssm_command", "ssm_automation", "lambda"):
        found |= {kind} if kind in kinds else set()
    return found


def _faults(scenario: Scenario, count: int) -> Iterator[dict[str, object]]:
    random = _stream(scenario.seed, "faults")

    def some(most: int) -> list[str]:
        return [server_id(scenario.seed, number) for number in random.sample(range(count), random.randint(1, most))]

    first = scenario.waves[0]
    if first.launch:
        scarce = [server.id for server in random.sample(first.servers, min(3, len(first.servers)))]
        yield {"servers": scarce, "do": "no_capacity", "instance_type": SCARCE}
    else:
        yield from _failures(random, some, count)
    if random.random() < 0.1:
        yield {"service": "drs", "servers": some(1), "do": "slow", "factor": 3}
    if scenario.ahead:
        yield from _bad_starts(_stream(scenario.seed, "starts"), scenario)
    yield from faults_of(_stream(scenario.seed, "effects"), parts_of(scenario), _pattern(scenario.seed))
    yield from _weather(_stream(scenario.seed, "weather"))


def _bad_starts(random: Random, scenario: Scenario) -> Iterator[dict[str, object]]:
    """Yield what hinders a first start, and not the next one."""
    servers = [server.id for server in scenario.servers]
    if random.random() < 0.3:
        some = random.sample(servers, min(2, len(servers)))
        yield {"servers": some, "do": "stops_by_itself", "count": 1}
    if random.random() < 0.3:
        some = random.sample(servers, 1)
        yield {"servers": some, "do": "no_capacity", "operation": "StartInstances", "count": 1}


def _lies(scenario: Scenario) -> Iterator[dict[str, Any]]:
    """Yield what DRS lies of: not where another plan takes the servers, or another type is to be tried first."""
    random, taken = _stream(scenario.seed, "lies"), any(server.has_live for server in scenario.servers)
    if random.random() < SHARE and not (taken or scenario.rival_after or scenario.waves[0].launch):
        yield from lies_of(random, [server.id for server in scenario.servers], _pattern(scenario.seed))


def _pattern(seed: int) -> str:
    """Return what the ids of a plan's servers, and of no other's, match."""
    return f"s-{seed % 10**9:09d}*"


def _failures(random: Random, some: Any, count: int) -> Iterator[dict[str, object]]:
    if random.random() < 0.2:
        event = random.choice(("SNAPSHOT_END", "CONVERSION_START", "CONVERSION_END", "LAUNCH_START", "LAUNCH_END"))
        failing = {"service": "drs", "servers": some(min(3, count)), "do": "fail_at", "event": event, "error": "chaos"}
        yield failing | random.choice(({}, {"count": 1}))
    if random.random() < 0.1:
        yield {"service": "drs", "servers": some(min(2, count)), "do": "fail_silently"}


def scarce(scenario: Scenario) -> Sequence[str]:
    """Return the servers that there is no capacity for at first."""
    lacks = (fault for fault in scenario.faults if fault["do"] == "no_capacity" and "operation" not in fault)
    return next((fault["servers"] for fault in lacks), ())


def _weather(random: Random) -> Iterator[dict[str, object]]:
    """Yield what strikes everybody; lengths of time without a unit are real seconds, the others simulated."""
    if random.random() < 0.3:
        yield {"do": "throttle", "probability": 0.3, "count": random.randint(3, 15), "retry_after": 1}
    if random.random() < 0.2:
        yield {"service": "drs", "do": "server_error", "probability": 0.2, "count": random.randint(1, 5)}
    if random.random() < 0.15:
        yield {
            "service": "drs",
            "do": "outage",
            "after": f"{random.randint(0, 60)}m",
            "for": f"{random.randint(5, 20)}m",
        }
    if random.random() < 0.15:
        yield {"service": "drs", "do": "expired_token", "count": 1}
    if random.random() < 0.2:
        yield {"service": "drs", "do": "invisible_for", "seconds": f"{random.randint(1, 15)}m", "for": "2h"}
    if random.random() < 0.15:
        yield {"service": "drs", "do": "stale_reads", "age": f"{random.randint(1, 10)}m", "for": "2h"}
    if random.random() < 0.2:
        yield {"service": "drs", "do": "page_size", "items": random.randint(1, 7), "for": "2h"}
    if random.random() < 0.2:
        yield {"do": "latency", "seconds": random.choice((0.2, 1, 3)), "probability": 0.1, "count": 30}


def _kills(seed: int, executor: Executor) -> Iterator[Kill]:
    odds, random, numbers, last = _ODDS, _stream(seed, "kills"), (0, 1, 1, 2, 3), 40
    if executor == "celery":
        odds, random, numbers, last = _ODDS_OF_A_TEAM, _stream(seed, "kills of a team"), (1, 1, 2, 2, 3), 80
    for _ in range(random.choice(numbers)):
        (victim,) = random.choices(list(odds), list(odds.values()))
        yield Kill(random.uniform(1, last), victim, random.random())
