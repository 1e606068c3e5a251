"""The world on disk: a snapshot after every change, and the way back from it.

A snapshot holds the world, what moto's EC2, IAM, STS, SSM and SNS have, and what overlays keep. It is written to a
neighbouring file and moved into place, so that a crash leaves the old one. Time goes on while the simulator is down, as
it does for the real service: jobs may have ended when it comes back.
"""

import logging
import pickle
import threading
import time
from pathlib import Path
from typing import Any

from drs_simulator.backend.moto_state import dump_moto, load_moto
from drs_simulator.backend.simulator import Simulator
from drs_simulator.errors import BadInput

logger = logging.getLogger(__name__)

FORMAT = "drs-simulator state 5"
PATIENT_AFTER = 0.05
"""Seconds: where writing takes longer than this, changes are gathered for `GATHER` before the next write."""
GATHER = 1.0


class Saver:
    """Writes snapshots. Small worlds are on disk before the caller has its answer; big ones within about a second."""

    def __init__(self, simulator: Simulator, path: Path) -> None:
        self._simulator = simulator
        self._path = path
        self._saved = -1
        self._took = 0.0
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def changed(self) -> None:
        """Write a snapshot if anything has changed since the last one."""
        if self._simulator.world.dirty == self._saved:
            return
        if self._took <= PATIENT_AFTER:
            self.save()
            return
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(GATHER, self._late)
                self._timer.daemon = True
                self._timer.start()

    def _late(self) -> None:
        with self._lock:
            self._timer = None
        self.save()

    def save(self) -> None:
        """Write a snapshot now."""
        began = time.perf_counter()
        with self._simulator.world.lock:
            world = self._simulator.world
            dirty = world.dirty
            content = pickle.dumps(
                {
                    "format": FORMAT,
                    "world": world,
                    "moto": dump_moto(),
                    "overlays": self._simulator.overlays.dump(),
                }
            )
            draft = self._path.with_name(f"{self._path.name}.part")
            draft.write_bytes(content)
            draft.replace(self._path)
            self._saved = dirty
        self._took = time.perf_counter() - began


def restore(simulator: Simulator, path: Path) -> None:
    """Put a simulator into the state of a snapshot. Raises BadInput where the file is none of ours."""
    try:
        kept: dict[str, Any] = pickle.loads(path.read_bytes())  # noqa: S301 - our own file, named by whoever starts us
        known = kept["format"] == FORMAT
    except Exception as error:  # pickle raises anything at a file that is none of its own
        raise _none_of_ours(path, f"{type(error).__name__}: {error}") from error
    if not known:
        raise _none_of_ours(path, f"it is {kept['format']!r}, this one writes {FORMAT!r}")
    with simulator.world.lock:
        load_moto(kept["moto"])
        simulator.world = kept["world"]
        simulator.overlays.load(kept["overlays"])


def _none_of_ours(path: Path, why: str) -> BadInput:
    return BadInput(f"{path}: is no state of this simulator ({why}); delete it to begin from the fleet file")
