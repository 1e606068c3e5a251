"""Who is launched ahead, and what is said of who is not."""

from dataclasses import replace

import pytest
from drs_provider.rules.ahead.eligibility import (
    AheadCandidate,
    ahead_notes,
    settings_ahead,
    settings_in_turn,
    why_in_its_wave,
)
from drs_provider.rules.purpose import DRILL, MIGRATION, RECOVERY

WEB = AheadCandidate("s-1", "web1")


@pytest.mark.parametrize("purpose", [DRILL, RECOVERY])
@pytest.mark.parametrize("disposition", [None, "stopped"])
def test_nothing_speaks_against_a_plain_server(purpose, disposition):
    server = replace(WEB, settings={"disposition": disposition, "instance_type": "m6i.large"})

    assert why_in_its_wave(server, purpose) is None


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"settings": {"disposition": "started"}}, "its settings say disposition: started"),
        (
            {"into_instance": "the existing instance i-1"},
            "DRS launches it into the existing instance i-1, and starts that",
        ),
        ({"is_known": False}, "its launch settings in DRS cannot be looked at"),
        ({"live_instance": "i-2"}, "its launch terminates i-2, which lives until then"),
        ({"runs_actions": True}, "its DRS launch actions need a running instance"),
        (
            {"runs_actions": None},
            "whether it has DRS launch actions, which need a running instance, cannot be looked up",
        ),
    ],
)
def test_what_speaks_against_it_is_said(facts, why):
    assert why_in_its_wave(replace(WEB, **facts), RECOVERY) == why


def test_a_migration_launches_in_its_waves():
    assert why_in_its_wave(WEB, MIGRATION) == "a migration launches when everything that was written has arrived"


def test_the_plans_settings_stay_but_for_the_disposition():
    assert settings_ahead({"instance_type": "m6i.large"}) == {"instance_type": "m6i.large", "disposition": "stopped"}
    assert WEB.is_started
    assert not replace(WEB, settings={"disposition": "stopped"}).is_started


def test_preflight_says_who_is_launched_when():
    waves = {
        "db": [replace(WEB, server_id="s-2", hostname="db1")],
        "web": [
            WEB,
            replace(WEB, server_id="s-3", hostname="web2", runs_actions=True),
            replace(WEB, server_id="s-4", hostname="web3", runs_actions=True),
            replace(WEB, server_id="s-5", hostname="web4", into_instance="its source instance"),
        ],
        "old": [replace(WEB, server_id="s-6", hostname="old1", live_instance="i-8")],
    }

    assert ahead_notes("eu-west-1", waves, DRILL) == (
        "wave db in eu-west-1: 1 server launched ahead, stopped",
        "wave web in eu-west-1: 1 server launched ahead, stopped",
        (
            "wave web in eu-west-1: launched in its turn, not ahead: web2, web3: its DRS launch actions need a running "
            "instance"
        ),
        (
            "wave web in eu-west-1: launched in its turn, not ahead: web4: DRS launches it into its source "
            "instance, and starts that"
        ),
        (
            "wave old in eu-west-1: launched in its turn, not ahead: old1: its launch terminates i-8, which lives "
            "until then"
        ),
    )


@pytest.mark.parametrize("of_plan", [{}, {"instance_type": "m6i.large"}, {"disposition": "stopped"}])
def test_what_is_launched_in_its_turn_is_started_unless_the_plan_wants_it_stopped(of_plan):
    assert settings_in_turn(of_plan) == {"disposition": "started", **of_plan}
