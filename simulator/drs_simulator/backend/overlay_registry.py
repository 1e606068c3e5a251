"""How overlays lay their own behaviour over moto's services.

An overlay package offers ``install(simulator)``, which registers what it does::

    simulator.overlays.on("ssm", "SendCommand", handler)      # handler(call, forward) -> Reply
    simulator.overlays.gate(check)                            # check(call) -> Reply | None, before every call
    simulator.overlays.on_reset(function)                     # back to the fleet file
    simulator.overlays.control("lambda", function)            # (method, rest, body) -> answer, at /_simulator/lambda
    simulator.overlays.keeps("ssm_commands", dump, load)      # state that survives a restart

A handler answers by itself or calls `forward()` for moto's own answer and may change it. Handlers run without the
simulator's lock; `forward` and `simulator.world.lock` take it. Handlers have at hand: `simulator.world.clock`
(`now()`, `simulated()`, `real(seconds)`), `simulator.faults.match(…)` and `.holds(…)` (see `faults/engine.py`),
`simulator.world.fleet` (roles, `lambda_functions`, `ssm`, `quotas`: see `fleet/model.py`), and
`simulator.world.server_of_instance` (source server by EC2 instance id).
"""

from collections.abc import Callable
from typing import Any

from drs_simulator.protocol.call_log import AwsCall
from drs_simulator.protocol.wire import Reply

Forward = Callable[[], Reply]
Handler = Callable[[AwsCall, Forward], Reply]
Gate = Callable[[AwsCall], Reply | None]
ControlHandler = Callable[[str, str, object], object]
"""(method, what follows the path's first word, body) → answer. Raises BadInput."""


class Overlays:
    """What overlays have registered."""

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._gates: list[Gate] = []
        self._resets: list[Callable[[], None]] = []
        self.controls: dict[str, ControlHandler] = {}
        self._keepers: dict[str, tuple[Callable[[], object], Callable[[object], None]]] = {}

    def on(self, service: str, operation: str, handler: Handler) -> None:
        """Let a handler answer an operation. Raises ValueError where one does already."""
        if (service, operation) in self._handlers:
            raise ValueError(f"{service}:{operation} is answered by another overlay already")
        self._handlers[service, operation] = handler

    def gate(self, check: Gate) -> None:
        """Let a function refuse calls of any service before they are served."""
        self._gates.append(check)

    def control(self, word: str, handler: ControlHandler) -> None:
        """Let a function answer below ``/_simulator/<word>``."""
        self.controls[word] = handler

    def on_reset(self, function: Callable[[], None]) -> None:
        """Call a function whenever the world goes back to the fleet file."""
        self._resets.append(function)

    def keeps(self, name: str, dump: Callable[[], object], load: Callable[[object], None]) -> None:
        """Keep a picklable state with `--state`."""
        self._keepers[name] = (dump, load)

    @property
    def answered(self) -> frozenset[tuple[str, str]]:
        """Service and operation of everything that an overlay answers."""
        return frozenset(self._handlers)

    def handler(self, call: AwsCall) -> Handler | None:
        """Return who answers this call instead of moto."""
        return self._handlers.get((call.service, call.operation or ""))

    def refusal(self, call: AwsCall) -> Reply | None:
        """Return the first gate's refusal."""
        return next((reply for check in self._gates if (reply := check(call)) is not None), None)

    def reset(self) -> None:
        """Tell every overlay that the world begins again."""
        for function in self._resets:
            function()

    def dump(self) -> dict[str, object]:
        """Return what overlays want kept."""
        return {name: dump() for name, (dump, _) in self._keepers.items()}

    def load(self, kept: dict[str, Any]) -> None:
        """Give overlays back what they kept."""
        for name, (_, load) in self._keepers.items():
            if name in kept:
                load(kept[name])
