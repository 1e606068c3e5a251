"""Makes DRS known to an unmodified moto, in this process.

moto finds a back end by importing ``moto.<name>`` and routes by a list of URL patterns; both can be added to at run
time. Two functions of moto are wrapped: one that tells the account of an access key (an unknown key belongs to the
fleet's first account), and one through which every action of every service goes (the world is brought up to date first,
so that EC2 shows an instance without DRS being asked).
"""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import moto
import moto.backend_index
import moto.iam.models
from moto.core.responses import BaseResponse

from drs_simulator.backend import moto_speed
from drs_simulator.backend.simulator import LOOKS_AT_INSTANCES, Simulator
from drs_simulator.clock import Clock
from drs_simulator.errors import BadInput
from drs_simulator.fleet.file import parsed, read_fleet
from drs_simulator.fleet.model import Fleet
from drs_simulator.world.origins import ensure_origins

ACCOUNT = re.compile(r"\d{12}")
EMPTY_FLEET: dict[str, object] = {"accounts": [{"id": "123456789012", "regions": []}]}


class _Registered:
    """What this process has registered."""

    is_done = False
    fleet: Fleet | None = None
    speed = 1.0
    random_seed = 0
    bound: Simulator | None = None


def register(
    fleet: Fleet | Path | str | dict[str, object] | None = None, *, speed: float = 1.0, random_seed: int = 0
) -> None:
    """Make ``moto.mock_aws`` know DRS, with this fleet at the start of every mock; call it before the mock starts.

    Calling it again changes the fleet for the mocks that start afterwards. Raises BadInput for a fleet that cannot be
    used, RuntimeError where moto has a DRS of its own.
    """
    _Registered.fleet = _read(fleet)
    _Registered.speed, _Registered.random_seed = speed, random_seed
    _Registered.bound = None
    install()


def _read(fleet: Fleet | Path | str | dict[str, object] | None) -> Fleet:
    match fleet:
        case Fleet():
            return fleet
        case None:
            return parsed(EMPTY_FLEET)
        case dict():
            return parsed(fleet)
        case Path() | str():
            return read_fleet([Path(fleet)])
    raise BadInput(f"a fleet is a file or a mapping, not {type(fleet).__name__}")


def install() -> None:
    """Add DRS to moto; a second time does nothing."""
    if _Registered.is_done:
        return
    if (Path(str(moto.__file__)).parent / "drs").is_dir():
        raise RuntimeError("this moto has a DRS of its own: the simulator will not stand in its way")
    sys.modules["moto.drs"] = importlib.import_module("drs_simulator.backend")
    moto.backend_index.backend_url_patterns.append(("drs", re.compile(r"https?://drs\.(.+)\.amazonaws\.com")))
    _wrap_accounts()
    _wrap_actions()
    moto_speed.install()
    _Registered.is_done = True


def bind(simulator: Simulator | None) -> None:
    """Let this simulator be the one of the process (the server does this)."""
    _Registered.bound = simulator


def current() -> Simulator:
    """Return the simulator that answers in this process; inside a new mock, a new one."""
    if _Registered.bound is not None:
        return _Registered.bound
    from drs_simulator.backend.models import home

    held = home()
    if held.simulator is None:
        fleet = _Registered.fleet or parsed(EMPTY_FLEET)
        held.simulator = Simulator(fleet, Clock(_Registered.speed), random_seed=_Registered.random_seed)
    return held.simulator


def account_of(access_key: str) -> str:
    """Return the account that an access key belongs to.

    A key that IAM or STS issued belongs to whom it was issued for, a key of twelve digits to the account with this
    number (so that a caller can be of any account), every other one to the fleet's first account.
    """
    if ACCOUNT.fullmatch(access_key):
        return access_key
    for account, partitions in list(moto.iam.models.iam_backends.items()):
        if any(access_key in backend.access_keys for backend in list(partitions.values())):
            return str(account)
    if _Registered.bound is not None:
        return _Registered.bound.world.default_account
    return (_Registered.fleet or parsed(EMPTY_FLEET)).accounts[0].id


def _wrap_accounts() -> None:
    moto.iam.models.get_account_id_from = account_of


def _wrap_actions() -> None:
    original = BaseResponse.call_action

    def call_action(self: Any) -> Any:
        if self.service_name != "drs" and _Registered.bound is None:
            simulator = current()
            with simulator.world.lock:
                simulator.world.advance()
                if self.service_name in LOOKS_AT_INSTANCES:
                    ensure_origins(simulator.world, self.current_account, self.region)
        return original(self)

    BaseResponse.call_action = call_action  # type: ignore[method-assign]  # moto has no hook for it
