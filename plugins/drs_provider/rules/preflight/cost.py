"""What a drill costs, before it is started: instances and volumes by the hour, from a dated table of prices."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from drs_provider.rules.run.handover import Cost, CostPart
from drs_provider.rules.servers import Answer

MONTH: Final = 730.0
"""Hours of a month, as AWS counts them."""

GIB: Final = 2**30
_SIZES: Final = {"nano": 0.25, "micro": 0.5, "small": 1, "medium": 1, "large": 2, "xlarge": 4}
_CONVERSION_HOURS: Final = 1 / 6
_CONVERSION_TYPE: Final = "m5.large"
"""DRS runs a conversion server of its own for every server that it launches, for about ten minutes."""

DEFAULT_VOLUME: Final = "gp3"


class PricesUnreadable(ValueError):
    """A table of prices is wrong; the message says where and how."""


@dataclass(frozen=True)
class Prices:
    """US dollars: ``hour`` by instance type (Linux, Windows), ``gib_month`` by volume type, ``vcpu_hour`` a guess."""

    day: str
    hour: Mapping[str, tuple[float, float]]
    gib_month: Mapping[str, float]
    vcpu_hour: tuple[float, float]
    region: str = ""


@dataclass(frozen=True)
class Machine:
    """A server as it will be launched. ``is_known``: whether its type comes from its settings or is a guess."""

    server_id: str
    hostname: str
    instance_type: str
    is_windows: bool = False
    gib: float = 0.0
    volume_type: str = DEFAULT_VOLUME
    is_known: bool = True


@dataclass(frozen=True)
class Estimate:
    """US dollars in all, the parts of that (biggest first) as (what, dollars, whether it is certain), and by hour."""

    dollars: float
    is_certain: bool
    prices_of: str
    parts: tuple[tuple[str, float, bool], ...] = ()
    hourly: Mapping[str, float] = field(default_factory=dict)

    def biggest(self, number: int = 3) -> str:
        """Word the biggest parts."""
        return ", ".join(f"{what} ${dollars:.2f}" for what, dollars, _ in self.parts[:number])

    def as_cost(self) -> Cost:
        """Return what preflight leaves for the run and its report."""
        parts = tuple(CostPart(what=what, dollars=dollars, is_certain=certain) for what, dollars, certain in self.parts)
        return Cost(dollars=self.dollars, is_certain=self.is_certain, prices_of=self.prices_of, parts=parts)


def read_prices(data: object) -> Prices:
    """Read a table as YAML gives it. Raises PricesUnreadable with everything that is wrong with its form."""
    if not isinstance(data, Mapping):
        raise PricesUnreadable("the table is no mapping with day, hour, gib_month and vcpu_hour")
    if missing := [key for key in ("day", "hour", "gib_month", "vcpu_hour") if key not in data]:
        raise PricesUnreadable(f"the table has no {', '.join(missing)}")
    try:
        return Prices(
            str(data["day"]),
            {str(name): _pair(value) for name, value in data["hour"].items()},
            {str(name): _price(value) for name, value in data["gib_month"].items()},
            _pair(data["vcpu_hour"]),
            str(data.get("region", "")),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise PricesUnreadable(f"a price is no number, or no pair of numbers for Linux and Windows: {error}") from error


def _price(value: object) -> float:
    number = float(str(value))
    if isinstance(value, bool) or not 0 <= number < float("inf"):
        raise ValueError(f"{value!r}")
    return number


def _pair(value: object) -> tuple[float, float]:
    linux, windows = value if isinstance(value, list | tuple) else (value, value)
    return _price(linux), _price(windows)


def estimate(machines: Iterable[tuple[Machine, timedelta]], prices: Prices) -> Estimate:
    """Add up what each machine costs for the time that it lives.

    :param machines: each with how long it lives: from its launch to the end of the clean-up
    """
    groups: dict[str, list[float]] = defaultdict(list)
    certain: dict[str, bool] = defaultdict(lambda: True)
    hourly: dict[str, float] = {}
    volumes = conversions = 0.0
    number = 0
    for machine, life in machines:
        hours = life.total_seconds() / 3600
        price, is_sure = price_of(machine.instance_type, prices, is_windows=machine.is_windows)
        disk = machine.gib * prices.gib_month.get(machine.volume_type, prices.gib_month.get(DEFAULT_VOLUME, 0)) / MONTH
        what = f"{machine.instance_type}{' (Windows)' if machine.is_windows else ''}"
        groups[what].append(price * hours)
        certain[what] &= is_sure and machine.is_known
        volumes += disk * hours
        conversions += price_of(_CONVERSION_TYPE, prices)[0] * _CONVERSION_HOURS
        hourly[machine.server_id] = round(price + disk, 6)
        number += 1
    parts = [(f"{len(costs)} x {what}", round(sum(costs), 4), certain[what]) for what, costs in groups.items()]
    if number:
        parts += [("volumes", round(volumes, 4), True), ("DRS's conversion servers", round(conversions, 4), True)]
    parts.sort(key=lambda part: (-part[1], part[0]))
    total = round(sum(dollars for _, dollars, _ in parts), 4)
    return Estimate(total, all(sure for _, _, sure in parts), prices.day, tuple(parts), hourly)


def price_of(instance_type: str, prices: Prices, *, is_windows: bool = False) -> tuple[float, bool]:
    """Return US dollars an hour, and whether the table says so: itself, or for another size of the same family."""
    if instance_type in prices.hour:
        return prices.hour[instance_type][is_windows], True
    family, _, size = instance_type.partition(".")
    units = _units(size)
    for known, price in prices.hour.items():
        known_family, _, known_size = known.partition(".")
        # Within a family prices go by size, but for the burstable ones, whose Windows licence does not.
        if known_family == family and _units(known_size) and units:
            return price[is_windows] / _units(known_size) * units, not family.startswith("t")
    return prices.vcpu_hour[is_windows] * (units or 2), False


def _units(size: str) -> float:
    """Return the virtual CPUs of a size, as most families have them; 0 for a size that is not known."""
    found = re.fullmatch(r"(\d+)xlarge", size)
    return 4.0 * int(found.group(1)) if found else float(_SIZES.get(size, 0))


def machine_of(source: Answer, *, hostname: str, configured_type: str | None, right_sizing: str = "NONE") -> Machine:
    """Read a source server: what it will be launched as, as far as its settings and DRS's inventory say.

    :param source: an item of DescribeSourceServers
    :param configured_type: the instance type of its launch settings; None: not known
    :param right_sizing: DRS's method; anything but NONE overrides the configured type at the launch
    """
    properties = source.get("sourceProperties") or {}
    cores = sum(int(cpu.get("cores") or 0) for cpu in properties.get("cpus") or ()) or 2
    memory = float(properties.get("ramBytes") or 0) / GIB
    disks = _gib_of_disks(source)
    system = str((properties.get("os") or {}).get("fullString") or "").lower()
    is_right_sized = right_sizing in ("BASIC", "IN_AWS")
    recommended = properties.get("recommendedInstanceType") if right_sizing == "IN_AWS" else None
    is_known = bool(configured_type) and not is_right_sized
    kind = configured_type if is_known else (recommended or right_sized(cores, memory))
    return Machine(
        str(source.get("sourceServerID", "")), hostname, str(kind), "windows" in system, disks, is_known=is_known
    )


def gigabytes_of(source: Answer | None) -> int:
    """Return the size of a source server's disks together, in whole GiB; 0: not known."""
    return round(_gib_of_disks(source or {}))


def _gib_of_disks(source: Answer) -> float:
    disks = (source.get("sourceProperties") or {}).get("disks") or ()
    return sum(float(disk.get("bytes") or 0) for disk in disks) / GIB


def right_sized(cores: int, memory_gib: float) -> str:
    """Guess the instance type of a machine of this size: the smallest of the m5 family that holds it."""
    sizes = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge")
    for size in sizes:
        if _units(size) >= cores and _units(size) * 4 >= memory_gib:
            return f"m5.{size}"
    return f"m5.{sizes[-1]}"
