"""Free ports on this machine."""

import socket
from collections.abc import Collection
from dataclasses import dataclass

ANYWHERE = "0.0.0.0"  # noqa: S104 - asked only whether it is free; Airflow's log servers bind it


@dataclass(frozen=True)
class Ports:
    """The port of every server of the stack."""

    api: int = 8080
    simulator: int = 5555
    worker_log: int = 8793
    trigger_log: int = 8794


class PortTaken(RuntimeError):
    """Somebody listens on the port that was asked for."""


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port now, on every address of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ANYWHERE, port))
        except OSError:
            return False
        return True


def any_port(but: Collection[int] = ()) -> int:
    """Return a port that nobody listens on."""
    while True:
        with socket.socket() as probe:
            probe.bind((ANYWHERE, 0))
            port: int = probe.getsockname()[1]
        if port not in but:
            return port


def free_port(wanted: int, but: Collection[int] = ()) -> int:
    """Return the wanted port, or any other when it is taken."""
    return wanted if wanted not in but and is_free(wanted) else any_port(but)


def choose(api: int | None, defaults: Ports = Ports()) -> Ports:
    """Choose four different free ports, the defaults where they are free.

    :param api: the port that a person asked for; it is taken or refused, never replaced. The others are any free ones
        then: of two stacks that start at the same moment both would find the defaults free.
    :raises PortTaken: when somebody listens there already.
    """
    if api is not None and not is_free(api):
        raise PortTaken(
            f"port {api} is in use. Another demo? Stop it with Ctrl-C in its terminal, "
            f"or choose another port: make demo PORT={any_port()}"
        )
    chosen = [api if api is not None else free_port(defaults.api)]
    for wanted in (defaults.simulator, defaults.worker_log, defaults.trigger_log):
        chosen.append(any_port(chosen) if api is not None else free_port(wanted, chosen))
    return Ports(*chosen)
