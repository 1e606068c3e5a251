"""The types of single fields, each with the words for what it expects."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from drs_provider.addresses import ensure_allowed, ensure_url_allowed
from drs_provider.exceptions import AddressRefused
from drs_provider.plan.durations import EXAMPLES, EXPECTED, duration_hint, parse_duration, write_duration
from drs_provider.plan.durations import PATTERN as DURATION_PATTERN
from drs_provider.plan.problems import nearest

SHARE_PATTERN = r"^(100|[1-9]?[0-9])%$"


@dataclass(frozen=True)
class Share:
    """So many servers, or so many of a hundred. ``str()`` is how a plan writes it."""

    amount: int
    is_percentage: bool = False

    def __str__(self) -> str:
        return f"{self.amount}%" if self.is_percentage else str(self.amount)

    def allows(self, failed: int, total: int) -> bool:
        """Tell whether this many failed servers out of the total are within the share.

        A percentage never rounds up: 10% of 9 servers allows none to fail.
        """
        if self.is_percentage:
            return failed * 100 <= self.amount * total
        return failed <= self.amount


WORDED = "drs_worded"
"""The error type of messages that already speak the operator's language; the context holds ``what`` and ``hint``."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
SERVER_ID_PATTERN = r"^s-[0-9A-Za-z]{17}$"

_ONE_LINE = 60

# DRS Regions at the time of writing. Only for hints: a Region that is not here is accepted.
_REGIONS = (
    *("af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2"),
    *("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ca-central-1", "ca-west-1"),
    *("eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"),
    *("il-central-1", "me-central-1", "me-south-1", "sa-east-1", "us-east-1", "us-east-2", "us-gov-east-1"),
    *("us-gov-west-1", "us-west-1", "us-west-2"),
)


class PlanPart(BaseModel):
    """What every part of a plan has in common: it is frozen, and refuses keys it does not know."""

    # Descriptions for the schema come from the strings under the fields, but are read by schema.py: pydantic's own
    # use_attribute_docstrings parses the source at import, which every task start would pay for.
    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )


def worded(what: str, hint: str = "") -> PydanticCustomError:
    """Make the validation error that is shown to the operator as it is."""
    # The template has no room for words of its own: a brace in what was found would be read as a placeholder.
    return PydanticCustomError(WORDED, "{what}", {"what": what, "hint": hint})


def _no_hint(_: str) -> str:
    return ""


@dataclass(frozen=True)
class Like:
    """A text of a certain form; ``expected`` names the form in messages, ``hint`` helps with what was written."""

    pattern: str
    expected: str
    hint: Callable[[str], str] = _no_hint

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        # In Python, $ would let a last line break pass; JSON schemas know no \Z.
        compiled = re.compile(self.pattern.replace("$", r"\Z"))

        def check(text: str) -> str:
            if not compiled.match(text):
                raise worded(f"expected {self.expected}, found {found(text)}", self.hint(text))
            return text

        return core_schema.no_info_after_validator_function(check, core_schema.str_schema(strict=True))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": self.pattern}


def _readable(text: str) -> str:
    if not text.strip():
        raise worded("expected a text, found an empty one", "write it, or remove the key")
    if any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t" for character in text):
        # PostgreSQL refuses some of them: the DAG of the plan could not be stored.
        raise worded(f"expected a text without control characters, found {found(text)}")
    return text


def _in_one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise worded(f"expected a text of one line, found {found(text)}")
    return text


def _name_hint(text: str) -> str:
    mended = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63]
    return f"for example {mended!r}" if mended else ""


def _server_hint(text: str) -> str:
    if text.startswith("i-"):
        return "that is an EC2 instance; the DRS console shows the source server's own id"
    return f"behind s- it has {len(text) - 2}" if text.startswith("s-") else "the DRS console shows it"


def _region_hint(text: str) -> str:
    zone = re.fullmatch(r"(.+-\d)[a-z]", text)
    if zone:
        return f"that is an Availability Zone, its Region is {zone[1]!r}"
    return nearest(text, _REGIONS) if "did you mean" in nearest(text, _REGIONS) else "for example 'us-west-2'"


def _read_duration(written: object) -> timedelta:
    if isinstance(written, timedelta):
        return written
    if isinstance(written, int) and not isinstance(written, bool):
        raise worded(f"expected a duration with its unit, found the number {written}", f"for example {written}m")
    if not isinstance(written, str):
        raise worded(f"expected {EXPECTED}, found {found(written)}")
    try:
        return parse_duration(written)
    except ValueError as error:
        raise worded(str(error), duration_hint(written)) from error


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise worded("expected a duration longer than zero, found '0s'")
    return duration


def _read_share(written: object) -> Share:
    if isinstance(written, Share):
        return written
    try:
        return parse_share(written)
    except ValueError as error:
        raise worded(f"{error}, found {found(written)}") from error


def _ipv4(text: str) -> str:
    try:
        IPv4Address(text)
    except AddressValueError as error:
        raise worded(f"expected an IPv4 address such as 10.0.1.10, found {text!r}") from error
    return text


def _without_password(url: str) -> str:
    if "@" in re.split(r"[/?#]", url.partition("://")[2])[0]:
        raise worded(
            "a URL in a plan holds no user and password: everybody who reads plan, log or report would see them",
            "ask an address that needs none, or ask on a server with ssm_command",
        )
    return url


def _reachable(url: str) -> str:
    return _allowed(ensure_url_allowed, url)


def _reachable_host(host: str) -> str:
    return host if "{{" in host else _allowed(ensure_allowed, host)


def _allowed(check: Callable[..., None], text: str) -> str:
    # Whether the worker itself may be asked is for the installation to say, not for the plan: the run looks at that.
    try:
        check(text, loopback=True)
    except AddressRefused as refusal:
        raise worded(str(refusal), "name the address of the server itself") from refusal
    return text


def found(value: object) -> str:
    """Say what a value is, in the words of somebody who writes YAML."""
    words: dict[type, str] = {
        type(None): "nothing",
        bool: f"the boolean {str(value).lower()}",
        list: "a list",
        tuple: "a list",
        dict: "a mapping",
    }
    if isinstance(value, str):
        return repr(value) if len(value) <= _ONE_LINE else repr(value[: _ONE_LINE - 1] + "…")
    return words.get(type(value), f"the number {value}")


def _read_list(written: object) -> object:
    if isinstance(written, int | float | dict | None):
        raise worded(f"expected a text or a list of texts, found {found(written)}")
    return (written,) if isinstance(written, str) else written


Text = Annotated[str, Field(strict=True, min_length=1), AfterValidator(_readable)]
"""A text that says something."""

Line = Annotated[Text, Field(max_length=200), AfterValidator(_in_one_line)]
Label = Annotated[Text, Field(max_length=100), AfterValidator(_in_one_line)]
"""As long as Airflow allows for a tag; a longer one would break the DAG file for all plans."""

Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=0)]
Ordinal = Annotated[int, Field(strict=True, ge=1)]
Dollars = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]

Name = Annotated[str, Like(NAME_PATTERN, "a name of small letters, digits and dashes, at most 63", _name_hint)]
ServerId = Annotated[str, Like(SERVER_ID_PATTERN, "a source server id, s- and 17 letters or digits", _server_hint)]
Region = Annotated[str, Like(r"^[a-z]{2,4}(-[a-z]+){1,2}-[1-9]$", "an AWS Region", _region_hint)]
InstanceType = Annotated[str, Like(r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$", "an EC2 instance type such as m6i.large")]
SubnetId = Annotated[str, Like(r"^subnet-[0-9a-z]+$", "a subnet id such as subnet-0aaa")]
SecurityGroupId = Annotated[str, Like(r"^sg-[0-9a-z]+$", "a security group id such as sg-0aaa")]
VpcId = Annotated[str, Like(r"^vpc-[0-9a-z]+$", "a VPC id such as vpc-0drill")]
TopicArn = Annotated[
    str, Like(r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?$", "the ARN of an SNS topic")
]
Url = Annotated[
    str,
    Like(r"^(https?://|\{\{)", "a URL that begins with https:// or http://"),
    AfterValidator(_without_password),
    AfterValidator(_reachable),
]
Host = Annotated[Text, AfterValidator(_reachable_host)]

Address = Annotated[
    str, Field(strict=True), AfterValidator(_ipv4), WithJsonSchema({"type": "string", "format": "ipv4"})
]

Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": list(EXAMPLES)}),
]
LongerThanZero = Annotated[Duration, AfterValidator(_positive)]

ShareField = Annotated[
    Share,
    BeforeValidator(_read_share),
    PlainSerializer(lambda share: str(share) if share.is_percentage else share.amount, return_type=str | int),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": SHARE_PATTERN}]}),
]

OneOrMore = Annotated[
    tuple[Text, ...],
    BeforeValidator(_read_list),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
"""One text, or a list of them; always a tuple behind the door."""

Json = Mapping[Annotated[str, Field(strict=True)], Any]
"""Free data that is handed on as it is."""

Schedule = Annotated[str, Field(strict=True), AfterValidator(lambda text: _said_by(check_schedule, text))]
Timezone = Annotated[str, Field(strict=True), AfterValidator(lambda text: _said_by(check_timezone, text))]


def _said_by(check: Callable[[str], tuple[str, str] | None], text: str) -> str:
    complaint = check(text)
    if complaint:
        raise worded(*complaint)
    return text


_PERCENTAGE = re.compile(SHARE_PATTERN.replace("$", r"\Z"))


def parse_share(written: object) -> Share:
    """Read a share; ValueError with an operator's words where it is none."""
    if isinstance(written, int) and not isinstance(written, bool) and written >= 0:
        return Share(written)
    if isinstance(written, str) and _PERCENTAGE.match(written):
        return Share(int(written[:-1]), is_percentage=True)
    raise ValueError("expected a whole number of servers, or a percentage from 0% to 100%")


PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly", "@once")
"""Airflow's presets, without ``@continuous``: a drill that starts whenever one has ended never lets go of DRS."""

_A_LEAP_YEAR_BEGINS = datetime(2024, 1, 1, tzinfo=UTC)

_CRON_FIELDS = 5


@lru_cache(maxsize=1024)
def check_schedule(text: str) -> tuple[str, str] | None:
    """Say what is wrong with a schedule and what to do, or None where Airflow will run it."""
    if text.startswith("@"):
        if text in PRESETS:
            return None
        if text == "@continuous":
            return "a drill cannot run without end", "give a cron expression, for example '0 5 * * SUN'"
        return f"no preset called {text!r}", nearest(text, PRESETS)
    fields = len(text.split())
    if fields != _CRON_FIELDS:
        return (
            f"expected a cron expression of five fields or a preset, found {text!r}",
            "minute hour day month weekday, for example '0 5 * * SUN'",
        )
    return _check_cron(text)


def _check_cron(text: str) -> tuple[str, str] | None:
    # croniter is what Airflow reads cron with. It loads dateutil: only plans with a cron expression pay for that.
    from croniter import CroniterBadCronError, CroniterBadDateError, croniter

    try:
        croniter(text, _A_LEAP_YEAR_BEGINS).get_next(datetime)
    except CroniterBadDateError:
        return f"{text!r} names a date that never comes", ""
    except (CroniterBadCronError, ValueError, KeyError, TypeError, IndexError):
        return f"{text!r} is not a cron expression", "minute hour day month weekday, for example '0 5 * * SUN'"
    return None


@lru_cache(maxsize=256)
def check_timezone(text: str) -> tuple[str, str] | None:
    """Say what is wrong with a time zone and what to do, or None where it exists."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = nearest(text, available_timezones())
        return f"no time zone called {text!r}", hint if "did you mean" in hint else "for example 'Europe/Berlin'"
    return None
