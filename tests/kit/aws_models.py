"""AWS's service models, read once in a test process: every session would read them again, and EC2's has 3 MB."""

from functools import cache

import botocore.session
import pytest


@pytest.fixture(scope="session", autouse=True)
def shared_models():
    """Let all sessions share one loader, as all clients of a session do; what it has read nobody changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        yield
