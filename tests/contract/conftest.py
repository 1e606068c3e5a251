"""The hook, against botocore's Stubber and against the simulator over HTTP."""

import pytest
from drs_provider.hooks.drs import DrsHook
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)
from kit.aws_models import shared_models  # noqa: F401  (a fixture)


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    """A simulator with two servers, for all tests of a module."""
    return start_drs_simulator(speed=600)


@pytest.fixture
def simulator(one_simulator, monkeypatch):
    """The simulator as new, which the hooks of this test talk to."""
    one_simulator.reset()
    one_simulator.clock(speed=600)
    monkeypatch.setenv("AWS_ENDPOINT_URL", one_simulator.url)
    return one_simulator


@pytest.fixture
def hook(simulator):
    """A hook of the recovery Region, without an Airflow connection."""
    return DrsHook(aws_conn_id=None, region_name="us-west-2")
