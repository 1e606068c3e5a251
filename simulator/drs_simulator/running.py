"""A simulator that listens: world, gateway and HTTP server put together, warmed up, kept on disk where asked to."""

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from drs_simulator import cloud, overlays, registration
from drs_simulator.clock import Clock
from drs_simulator.faults.specification import AnyFault
from drs_simulator.fleet import Fleet
from drs_simulator.gateway import Gateway, read_call
from drs_simulator.http_server import SimulatorServer
from drs_simulator.moto_state import clear_moto
from drs_simulator.persistence import Saver, restore
from drs_simulator.simulator import Simulator
from drs_simulator.validation import answer_faults, request_faults


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
        lambda_code: Sequence[Path] = (),
    ) -> None:
        # A thousand public images per Region cost a fifth of a second each time, and nothing here looks at them.
        os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        registration.install()
        clear_moto()
        self.simulator = Simulator(fleet, Clock(speed), random_seed=random_seed, faults=faults)
        registration.bind(self.simulator)
        overlays.install(self.simulator, lambda_code)
        self._saver = Saver(self.simulator, state) if state is not None else None
        if state is not None and state.exists():
            restore(self.simulator, state)
            if self.simulator.world.clock.speed != speed:
                self.simulator.world.clock.set_speed(speed)
        self.gateway = Gateway(self.simulator, self._saver.changed if self._saver else lambda: None)
        warm_up(self.gateway)
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


WARM_UP_ACCOUNT = "000000000000"
WARM_UP_CALLS = (
    ("ec2", "Action=DescribeInstances&Version=2016-11-15"),
    ("ec2", "Action=DescribeLaunchTemplates&Version=2016-11-15"),
    ("sts", "Action=GetCallerIdentity&Version=2011-06-15"),
)


def warm_up(gateway: Gateway) -> None:
    """Load what moto loads lazily: the first launch and the first call must cost what the next ones cost."""
    region = "us-east-1"
    place = cloud.LaunchPlan(None, None, None, "m5.large")
    instance_id = cloud.run(WARM_UP_ACCOUNT, region, place, tags={"Name": "warm-up"}, disks=(8,))
    cloud.set_running(WARM_UP_ACCOUNT, region, instance_id)
    cloud.terminate(WARM_UP_ACCOUNT, region, instance_id)
    for service, form in WARM_UP_CALLS:
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential=none/20200101/{region}/{service}/aws4_request, Signature=0",
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Moto-Account-Id": WARM_UP_ACCOUNT,
            "Host": "localhost",
        }
        gateway.ask_moto("POST", "/", headers, form.encode())
        read_call("POST", "/", "", headers, form.encode())
    answer_faults("DescribeJobs", {"items": []})
    request_faults("StartRecovery", {"sourceServers": []})
