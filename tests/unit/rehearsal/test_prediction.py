"""What one rehearsal has measured of a machine, as the next one takes it."""

from drs_provider.rehearsal.prediction import machine_of

FACTS = {
    "machine": {"others": 3.004, "share": 0.5, "pace": 1.2},
    "tasks": {
        "preflight.check": {"works": [0.8]},
        "db.recovery_job": {"works": [0.1, 0.4]},
        "db.servers": {"works": []},
    },
}


def test_what_was_measured_by_the_clock_becomes_time_of_a_processor():
    works = {"preflight.check": [0.4], "db.recovery_job": [0.05, 0.2]}
    assert machine_of(FACTS, busy=None) == {"others": 3.0, "pace": 1.2, "works": works}


def test_somebody_may_say_how_busy_the_machine_will_be():
    assert machine_of(FACTS, busy=0.0)["others"] == 0.0
