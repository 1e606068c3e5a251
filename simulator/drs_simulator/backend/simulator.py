"""One simulated cloud: takes AWS calls of any service, lets faults and overlays at them, and answers or forwards them.

The order for every call: log → faults of the API → gates of overlays → overlay handler, DRS itself, or moto → log.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import NoReturn

from drs_simulator import ids
from drs_simulator.backend.moto_state import clear_moto, seed_moto
from drs_simulator.backend.overlay_registry import Overlays
from drs_simulator.clock import Clock
from drs_simulator.errors import ConnectionDropped, InternalError, Invalid, NotImplementedHere, Refusal, Uninitialized
from drs_simulator.faults.effects import Effect, effect_on
from drs_simulator.faults.engine import FaultEngine, ServerFacts, Subject
from drs_simulator.faults.kinds import AnyFault
from drs_simulator.fleet.model import Fleet
from drs_simulator.operations.registry import OPERATIONS, Context
from drs_simulator.protocol import wire
from drs_simulator.protocol.call_log import AwsCall, CallLog, Record
from drs_simulator.protocol.error_replies import garbled, injected
from drs_simulator.protocol.older_models import known_part
from drs_simulator.protocol.validation import answer_faults, request_faults
from drs_simulator.protocol.wire import Reply
from drs_simulator.world.construction import build_world
from drs_simulator.world.contention import fault_added, fault_ending, fault_removed
from drs_simulator.world.origins import ensure_origins

logger = logging.getLogger(__name__)

WITHOUT_INITIALIZATION = frozenset({"InitializeService", "ListTagsForResource", "TagResource", "UntagResource"})
"""Operations whose model has no UninitializedAccountException."""

LOOKS_AT_INSTANCES = frozenset({"ec2", "ssm"})

_LOOK_AGAIN, _A_MOMENT = 0.01, 1e-3
"""Real seconds between two looks at a clock that stands still; simulated seconds that make no difference."""

READS = ("Describe", "Get", "List")

REQUEST_ID = ("x-amzn-requestid", "x-amz-request-id")
"""Headers in which services name the request; boto3 shows it as ResponseMetadata.RequestId."""


class Simulator:
    """The world with its API."""

    def __init__(
        self,
        fleet: Fleet,
        clock: Clock | None = None,
        *,
        random_seed: int = 0,
        faults: Iterable[AnyFault] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fleet = fleet
        self._seed = random_seed
        self._sleep = sleep
        self._initial_faults = tuple(faults)
        self._awaited: list[float] = []
        self.holds_answers = False
        """Whether an answer that takes simulated time waits for a clock that stands still."""
        self.calls = CallLog()
        self.overlays = Overlays()
        seed_moto(random_seed)
        self.world = build_world(fleet, clock or Clock(), random_seed)
        self.add_faults(self._initial_faults)

    @property
    def faults(self) -> FaultEngine:
        """The faults in force."""
        return self.world.faults

    def reset(self) -> None:
        """Go back to the fleet file: faults, calls and everything in moto are forgotten, the clock runs on."""
        with self.world.lock:
            lock = self.world.lock
            clear_moto()
            seed_moto(self._seed)
            fresh = build_world(self._fleet, Clock(self.world.clock.speed), self._seed)
            fresh.lock = lock
            fresh.dirty = self.world.dirty + 1
            self.world = fresh
            self.holds_answers = False
            self.calls.clear()
            self.overlays.reset()

    def add_faults(self, faults: Iterable[AnyFault]) -> list[str]:
        """Put faults in force; returns their ids. Raises BadInput, and adds none, where an id is taken."""
        with self.world.lock:
            self.world.advance()
            self.world.dirty += 1
            several = list(faults)
            names = self.faults.add(several)
            for name, fault in zip(names, several, strict=True):
                fault_added(self.world, name, fault)
            return names

    def remove_faults(self, name: str | None = None) -> int:
        """Take one fault back, or all; what it held goes on. Returns how many there were."""
        with self.world.lock:
            self.world.advance()
            self.world.dirty += 1
            gone = [fault["id"] for fault in self.faults.listed() if name in {None, fault["id"]}]
            for fault_id in gone:
                fault_ending(self.world, fault_id)
                self.faults.remove(fault_id)
                fault_removed(self.world, fault_id)
            return len(gone)

    def serve(self, call: AwsCall, moto: Callable[[], Reply]) -> Reply:
        """Answer a call; `moto` is asked where it is moto's. Raises ConnectionDropped where a fault says so."""
        record = self.calls.begin(self.world.clock.wall(), call)
        try:
            reply = self._served(record, call, moto)
            if not any(name.lower() in REQUEST_ID for name in reply.headers):
                reply.headers[REQUEST_ID[0]] = _request_id(record.n)
            return reply
        finally:
            record.settle()

    def _served(self, record: Record, call: AwsCall, moto: Callable[[], Reply]) -> Reply:
        with self.world.lock:
            self.world.advance()
            effect = effect_on(self.faults, self.subject_of(call))
        if effect.wait:
            self._sleep(effect.wait)
        if effect.error is not None:
            reply = injected(call, effect.error, effect.retry_after)
            return self._ended(record, reply, committed=False)
        if effect.drop_before:
            self._drop(record, effect)
        if call.unacceptable is not None:
            return self._ended(record, injected(call, call.unacceptable), committed=False)
        refused = self.overlays.refusal(call)
        if refused is not None:
            return self._ended(record, refused, committed=False)
        reply = self._answer(call, moto)
        self._ended(record, reply, committed=reply.status < 400)  # noqa: PLR2004 - HTTP's own line
        if effect.drop_after:
            self._drop(record, effect)
        return garbled(reply, effect.garbled) if effect.garbled else reply

    def wait(self, seconds: float) -> None:
        """Let real seconds pass for one caller; nobody may hold the lock meanwhile."""
        if seconds > 0:
            self._sleep(seconds)

    def wait_simulated(self, seconds: float) -> None:
        """Let simulated seconds pass for one caller.

        Where answers are held and time stands still, until somebody has moved it on; else in compressed real time.
        """
        clock = self.world.clock
        if not (self.holds_answers and clock.is_frozen):
            self.wait(clock.real(seconds).total_seconds())
            return
        until = clock.simulated() + seconds
        self._awaited.append(until)
        try:
            while clock.is_frozen and clock.simulated() < until - _A_MOMENT:
                self._sleep(_LOOK_AGAIN)
            self.wait(clock.real(until - clock.simulated()).total_seconds())
        finally:
            self._awaited.remove(until)

    @property
    def next_answer_in(self) -> float | None:
        """Simulated seconds until the next caller who waits for time to be moved on has its answer; None: nobody."""
        return max(min(self._awaited) - self.world.clock.simulated(), 0.0) if self._awaited else None

    def _drop(self, record: Record, effect: Effect) -> NoReturn:
        record.status, record.error = None, record.error or "ConnectionDropped"
        if effect.wait_before_drop:
            self._sleep(effect.wait_before_drop)
        raise ConnectionDropped

    def _ended(self, record: Record, reply: Reply, *, committed: bool) -> Reply:
        record.status, record.committed = reply.status, committed
        if reply.status >= 400:  # noqa: PLR2004 - HTTP's own line
            record.error = reply.headers.get("x-amzn-ErrorType") or wire.error_code(reply.body) or str(reply.status)
        return reply

    def _answer(self, call: AwsCall, moto: Callable[[], Reply]) -> Reply:
        def forward() -> Reply:
            with self.world.lock:
                self.world.advance()
                return self.answer_drs(call) if call.service == "drs" else moto()

        if call.service in LOOKS_AT_INSTANCES:
            with self.world.lock:
                ensure_origins(self.world, call.account, call.region)
        handler = self.overlays.handler(call)
        reply = handler(call, forward) if handler is not None else forward()
        if call.operation is None or not call.operation.startswith(READS):
            self.world.dirty += 1
        return reply

    def subject_of(self, call: AwsCall) -> Subject:
        """Return a call as faults see it, with the source servers that it speaks of."""
        servers: list[ServerFacts] = []
        job = None
        if call.service == "drs":
            region = self.world.regions.get((call.account, call.region))
            names = _names_in(call.request)
            job = next((name for name in names if name.startswith("drsjob-")), None)
            if region is not None:
                by_instance = (region.instances[name].server_id for name in names if name in region.instances)
                known = [*names, *by_instance]
                servers = [region.servers[name].facts for name in known if name in region.servers]
        return Subject(call.service, call.operation, call.account, call.region, servers, job)

    def answer_drs(self, call: AwsCall) -> Reply:
        """Answer a call of DRS. The caller holds the lock and has brought the world up to date."""
        try:
            name, path_parameters = wire.operation_of(call.method, call.path)
            call.request = request = wire.request_of(name, path_parameters, call.query, call.body)
            return wire.answer(name, self._perform(call, name, request))
        except Refusal as refused:
            return wire.refusal(refused)
        except Exception:  # the server must answer; the traceback goes to whoever runs the simulator
            logger.exception("the simulator failed at %s with %s", call.operation, call.request)
            return wire.refusal(InternalError("the simulator has a bug here: see its log"))

    def _perform(self, call: AwsCall, name: str, request: dict[str, object]) -> dict[str, object]:
        region = self.world.region(call.account, call.region)
        function = OPERATIONS.get(name)
        if function is None:
            raise NotImplementedHere(f"the simulator does not implement drs:{name}")
        wrong = request_faults(name, request)
        if wrong:
            raise Invalid("; ".join(f"{member} {text}" for member, text in wrong[:10]), wrong[:100])
        if not region.initialized and name not in WITHOUT_INITIALIZATION:
            raise Uninitialized("Account not initialized: call InitializeService first")
        result = known_part(name, function(Context(self.world, region, name), request))
        broken = answer_faults(name, result)
        if broken:
            raise AssertionError(f"the answer of {name} breaks the model: {broken[:5]}")
        return result


def _request_id(number: int) -> str:
    """Return the id of the call with this number in the log, in the form of the service's own."""
    text = ids.stable("", "request", number)[:12]
    return f"{number:08x}-{text[:4]}-4{text[4:7]}-8{text[7:10]}-{text:0>12}"


def _names_in(value: object) -> list[str]:
    if isinstance(value, str):
        return [value.rsplit("/", 1)[-1]] if value.startswith("arn:") else [value]
    if isinstance(value, dict):
        return [name for inner in value.values() for name in _names_in(inner)]
    if isinstance(value, list):
        return [name for inner in value for name in _names_in(inner)]
    return []
