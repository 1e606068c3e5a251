"""The table of operations: name → function of (context, request) → answer."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from drs_simulator.clock import read_iso
from drs_simulator.errors import Invalid, NotFound
from drs_simulator.faults.engine import Subject
from drs_simulator.world.resources import RecoveryInstance, Region, SourceServer
from drs_simulator.world.world import World

Request = dict[str, Any]
Answer = dict[str, object]


@dataclass(frozen=True)
class Context:
    """Where an operation works: the world, and the caller's account and Region in it."""

    world: World
    region: Region
    operation: str

    @property
    def subject(self) -> Subject:
        """The call, as faults see it."""
        return Subject(operation=self.operation, account=self.region.account, region=self.region.name)

    def server(self, server_id: str) -> SourceServer:
        """Return a source server. Raises NotFound."""
        found = self.region.servers.get(server_id)
        if found is None:
            raise NotFound(f"Source server {server_id} does not exist", server_id, "SourceServer")
        return found

    def instance(self, instance_id: str) -> RecoveryInstance:
        """Return a recovery instance. Raises NotFound."""
        found = self.region.instances.get(instance_id)
        if found is None:
            raise NotFound(f"Recovery instance {instance_id} does not exist", instance_id, "RecoveryInstance")
        return found


Operation = Callable[[Context, Request], Answer]
OPERATIONS: dict[str, Operation] = {}
"""Every operation that the simulator can do."""


def operation(name: str) -> Callable[[Operation], Operation]:
    """Register a function as an operation of DRS."""

    def register(function: Operation) -> Operation:
        OPERATIONS[name] = function
        return function

    return register


DEFAULT_PAGE = 100
"""Items on a page where the caller names no maxResults (the real service's default is not published)."""


def moment_in(filters: Request, member: str) -> datetime | None:
    """Return a date of the filters. Raises Invalid for one that fits the model's pattern but is in no calendar."""
    text = filters.get(member)
    if not text:
        return None
    try:
        return read_iso(text)
    except ValueError as error:
        raise Invalid(f"filters.{member}: {text!r}: {error}", [(f"filters.{member}", str(error))]) from error


FARTHEST = 10**9
"""No list is longer; a token that says more was made up."""


def page(
    context: Context,
    request: Request,
    items: Sequence[object] | Iterator[object],
    render: Callable[[Any], object],
    key: str = "items",
) -> Answer:
    """Return one page of the rendered items, with a token where there are more."""
    start = _position(context.operation, request.get("nextToken"))
    size = request.get("maxResults") or DEFAULT_PAGE
    tiny = context.world.faults.holds("page_size", context.subject)
    if tiny is not None and tiny.fault.do == "page_size":
        size = min(size, tiny.fault.items)
    shown = list(islice(iter(items), start, start + size + 1))
    answer: Answer = {key: [render(item) for item in shown[:size]]}
    if len(shown) > size:
        answer["nextToken"] = base64.urlsafe_b64encode(json.dumps([context.operation, start + size]).encode()).decode()
    return answer


def _position(operation_name: str, token: str | None) -> int:
    if not token:
        return 0
    try:
        name, position = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError, RecursionError):
        name, position = None, 0
    if name != operation_name or type(position) is not int or not 0 <= position <= FARTHEST:
        raise Invalid(
            "nextToken is not one that this operation gave out",
            [("nextToken", "is not one that this operation gave out")],
        )
    return position
