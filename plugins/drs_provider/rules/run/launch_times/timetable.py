"""How long the waves of a plan take, launched in their turn or ahead of it: one model for plans, runs and pages.

It counts DRS jobs, quotas, boots, boot orders, and what the plan itself lets pass. What nobody can know is left out
both ways: steps without a length, and, where nobody says it, how long people think.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final

from drs_provider.rules.launch.quotas import Quotas, Room
from drs_provider.rules.launch.results import Ready
from drs_provider.rules.run.timing import JOB_DURATION, critical_path

BOOTS_IN: Final[Mapping[Ready, timedelta]] = {
    "launched": timedelta(0),
    "running": timedelta(seconds=30),
    "status_checks": timedelta(minutes=4),
}
"""From the start of an instance until it is ready, by the wave's ``ready``: guesses, in the middle of what AWS's
documentation calls usual; a first boot of Windows can take far longer."""

NOTHING: Final = timedelta(0)


@dataclass(frozen=True)
class Servers:
    """How many servers of one stage launch in one account and Region: ahead of their wave's turn, and in it."""

    ahead: int = 0
    in_turn: int = 0


@dataclass(frozen=True)
class WaveLoad:
    """A wave of a run, as far as its time depends on it.

    :param stages: its servers in their boot order, by the words for account and Region; none: it has steps only
    :param opening: what the plan lets pass between its turn and its launch, or the start of what was launched ahead
    :param closing: what the plan lets pass between its last server and its end
    :param job: how long one of its jobs takes
    :param rest: how long it took in an earlier run: from its turn, or from when what was launched ahead was there, if
        that came later, to its end. It stands for everything but what is launched ahead. None: no run is known
    """

    name: str
    depends_on: tuple[str, ...] = ()
    stages: tuple[Mapping[str, Servers], ...] = ()
    ready: Ready = "running"
    opening: timedelta = NOTHING
    closing: timedelta = NOTHING
    job: timedelta = JOB_DURATION
    rest: timedelta | None = None

    @property
    def boots(self) -> timedelta:
        """How long a stage takes that was launched ahead, from its start until it is ready."""
        return BOOTS_IN[self.ready]

    @property
    def boots_after_job(self) -> timedelta:
        """How long a stage is waited for after its job: what was launched started runs when the job ends."""
        return BOOTS_IN["status_checks"] - BOOTS_IN["running"] if self.ready == "status_checks" else NOTHING

    def ahead_in(self) -> dict[str, int]:
        """Give how many of its servers are launched ahead in every account and Region."""
        found: dict[str, int] = {}
        for stage in self.stages:
            for place, servers in stage.items():
                if servers.ahead:
                    found[place] = found.get(place, 0) + servers.ahead
        return found

    def in_turn(self) -> "WaveLoad":
        """Give the same wave with every server launched in its turn."""
        stages = tuple(
            {place: Servers(0, servers.ahead + servers.in_turn) for place, servers in stage.items()}
            for stage in self.stages
        )
        return replace(self, stages=stages)


@dataclass(frozen=True)
class KnownJob:
    """A job that launches servers of a wave ahead of its turn; ``begun`` in time since the run's waves began."""

    wave: str
    place: str
    servers: int
    begun: timedelta


@dataclass(frozen=True)
class Known:
    """What is known of a run that goes on, in time since its waves began.

    :param now: nothing that has not happened yet happens before
    :param turns: by wave, when its turn came
    :param ends: by wave, when it ended
    :param jobs: what was launched ahead so far
    """

    now: timedelta = NOTHING
    turns: Mapping[str, timedelta] = field(default_factory=dict)
    ends: Mapping[str, timedelta] = field(default_factory=dict)
    jobs: Sequence[KnownJob] = ()


@dataclass(frozen=True)
class Timetable:
    """When every wave's turn comes and when it ends, counted from the moment when the first may begin."""

    turns: Mapping[str, timedelta]
    ends: Mapping[str, timedelta]
    depends_on: Mapping[str, tuple[str, ...]]

    @property
    def total(self) -> timedelta:
        """The end of the last wave."""
        return max(self.ends.values(), default=NOTHING)

    @property
    def critical_path(self) -> tuple[str, ...]:
        """The chain of waves that decides when the last one ends, first to last."""
        return critical_path(self.depends_on, {name: self.length(name) for name in self.depends_on})

    def length(self, wave: str) -> timedelta:
        """Give how long a wave takes from its turn to its end."""
        return self.ends[wave] - self.turns[wave]


def timetable(
    waves: Sequence[WaveLoad], *, quotas: Mapping[str, Quotas] | None = None, known: Known | None = None
) -> Timetable:
    """Foretell when every wave of a run ends.

    What is launched ahead is asked for at once, in the waves' order, and the rest when its wave's turn comes; each job
    starts as soon as the quotas have room for it, first come, first served. Nothing else is taken to run there.

    :param waves: those that the run has, each after those that it waits for; it may name others, which are left out
    :param quotas: by the words for account and Region; AWS's own where none are known
    :param known: what a run that goes on has done already
    """
    return _Course(waves, quotas or {}, known or Known()).run()


@dataclass
class _Request:
    """Servers that jobs are wanted for; ``done`` is when the last of the jobs ends that have begun."""

    place: str
    job: timedelta
    left: int
    done: timedelta = NOTHING

    def there(self) -> timedelta | None:
        """Say when all of them are launched; None: it is not known yet."""
        return None if self.left else self.done


_When = Callable[[], timedelta | None]
"""Says when something goes on; None: that is not known yet."""

_Going = Generator[_When, None, None]
"""What goes on one thing after the other, each at a moment that it waits for."""


class _Course:
    """A run as it is foretold, from one moment at which something goes on to the next."""

    def __init__(self, waves: Sequence[WaveLoad], quotas: Mapping[str, Quotas], known: Known) -> None:
        self.waves, self.quotas, self.known = {wave.name: wave for wave in waves}, quotas, known
        self.above = {wave.name: tuple(name for name in wave.depends_on if name in self.waves) for wave in waves}
        self.now = NOTHING
        self.turns: dict[str, timedelta] = {}
        self.ends: dict[str, timedelta] = {}
        self.running: list[tuple[str, int, timedelta]] = []
        self.queue: list[_Request] = []
        self.ahead = {wave.name: tuple(self._ahead_of(wave)) for wave in waves}

    def run(self) -> Timetable:
        going: list[_Going] = [self._asked_ahead(), *(self._wave(wave) for wave in self.waves.values())]
        waits = [(course, next(course)) for course in going]
        while waits:
            self._start_jobs()
            moments = [at for _, when in waits if (at := when()) is not None]
            self.now = max(self.now, min([*moments, *(end for _, _, end in self.running)]))
            self.running = [job for job in self.running if job[2] > self.now]
            waits = [found for course, when in waits if (found := self._gone_on(course, when))]
        return Timetable(self.turns, self.ends, self.above)

    def _gone_on(self, course: _Going, when: _When) -> tuple[_Going, _When] | None:
        """Let something go on whose moment has come; None: it is over."""
        at = when()
        if at is None or at > self.now:
            return course, when
        following = next(course, None)
        return (course, following) if following else None

    def _start_jobs(self) -> None:
        """Start the jobs that there is room for: in one place none before what was asked for earlier."""
        full: set[str] = set()
        for request in self.queue:
            quotas = self.quotas.get(request.place, Quotas())
            while request.left and request.place not in full:
                here = [servers for place, servers, _ in self.running if place == request.place]
                size = Room(len(here), sum(here)).next_job(request.left, quotas)
                if not size:
                    full.add(request.place)
                    break
                end = self.now + request.job
                self.running.append((request.place, size, end))
                request.left, request.done = request.left - size, max(request.done, end)
        self.queue = [request for request in self.queue if request.left]

    def _ahead_of(self, wave: WaveLoad) -> Iterator[_Request]:
        """Give what is launched ahead of a wave, with the jobs of it that have begun."""
        for place, servers in wave.ahead_in().items():
            jobs = [job for job in self.known.jobs if (job.wave, job.place) == (wave.name, place)]
            ends = [job.begun + wave.job for job in jobs]
            self.running += [(place, job.servers, end) for job, end in zip(jobs, ends, strict=True)]
            left = max(0, servers - sum(job.servers for job in jobs))
            yield _Request(place, wave.job, left, max(ends, default=NOTHING))

    def _asked_ahead(self) -> _Going:
        """Ask for what is launched ahead and has not begun."""
        yield lambda: self.known.now
        for name, requests in self.ahead.items():
            if name not in self.known.ends:
                self.queue += [request for request in requests if request.left]

    def _wave(self, wave: WaveLoad) -> _Going:
        name = wave.name
        if name in self.known.ends:
            yield lambda: self.known.ends[name]
            self.turns[name] = min(self.known.turns.get(name, self.now), self.now)
        else:
            yield partial(self._turn_of, name)
            self.turns[name] = self.now
            if wave.rest is None:
                yield from self._by_its_load(wave)
            else:
                yield partial(_latest, self.now, [request.there for request in self.ahead[name]], wave.rest)
            yield lambda: self.known.now
        self.ends[name] = self.now

    def _turn_of(self, name: str) -> timedelta | None:
        if name in self.known.turns:
            return self.known.turns[name]
        above = [partial(self.ends.get, other) for other in self.above[name]]
        return _latest(self.known.now, above, NOTHING)

    def _by_its_load(self, wave: WaveLoad) -> _Going:
        yield partial(_latest, self.now, (), wave.opening)
        for stage in wave.stages:
            asked = [_Request(place, wave.job, here.in_turn) for place, here in stage.items() if here.in_turn]
            self.queue += asked
            started = [r.there for r in self.ahead[wave.name] if stage.get(r.place, Servers()).ahead]
            yield partial(_stage_is_ready, wave, self.now, started, [request.there for request in asked])
        yield partial(_latest, self.now, (), wave.closing)


def _stage_is_ready(
    wave: WaveLoad, begun: timedelta, started: Sequence[_When], launched: Sequence[_When]
) -> timedelta | None:
    """Say when a stage is ready: what was launched ahead, and what is launched now.

    :param begun: when its turn has come
    """
    parts = []
    parts += [_latest(begun, started, wave.boots)] if started else []
    parts += [_latest(begun, launched, wave.boots_after_job)] if launched else []
    return max([begun, *(at for at in parts if at is not None)]) if None not in parts else None


def _latest(begun: timedelta, moments: Sequence[_When], after: timedelta) -> timedelta | None:
    """Give the latest of some moments, and of one that has come, and what passes after it; None: one is not known."""
    found = [when() for when in moments]
    return max([begun, *(at for at in found if at is not None)]) + after if None not in found else None
