"""The control plane under ``/_simulator/``: health, reset, calls, state, faults and the clock."""

import json
import logging
from typing import Any
from urllib.parse import parse_qs

from drs_simulator.backend.simulator import Simulator
from drs_simulator.clock import checked_jump, checked_speed
from drs_simulator.durations import seconds_of
from drs_simulator.errors import BadInput
from drs_simulator.faults.engine import faults_of
from drs_simulator.protocol.wire import Reply
from drs_simulator.strict_input import nearest
from drs_simulator.world import moto_ec2, views
from drs_simulator.world.resources import Job, Region

logger = logging.getLogger(__name__)

PATHS = ["health", "reset", "calls", "state", "faults", "clock"]
CLOCK_KEYS = ["advance", "freeze", "hold_answers", "speed"]


class Control:
    """Answers the control plane's requests about a simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def answer(self, method: str, path: str, query: str, body: bytes) -> Reply:
        """Answer one request; a bad one is told what is wrong, with status 400."""
        try:
            given = json.loads(body) if body.strip() else None
            status, answer = self._routed(method, path.strip("/"), query, given)
        except (BadInput, ValueError, RecursionError) as error:
            status, answer = 400, {"error": str(error)}
        except Exception:  # the caller must get an answer; the traceback goes to whoever runs the simulator
            logger.exception("the simulator failed at %s /_simulator/%s", method, path)
            status, answer = 500, {"error": "the simulator has a bug here: see its log"}
        return Reply(status, json.dumps(answer, default=str).encode(), {"Content-Type": "application/json"})

    def _routed(self, method: str, path: str, query: str, given: object) -> tuple[int, object]:  # noqa: PLR0911 - one line per path
        head, _, rest = path.partition("/")
        match method, head:
            case "GET", "health":
                return 200, self.health()
            case "POST", "reset":
                self._simulator.reset()
                return 200, self.health()
            case "GET", "calls":
                return 200, self._simulator.calls.since(_since(query))
            case "GET", "state":
                return 200, self.state()
            case "GET", "faults":
                with self._simulator.world.lock:
                    return 200, self._simulator.faults.listed()
            case "POST", "faults":
                return 200, {"ids": self._simulator.add_faults(faults_of(given, "faults"))}
            case "DELETE", "faults":
                return self._removed(rest)
            case (("GET" | "POST"), "clock"):
                return 200, self._clock(given if method == "POST" else {})
            case _, _ if head in self._simulator.overlays.controls:
                return 200, self._simulator.overlays.controls[head](method, rest, given)
        known = f" (known: {', '.join(PATHS)})" if head in PATHS else nearest(head, PATHS)
        return 404, {"error": f"no {method} /_simulator/{path}{known}"}

    def _removed(self, name: str) -> tuple[int, object]:
        gone = self._simulator.remove_faults(name or None)
        if name and not gone:
            return 404, {"error": f"no fault {name!r} is in force"}
        return 200, {"removed": gone}

    def health(self) -> dict[str, object]:
        """Return whether it can be used, and how big it is."""
        world = self._simulator.world
        return {
            "ready": True,
            "speed": _number(world.clock.speed),
            "servers": sum(len(region.servers) for region in world.regions.values()),
        }

    def _clock(self, given: object) -> dict[str, object]:
        if not isinstance(given, dict):
            raise BadInput(f'the clock takes an object such as {{"advance": "10m"}}, not {given!r}')
        for key in given:
            if key not in CLOCK_KEYS:
                raise ValueError(f"clock: no such key {key!r}{nearest(key, CLOCK_KEYS)}")
        world = self._simulator.world
        with world.lock:
            speed, freeze, advance = _moves(given, world.clock.speed)
            self._simulator.holds_answers = given.get("hold_answers", self._simulator.holds_answers)
            world.advance()
            if speed is not None:
                world.clock.set_speed(speed)
            if freeze is not None:
                world.clock.freeze() if freeze else world.clock.thaw()
            if advance is not None:
                world.clock.advance(advance)
            world.advance()
            world.dirty += 1
            clock = world.clock
            return {
                "now": clock.now().isoformat(),
                "speed": _number(clock.speed),
                "frozen": clock.is_frozen,
                "simulated_seconds": clock.simulated(),
                "next_answer_in": self._simulator.next_answer_in,
            }

    def state(self) -> dict[str, object]:
        """Return the world as it is: accounts with their Regions, and in them everything that DRS and EC2 have."""
        world = self._simulator.world
        with world.lock:
            world.advance()
            accounts: dict[str, dict[str, object]] = {}
            for region in world.regions.values():
                accounts.setdefault(region.account, {})[region.name] = self._region(region)
            return {
                "now": world.clock.now().isoformat(),
                "speed": _number(world.clock.speed),
                "default_account": world.default_account,
                "accounts": accounts,
                "faults": world.faults.listed(),
                "upcoming": len(world.agenda),
            }

    def _region(self, region: Region) -> dict[str, object]:
        world = self._simulator.world
        instances = moto_ec2.instances(region.account, region.name)
        templates = moto_ec2.ec2(region.account, region.name).launch_templates.values()
        return {
            "initialized": region.initialized,
            "subnets": region.subnets,
            "servers": {
                server.id: {
                    **views.source_server(world, server),
                    "launchConfiguration": server.launch,
                    "actions": list(server.actions.values()),
                    "busy": region.busy.get(server.id),
                }
                for server in region.servers.values()
            },
            "jobs": {job.id: _job(job) for job in region.jobs.values()},
            "deleted_jobs": {job.id: _job(job) for job in region.deleted_jobs.values()},
            "behind_drs": region.behind_drs,
            "starts": region.starts,
            "recovery_instances": {
                instance.id: views.recovery_instance(world, instance, instances.get(instance.id))
                for instance in region.instances.values()
            },
            "ec2_instances": {name: moto_ec2.state_of(instance) for name, instance in instances.items()},
            "launch_templates": {
                template.id: {
                    "name": template.name,
                    "default_version": template.default_version_number,
                    "versions": [version.data for version in template.versions],
                }
                for template in templates
            },
            "source_networks": {
                network.id: views.source_network(world, network) for network in region.networks.values()
            },
            "recovery_plans": {plan.arn: plan.name for plan in region.plans.values()},
        }


def _since(query: str) -> int:
    text = parse_qs(query).get("since", ["0"])[-1]
    if not text.isascii() or not text.isdigit() or len(text) > LONGEST_NUMBER:
        raise ValueError(f"since must be the number of a call, not {text[:40]!r}")
    return int(text)


def _moves(given: dict[str, Any], present: float) -> tuple[float | None, bool | None, float | None]:
    """Return speed, freeze and advance (simulated seconds) as far as given: all of it is right, or nothing is done."""
    speed, freeze, advance = None, given.get("freeze"), None
    holds = given.get("hold_answers")
    if "speed" in given:
        if isinstance(given["speed"], bool) or not isinstance(given["speed"], int | float):
            raise ValueError(f"speed must be a number, not {given['speed']!r}")
        speed = checked_speed(given["speed"])
    if "freeze" in given and not isinstance(freeze, bool):
        raise ValueError(f"freeze must be true or false, not {freeze!r}")
    if "hold_answers" in given and not isinstance(holds, bool):
        raise ValueError(f"hold_answers must be true or false, not {holds!r}")
    if "advance" in given:
        if not isinstance(given["advance"], str | int | float):
            raise ValueError(f'advance must be a length of time such as "10m", not {given["advance"]!r}')
        advance = checked_jump(seconds_of(given["advance"]), speed or present)
    return speed, freeze, advance


LONGEST_NUMBER = 15
"""Digits."""


def _job(job: Job) -> dict[str, object]:
    timeline = {
        part.id: {
            "status": part.status,
            "stages": [stage.event for stage in part.stages[: part.position]],
            "held_by": part.held_by,
            "instance": part.instance_id,
            "landed": part.landed,
        }
        for part in job.participants.values()
    }
    told = {"timeline": timeline, "log": [line for _, line in job.log], "tags_given": job.tags_given}
    return {**views.job(job), **told}


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value
