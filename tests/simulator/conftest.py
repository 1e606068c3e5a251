"""One simulator per module, back at its fleet file with time standing still for every test."""

import pytest
from drs_simulator.pytest_plugin import start_drs_simulator
from simulator.small_fleet import SMALL

__all__ = ["start_drs_simulator"]


@pytest.fixture(scope="module")
def running(start_drs_simulator):
    return start_drs_simulator(SMALL, speed=60)


@pytest.fixture
def sim(running):
    running.reset()
    running.clock(freeze=True)
    return running


@pytest.fixture
def drs(sim):
    return sim.client("drs")
