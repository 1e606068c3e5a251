"""One simulator per module with roles, functions and documents, back at its fleet file with time standing still."""

from pathlib import Path

import pytest
from drs_simulator.pytest_plugin import start_drs_simulator
from simulator.neighbours.neighbourhood import FLEET

__all__ = ["start_drs_simulator"]

CODE = Path(__file__).with_name("checks.py")


@pytest.fixture(scope="module")
def running(start_drs_simulator):
    return start_drs_simulator(FLEET, speed=60, lambda_code=[CODE])


@pytest.fixture
def ssm(sim):
    return sim.client("ssm")


@pytest.fixture
def ec2(sim):
    return sim.client("ec2")
