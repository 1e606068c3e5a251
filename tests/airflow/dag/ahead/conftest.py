"""Runs that launch ahead, in simulated time."""

import pytest
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)

from benchmarks.kill_sweep.kinds import FLEET, kind_of
from benchmarks.kill_sweep.lives import environment, lived
from benchmarks.kill_sweep.mortal_run import Death


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    return start_drs_simulator(dict(FLEET), speed=1)


@pytest.fixture
def live(one_simulator, tmp_path, monkeypatch):
    one_simulator.reset()
    for name, value in environment(one_simulator.url, tmp_path).items():
        monkeypatch.setenv(name, value)

    def live(death=None, *, kind=None, **more):
        return lived(kind or kind_of("ahead"), one_simulator, tmp_path, death or Death(), **more)

    return live
