"""What a drill costs by a table of prices, and what is only guessed."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from drs_provider.rules.preflight import cost as costs
from drs_provider.rules.preflight.cost import (
    Machine,
    PricesUnreadable,
    estimate,
    gigabytes_of,
    machine_of,
    price_of,
    read_prices,
)

TABLE = {
    "day": "2026-01-15",
    "hour": {"m5.large": [0.1, 0.2], "t3.large": [0.08, 0.1]},
    "gib_month": {"gp3": 0.073},
    "vcpu_hour": [0.05, 0.1],
}
PRICES = read_prices(TABLE)
GIB = 2**30


@pytest.mark.parametrize(
    ("source", "size"),
    [
        (None, 0),
        ({}, 0),
        ({"sourceProperties": {"disks": [{"deviceName": "/dev/sda"}]}}, 0),
        ({"sourceProperties": {"disks": [{"bytes": 8 * GIB}, {"bytes": 100 * GIB + 1}]}}, 108),
    ],
)
def test_the_disks_of_a_server_are_counted_together(source, size):
    assert gigabytes_of(source) == size


@pytest.mark.parametrize(
    ("name", "is_windows", "dollars", "is_certain"),
    [
        ("m5.large", False, 0.1, True),
        ("m5.large", True, 0.2, True),
        ("m5.4xlarge", False, 0.8, True),
        ("t3.xlarge", False, 0.16, False),
        ("x9.2xlarge", False, 0.4, False),
        ("x9.metal", True, 0.2, False),
        ("", False, 0.1, False),
    ],
)
def test_a_price_is_the_tables_or_scaled_in_its_family_or_guessed_from_the_size(name, is_windows, dollars, is_certain):
    price, sure = price_of(name, PRICES, is_windows=is_windows)

    assert (round(price, 6), sure) == (dollars, is_certain)


def test_an_estimate_adds_instances_volumes_and_conversions_up():
    machines = [
        (Machine("s-1", "db1", "m5.large", gib=1000), timedelta(hours=10)),
        (Machine("s-2", "db2", "m5.large", is_windows=True, gib=0), timedelta(hours=10)),
        (Machine("s-3", "db3", "x9.xlarge", is_known=False), timedelta(hours=5)),
    ]

    found = estimate(machines, PRICES)

    assert found.parts == (
        ("1 x m5.large (Windows)", 2.0, True),
        ("1 x m5.large", 1.0, True),
        ("1 x x9.xlarge", 1.0, False),
        ("volumes", 1.0, True),
        ("DRS's conversion servers", 0.05, True),
    )
    assert (found.dollars, found.is_certain, found.prices_of) == (5.05, False, "2026-01-15")
    assert found.biggest(2) == "1 x m5.large (Windows) $2.00, 1 x m5.large $1.00"
    assert found.hourly == {"s-1": 0.2, "s-2": 0.2, "s-3": 0.2}
    assert estimate([], PRICES).dollars == 0


@pytest.mark.parametrize(
    ("configured", "right_sizing", "expected"),
    [
        ("r5.large", "NONE", ("r5.large", True)),
        ("r5.large", "BASIC", ("m5.2xlarge", False)),
        ("r5.large", "IN_AWS", ("r6i.xlarge", False)),
        (None, "NONE", ("m5.2xlarge", False)),
    ],
)
def test_a_machine_is_what_its_settings_say_else_what_its_size_needs(configured, right_sizing, expected):
    source = {
        "sourceServerID": "s-1",
        "sourceProperties": {
            "cpus": [{"cores": 4}, {"cores": 2}],
            "ramBytes": 24 * GIB,
            "disks": [{"bytes": 50 * GIB}, {"bytes": 30 * GIB}],
            "os": {"fullString": "Microsoft Windows Server 2019"},
            "recommendedInstanceType": "r6i.xlarge",
        },
    }

    one = machine_of(source, hostname="db1", configured_type=configured, right_sizing=right_sizing)

    assert (one.instance_type, one.is_known) == expected
    assert (one.is_windows, one.gib) == (True, 80)


def test_a_server_of_which_nothing_is_known_is_priced_all_the_same():
    assert machine_of({}, hostname="x", configured_type=None).instance_type == "m5.large"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([], "the table is no mapping with day, hour, gib_month and vcpu_hour"),
        ({"day": "x"}, "the table has no hour, gib_month, vcpu_hour"),
        (
            {**TABLE, "hour": {"m5.large": "cheap"}},
            (
                "a price is no number, or no pair of numbers for Linux and Windows: could not convert string to float: "
                "'cheap'"
            ),
        ),
        ({**TABLE, "vcpu_hour": -1}, "a price is no number, or no pair of numbers for Linux and Windows: -1"),
    ],
)
def test_a_wrong_table_is_said(table, said):
    with pytest.raises(PricesUnreadable) as caught:
        read_prices(table)

    assert str(caught.value) == said


def test_the_packages_own_table_can_be_read():
    table = yaml.safe_load(Path(costs.__file__).with_name("prices.yaml").read_text())

    prices = read_prices(table)

    assert prices.hour["m5.large"][0] < prices.hour["m5.large"][1]
    assert price_of("m6i.4xlarge", prices) == (0.096 * 8, True)
