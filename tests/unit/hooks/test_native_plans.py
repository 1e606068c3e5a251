"""What is said where the installed botocore is older than native recovery plans."""

import copy

import botocore
import pytest
from drs_provider.exceptions import BotocoreTooOld
from drs_provider.hooks.native_plans import running_executions


def test_an_older_botocore_is_named_with_the_version_that_is_needed(monkeypatch):
    monkeypatch.setattr(botocore, "__version__", "1.43.56")

    with pytest.raises(BotocoreTooOld) as raised:
        running_executions(object())

    words = "botocore 1.43.56 does not know this operation, 1.43.73 and newer do"
    assert str(raised.value) == f"ListRecoveryPlanExecutions: not called: {words}"
    assert str(copy.copy(raised.value)) == str(raised.value)
