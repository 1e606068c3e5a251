"""A simulator that listens: world, gateway and HTTP server put together, warmed up, kept on disk where asked to."""

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from drs_simulator.backend import registration
from drs_simulator.backend.moto_state import clear_moto
from drs_simulator.backend.simulator import Simulator
from drs_simulator.clock import Clock
from drs_simulator.faults.kinds import AnyFault
from drs_simulator.fleet.model import Fleet
from drs_simulator.neighbours.installation import install
from drs_simulator.server.gateway import Gateway
from drs_simulator.server.http_server import SimulatorServer
from drs_simulator.server.state_file import Saver, restore
from drs_simulator.server.warm_up import warm_up


class RunningSimulator:
    """A simulator on a port. Use it as a context manager, or call `stop`."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        random_seed: int = 0,
        faults: Iterable[AnyFault] = (),
        state: Path | None = None,
        warm_everything: bool = False,
        lambda_code: Sequence[Path] = (),
    ) -> None:
        # A thousand public images per Region cost a fifth of a second each time, and nothing here looks at them.
        os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        registration.install()
        clear_moto()
        self.simulator = Simulator(fleet, Clock(speed), random_seed=random_seed, faults=faults)
        registration.bind(self.simulator)
        install(self.simulator, lambda_code)
        self._saver = Saver(self.simulator, state) if state is not None else None
        if state is not None and state.exists():
            restore(self.simulator, state)
            if self.simulator.world.clock.speed != speed:
                self.simulator.world.clock.set_speed(speed)
        self.gateway = Gateway(self.simulator, self._saver.changed if self._saver else lambda: None)
        warm_up(self.gateway, everything=warm_everything)
        self._server = SimulatorServer(host, port, self.gateway.answer)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where AWS clients and the control plane reach it."""
        return self._server.url

    def serve_forever(self) -> None:
        """Serve until `stop` is called from elsewhere."""
        self._server.serve_forever(poll_interval=0.1)

    def start(self) -> Self:
        """Serve in a thread of this process."""
        self._thread = threading.Thread(target=self.serve_forever, name="drs-simulator", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving, save, and give the port back."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        if self._saver is not None:
            self._saver.save()
        registration.bind(None)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
