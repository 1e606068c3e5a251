"""Runs that launch ahead, in simulated time."""

import pytest

from benchmarks.kill_sweep.kinds import FLEET, kind_of
from benchmarks.kill_sweep.lives import environment, lived
from benchmarks.kill_sweep.mortal_run import Death


@pytest.fixture(scope="module")
def swept_simulator(start_drs_simulator):
    return start_drs_simulator(dict(FLEET), speed=1)


@pytest.fixture
def live(swept_simulator, tmp_path, monkeypatch):
    swept_simulator.reset()
    for name, value in environment(swept_simulator.url, tmp_path).items():
        monkeypatch.setenv(name, value)

    def live(death=None, *, kind=None, **more):
        return lived(kind or kind_of("ahead"), swept_simulator, tmp_path, death or Death(), **more)

    return live
