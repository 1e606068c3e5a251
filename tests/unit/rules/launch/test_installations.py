"""Which Airflow a run is of."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.launch.installations import holder_of, installation_id, is_overdue, why_not_ours
from drs_provider.rules.launch.tags import Mark

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("dublin", "dublin"),
        (" eu-west-1.prod \n", "eu-west-1.prod"),
        ("3f9a12bc", "3f9a12bc"),
        ("", ""),
        ("  ", ""),
        ("the standby", "x-b1993545a5d7"),
        ("-", "x-3973e022e932"),
        ("Zürich", "x-4251685e06ca"),
        ("a" * 64, "x-ffe054fe7ae0"),
    ],
)
def test_what_somebody_writes_becomes_a_name_that_fits_into_tags(said, name):
    assert installation_id(said) == name


def marks(*installations):
    return [Mark("key", "drill", NOW, "drs.shop", f"r{n}", name) for n, name in enumerate(installations)]


@pytest.mark.parametrize(
    ("made_by", "others", "holder"),
    [
        pytest.param("dublin", (), "dublin", id="who made it"),
        pytest.param("dublin", ("paris",), "paris", id="who took it over"),
        pytest.param("dublin", ("paris", "dublin", "paris"), "paris", id="who took it over, in many marks"),
        pytest.param("dublin", ("paris", "rome"), None, id="two took it over"),
        pytest.param("", (), "", id="an older version made it"),
        pytest.param("", ("paris",), "paris", id="an older version made it, and somebody took it over"),
        pytest.param("dublin", ("",), "dublin", id="a mark that does not say"),
    ],
)
def test_one_airflow_answers_for_a_drill(made_by, others, holder):
    assert holder_of(marks(made_by, *others), made_by) == holder


@pytest.mark.parametrize(
    ("installations", "why"),
    [
        (("paris",), None),
        (("",), None),
        (("dublin", "paris"), None),
        (("dublin",), "it is of another Airflow (installation dublin), whose own clean-up removes it"),
        (("paris", "dublin"), "it is of another Airflow (installation dublin), whose own clean-up removes it"),
        (("paris", "dublin", "rome"), "several Airflows have worked on it (installations dublin, paris, rome)"),
    ],
)
def test_the_clean_up_leaves_what_is_not_its_airflows(installations, why):
    found = marks(*installations)

    assert why_not_ours(found, found[0], own="paris") == why


@pytest.mark.parametrize(
    ("expired", "overdue"), [(None, False), (NOW, False), (NOW - timedelta(minutes=61), True)], ids=str
)
def test_another_airflow_has_an_hour_for_its_own_clean_up(expired, overdue):
    assert is_overdue(expired, NOW) is overdue
