"""Failback clients: what a person does with the machines of a data centre, which no operation of DRS can.

``POST /_simulator/failback_clients`` with ``{"recovery_instance": "i-…", "event": "paired", "to_original": true}``:
somebody has booted a machine from the failback client, the original one or another, and it has found the instance.
``lost``: it is not seen any more; ``found``: it is back.
"""

from functools import partial
from typing import TYPE_CHECKING

from drs_simulator.errors import BadInput
from drs_simulator.strict_input import nearest
from drs_simulator.world import failback
from drs_simulator.world.resources import RecoveryInstance
from drs_simulator.world.world import World

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

KEYS = ["account", "region", "recovery_instance", "event", "to_original"]
EVENTS = ["paired", "lost", "found"]


def install(simulator: "Simulator") -> None:
    """Let the control plane say what people do."""
    simulator.overlays.control("failback_clients", partial(_control, simulator))


def _control(simulator: "Simulator", method: str, rest: str, body: object) -> object:
    if method != "POST" or rest or not isinstance(body, dict):
        raise BadInput('failback_clients: POST an object such as {"recovery_instance": "i-…", "event": "paired"}')
    for key in body:
        if key not in KEYS:
            raise BadInput(f"failback_clients: no such key {key!r}{nearest(key, KEYS)}")
    event, to_original = body.get("event", "paired"), body.get("to_original", True)
    if event not in EVENTS or not isinstance(to_original, bool):
        raise BadInput(f"failback_clients: event is one of {', '.join(EVENTS)}, to_original is true or false")
    world = simulator.world
    with world.lock:
        world.advance()
        record = _found(world, str(body.get("recovery_instance")), body.get("account"), body.get("region"))
        if event == "paired":
            failback.pair(world, record, to_original=to_original)
        elif event == "lost":
            failback.lose_client(world, record)
        else:
            failback.find_client_again(world, record)
        world.dirty += 1
        return {"recovery_instance": record.id, "event": event, "state": failback.state_of(world, record)}


def _found(world: World, name: str, account: object, region: object) -> RecoveryInstance:
    for place in world.regions.values():
        if name in place.instances and account in {None, place.account} and region in {None, place.name}:
            return place.instances[name]
    raise BadInput(f"failback_clients: no recovery instance {name}")
