"""A Region that is silent costs a look of a roll back, or of the question for one, seconds: it is asked once."""

import pytest
from drs_provider.exceptions import AccessDenied, DrsProviderError, ServiceUnavailable
from drs_provider.hooks import quick
from drs_provider.hooks.quick import QUICK_SECONDS, QuickHook
from drs_provider.services.commit.survey import OtherRegions

HERE, EAST = "111122223333", "us-east-1"


@pytest.fixture
def asked(monkeypatch):
    """Every call to another Region; ``raises``: what it answers."""
    calls = []

    class Hook:
        raises = {}  # noqa: RUF012  (one test's)

        def __init__(self, *, aws_conn_id, region_name, patience):
            self.region, self.patience = region_name, patience

        def _ask(self, what):
            calls.append((what, self.region, self.patience))
            if what in self.raises:
                raise self.raises[what]

        def caller_account(self):
            self._ask("account")
            return HERE

        def source_servers(self, ids):
            self._ask("servers")
            return [{"sourceServerID": name} for name in ids]

        def instance_states(self, ids):
            self._ask("states")
            return dict.fromkeys(ids, "running")

    monkeypatch.setattr(quick, "QuickHook", Hook)
    monkeypatch.setattr(Hook, "raises", {})
    return type("Asked", (), {"calls": calls, "raises": Hook.raises})


def silence(operation):
    return ServiceUnavailable(operation, "ConnectTimeoutError", "no answer")


def fails(call):
    with pytest.raises(DrsProviderError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("silent", ["account", "servers"])
def test_a_silent_place_is_asked_once_in_a_look(asked, silent):
    asked.raises[silent] = silence(silent)
    elsewhere = OtherRegions((None,))

    first = fails(lambda: elsewhere.servers(HERE, EAST, ["s-1"]))
    before = len(asked.calls)

    assert fails(lambda: elsewhere.instance_states(HERE, EAST, ["i-1"])) is first
    assert fails(lambda: elsewhere.servers(HERE, EAST, ["s-1"])) is first
    assert len(asked.calls) == before
    assert {patience for _, _, patience in asked.calls} == {QUICK_SECONDS}


def test_silence_of_one_place_says_nothing_of_another(asked):
    asked.raises["servers"] = silence("servers")
    elsewhere = OtherRegions((None,), patience=45.0)
    fails(lambda: elsewhere.servers(HERE, EAST, ["s-1"]))

    assert elsewhere.instance_states(HERE, "eu-west-1", ["i-1"]) == {"i-1": "running"}
    assert {patience for _, _, patience in asked.calls} == {45.0}


def test_a_refusal_of_one_call_says_nothing_of_another(asked):
    asked.raises["servers"] = AccessDenied("DescribeSourceServers", "AccessDeniedException", "you may not")
    elsewhere = OtherRegions((None,))
    fails(lambda: elsewhere.servers(HERE, EAST, ["s-1"]))

    assert elsewhere.instance_states(HERE, EAST, ["i-1"]) == {"i-1": "running"}


def test_a_quick_hook_keeps_what_its_connection_says_and_shortens_times(monkeypatch):
    extra = '{"config_kwargs": {"proxies": {"https": "http://proxy:3128"}, "read_timeout": 300}}'
    monkeypatch.setenv("AIRFLOW_CONN_AWS_FAR", f'{{"conn_type": "aws", "extra": {extra}}}')

    config = QuickHook(aws_conn_id="aws_far", region_name=EAST).config

    assert config.proxies == {"https": "http://proxy:3128"}
    assert (config.connect_timeout, config.read_timeout) == (5, 15)
