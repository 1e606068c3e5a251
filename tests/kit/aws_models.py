"""AWS's service models and their clients' classes, once in a test process.

Every session would read them again, and EC2's has 3 MB; every client would make the methods of its class again, and
EC2's has eight hundred.
"""

from functools import cache

import botocore
import botocore.session
import pytest
from botocore.client import ClientCreator
from drs_simulator.protocol.older_models import RECOVERY_PLANS_SINCE, is_older

KNOWS_NATIVE_PLANS = not is_older(botocore.__version__, RECOVERY_PLANS_SINCE)
"""Whether the installed botocore has DRS's own recovery plans; that of Amazon MWAA 3.3.1 has not."""

needs_native_plans = pytest.mark.skipif(not KNOWS_NATIVE_PLANS, reason="this botocore has no native recovery plans")


@pytest.fixture(scope="session", autouse=True)
def shared_models():
    """Let all sessions share one loader, as all clients of a session do; what it has read nobody changes."""
    made = {}
    make = ClientCreator._create_client_class

    def client_class(creator, service_name, service_model):
        if service_name not in made:
            made[service_name] = make(creator, service_name, service_model)
        return made[service_name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        patch.setattr(ClientCreator, "_create_client_class", client_class)
        yield
