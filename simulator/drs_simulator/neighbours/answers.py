"""How an overlay answers: a function of the request, an answer in botocore's words, errors as exceptions.

Answers are written by moto's own serialisers and held against botocore's output shape first: a misspelt member is a
failure of the simulator, not something that a client never sees.
"""

import base64
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator
from moto.core.model import OperationModel
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model

from drs_simulator.backend.overlay_registry import Forward
from drs_simulator.protocol.call_log import AwsCall
from drs_simulator.protocol.error_replies import injected
from drs_simulator.protocol.wire import Reply
from drs_simulator.world.resources import Key
from drs_simulator.world.world import World

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

logger = logging.getLogger(__name__)

MODEL_NAMES = {"monitoring": "cloudwatch", "servicequotas": "service-quotas"}
"""botocore's name of a service whose signing name is another."""


class Refused(Exception):
    """A service says no: `code` and HTTP `status` as its API reference lists them."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message, status)
        self.code, self.message, self.status = code, message, status

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True)
class Asked:
    """A call on its way to an overlay."""

    simulator: "Simulator"
    call: AwsCall
    forward: Forward

    @property
    def world(self) -> World:
        """The world as it is; the caller of an answerer holds its lock."""
        return self.simulator.world

    @property
    def request(self) -> dict[str, Any]:
        """The members of the request."""
        return self.call.request

    @property
    def key(self) -> Key:
        """The caller's account and Region."""
        return self.call.account, self.call.region

    def stamp(self, simulated: float) -> datetime:
        """Return the instant of a simulated second."""
        return self.world.clock.wall_at(simulated)


Answerer = Callable[[Asked], dict[str, object] | Reply]


def answers(simulator: "Simulator", service: str, table: Mapping[str, Answerer]) -> None:
    """Let functions answer a service's operations, in a world that is up to date and locked."""
    for operation, function in table.items():
        simulator.overlays.on(service, operation, _handler(simulator, function))


def _handler(simulator: "Simulator", function: Answerer) -> Callable[[AwsCall, Forward], Reply]:
    def handle(call: AwsCall, forward: Forward) -> Reply:
        try:
            with simulator.world.lock:
                simulator.world.advance()
                result = function(Asked(simulator, call, forward))
            return result if isinstance(result, Reply) else written(call, result)
        except Refused as refused:
            return injected(call, (refused.code, refused.status, refused.message))
        except Exception:  # the server must answer; the traceback goes to whoever runs the simulator
            logger.exception("the simulator failed at %s:%s with %s", call.service, call.operation, call.request)
            return injected(call, ("InternalFailure", 500, "the simulator has a bug here: see its log"))

    return handle


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    """Return botocore's model of an operation, in moto's reading of it."""
    model: OperationModel = get_service_model(MODEL_NAMES.get(service, service)).operation_model(operation)
    return model


def written(call: AwsCall, result: dict[str, object]) -> Reply:
    """Return an answer in the protocol of the call's service. Raises AssertionError where it breaks the model."""
    model = operation_model(call.service, str(call.operation))
    if model.output_shape is not None:
        wrong = ParamValidator().validate(result, model.output_shape)
        if wrong.has_errors():
            raise AssertionError(f"the answer of {call.service}:{call.operation}: {wrong.generate_report()}")
        strange = enum_faults(model.output_shape, result)
        if strange:
            raise AssertionError(f"the answer of {call.service}:{call.operation}: {strange}")
    serializer = get_serializer_class(model.service_model.service_name, model.service_model.metadata["protocol"])
    answer = serializer(model).serialize(result)
    body = answer["body"]
    content = body.encode() if isinstance(body, str) else b"".join([body] if isinstance(body, bytes) else body)
    headers = {str(name): str(value) for name, value in answer["headers"].items()}
    return Reply(int(answer["status_code"]), content, headers)


def enum_faults(shape: Shape, value: Any) -> list[str]:
    """Return every text in an answer that is none of its shape's values; botocore's own validator lets them pass."""
    match shape:
        case StructureShape():
            return [text for name, inner in value.items() for text in enum_faults(shape.members[name], inner)]
        case ListShape():
            return [text for inner in value for text in enum_faults(shape.member, inner)]
        case MapShape():
            return [text for inner in value.values() for text in enum_faults(shape.value, inner)]
        case StringShape() if shape.enum and value not in shape.enum:
            return [f"{value!r} is no {shape.name}"]
    return []


def paged(
    request: Mapping[str, Any], items: Sequence[object], key: str, *, most: int = 50, refuse: str = "InvalidNextToken"
) -> dict[str, object]:
    """Return one page of items; the token is refused where it is none that this gave out."""
    start = _position(request.get("NextToken"), len(items), refuse)
    size = min(int(request.get("MaxResults") or most), most)
    answer: dict[str, object] = {key: list(items[start : start + size])}
    if start + size < len(items):
        answer["NextToken"] = base64.b64encode(json.dumps({"start": start + size}).encode()).decode()
    return answer


def _position(token: str | None, length: int, refuse: str) -> int:
    if not token:
        return 0
    try:
        start = json.loads(base64.b64decode(token))["start"]
    except (ValueError, TypeError, KeyError):
        start = None
    if not isinstance(start, int) or not 0 <= start <= length:
        raise Refused(refuse, "The specified token isn't valid.")
    return start
