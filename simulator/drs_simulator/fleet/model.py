"""The fleet file: which accounts, Regions, networks and source servers the simulated world has.

Keys that other parts of the simulator read (`roles`, `lambda_functions`, `ssm`, and `quotas`) are checked only for
being there. Overlays find them in `Account.roles`, `Account.lambda_functions`, `Account.ssm` and `RegionSpec.quotas`,
or per Region in `RegionSpec.lambda_functions` and `RegionSpec.ssm`.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from drs_simulator import ids
from drs_simulator.aws_regions import known_region
from drs_simulator.durations import Seconds
from drs_simulator.strict_input import nearest

SERVER_ID = re.compile(r"s-[0-9a-zA-Z]{17}")


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


AccountId = Annotated[str, BeforeValidator(_text), Field(pattern=r"^\d{12}$")]
RegionName = Annotated[str, AfterValidator(known_region)]
ZONE = r"^[a-z]{2,4}(-[a-z]+)+-\d[a-z]$"
Tags = dict[Annotated[str, Field(min_length=1, max_length=256)], Annotated[str, Field(max_length=256)]]
Gibibytes = Annotated[int, Field(ge=1, le=65536)]
"""Size of an EBS volume."""
ReplicationState = Literal[
    "STOPPED",
    "INITIATING",
    "INITIAL_SYNC",
    "BACKLOG",
    "CREATING_SNAPSHOT",
    "CONTINUOUS",
    "PAUSED",
    "RESCAN",
    "STALLED",
    "DISCONNECTED",
]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Origin(_Strict):
    """Where a source server runs; without a Region it stands in a data centre."""

    account: AccountId | None = None
    region: RegionName | None = None
    zone: str | None = Field(default=None, pattern=ZONE)
    instance: str | None = Field(default=None, pattern=r"^i-[0-9a-f]{8,17}$")

    @model_validator(mode="after")
    def _zone_of_the_region(self) -> "Origin":
        if self.zone is not None and self.zone[:-1] != self.region:
            raise ValueError(f"zone {self.zone!r} is none of the Region {self.region!r}")
        return self


class LaunchPlace(_Strict):
    """What goes into the server's EC2 launch template."""

    subnet: str | None = None
    """Name of a subnet of the Region's network, or a subnet id."""
    instance_type: str | None = None
    security_groups: tuple[str, ...] = ()


class LaunchActionSpec(_Strict):
    """A launch action that the server has from the beginning."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 /_-]*$", max_length=256)
    code: str = "AWSDisasterRecovery-ValidateNetworkConnectivity"
    order: int = Field(default=1000, ge=2, le=10000)
    optional: bool = True
    active: bool = True
    category: Literal["MONITORING", "VALIDATION", "CONFIGURATION", "SECURITY", "OTHER"] = "VALIDATION"


class ServerSpec(_Strict):
    """One source server, or `count` of them with ``{n}`` in `hostname` (and, if given, in `id`)."""

    hostname: str = Field(min_length=1, max_length=128)
    id: str | None = None
    count: int = Field(default=1, ge=1, le=4000)
    tags: Tags = {}
    os: Literal["linux", "windows"] = "linux"
    disks: tuple[Gibibytes, ...] = Field(default=(8,), min_length=1, max_length=60)
    """Sizes in GiB; the first is the boot disk."""
    lag: Seconds = 0.0
    origin: Origin = Origin()
    replication: ReplicationState = "CONTINUOUS"
    """State at the start; INITIATING and INITIAL_SYNC go on by themselves."""
    protected_for: Seconds = 30 * 86400.0
    """How long before the start of the simulation recovery points have been taken."""
    reachable: bool = True
    """False: the source does not answer; a snapshot on demand is tried for ten minutes."""
    fast: bool = False
    """Recovery mode FAST: no conversion."""
    instance_type: str = "m5.large"
    """What right-sizing recommends."""
    cores: int = Field(default=2, ge=1, le=448)
    ram: int = Field(default=8, ge=1, le=24576)
    """GiB."""
    launch: LaunchPlace = LaunchPlace()
    launch_template: Literal["default", "bare"] = "default"
    """`bare`: as DRS makes it by itself, without a subnet; a launch then fails silently."""
    launch_configuration: dict[str, object] = {}
    """Members of DRS's LaunchConfiguration, as UpdateLaunchConfiguration takes them."""
    actions: tuple[LaunchActionSpec, ...] = ()
    staging_account: AccountId | None = None
    """Makes it an extended source server."""
    marketplace: bool = False
    """Its volumes lack the attributes that a launch needs."""

    @model_validator(mode="after")
    def _countable(self) -> "ServerSpec":
        if self.count > 1 and "{n" not in self.hostname:
            raise ValueError("count needs {n} in hostname, or all would have the same name")
        if self.count > 1 and self.id is not None and "{n" not in self.id:
            raise ValueError("count needs {n} in id, or all would have the same id")
        for number in (1, self.count):
            if self.id is not None and not SERVER_ID.fullmatch(_numbered(self.id, number)):
                raise ValueError(f"{_numbered(self.id, number)!r} is no source server id: s- and 17 letters or digits")
        return self

    def each(self) -> Iterator["ServerSpec"]:
        """Yield the servers that this stands for, numbered from 1."""
        if self.count == 1 and "{n" not in self.hostname:
            yield self
            return
        for number in range(1, self.count + 1):
            name = _numbered(self.hostname, number)
            yield self.model_copy(update={"hostname": name, "count": 1, "id": self.id and _numbered(self.id, number)})


def _numbered(template: str, number: int) -> str:
    try:
        return template.format(n=number)
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"{template!r} cannot be numbered ({error}): write {{n}} or {{n:013d}}") from None


WIDEST_NETWORK, NARROWEST_NETWORK = 16, 28
"""Prefix lengths that EC2 allows for a VPC and its subnets."""


class NetworkSpec(_Strict):
    """A VPC with named subnets, and what leads out of it: its main route table has a route for each."""

    vpc: str
    subnets: dict[str, str] = Field(min_length=1)
    vpc_id: str | None = Field(default=None, pattern=r"^vpc-[0-9a-f]{8,17}$")
    subnet_ids: dict[str, Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]] = {}
    """Ids of subnets by name, where they matter; the others get ids of their own."""
    zones: dict[str, Annotated[str, Field(pattern=ZONE)]] = {}
    """Availability Zones of subnets by name; the others are spread over the Region's zones."""
    security_groups: dict[Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")], str] = {}
    """Names of further security groups by id."""
    internet_gateway: bool = False
    peering: str | None = None
    """Range of a VPC `peer` of the same account, which is made too."""
    transit_gateway: str | None = None
    """What is routed to a transit gateway."""
    vpn: str | None = None
    """What is routed to a virtual private gateway with a VPN connection."""

    @field_validator("peering", "transit_gateway", "vpn")
    @classmethod
    def _a_range(cls, value: str | None) -> str | None:
        return None if value is None else str(IPv4Network(value))

    @field_validator("vpc")
    @classmethod
    def _a_network(cls, value: str) -> str:
        return str(_sized("vpc", value))

    @field_validator("subnets")
    @classmethod
    def _networks(cls, value: dict[str, str]) -> dict[str, str]:
        return {name: str(_sized(name, cidr)) for name, cidr in value.items()}

    @model_validator(mode="after")
    def _fit(self) -> "NetworkSpec":
        for name in (*self.subnet_ids, *self.zones):
            if name not in self.subnets:
                raise ValueError(f"no subnet {name!r}{nearest(name, sorted(self.subnets))}")
        vpc = IPv4Network(self.vpc)
        seen: dict[str, IPv4Network] = {}
        for name, cidr in self.subnets.items():
            subnet = IPv4Network(cidr)
            if not subnet.subnet_of(vpc):
                raise ValueError(f"subnet {name!r} ({cidr}) does not lie in the VPC {vpc}")
            overlapped = [other for other, taken in seen.items() if taken.overlaps(subnet)]
            if overlapped:
                raise ValueError(f"subnet {name!r} ({cidr}) overlaps {overlapped[0]!r} ({self.subnets[overlapped[0]]})")
            seen[name] = subnet
        return self


def _sized(name: str, cidr: str) -> IPv4Network:
    network = IPv4Network(cidr)
    if not WIDEST_NETWORK <= network.prefixlen <= NARROWEST_NETWORK:
        raise ValueError(f"{name}: {cidr} is not between /{WIDEST_NETWORK} and /{NARROWEST_NETWORK}, as EC2 wants it")
    return network


class RecoveryInstanceSpec(_Strict):
    """A recovery instance that lives before the simulation starts."""

    server: str
    """Hostname or id of its source server."""
    is_drill: bool = False
    launched: Seconds = 7200.0
    """How long ago."""


class SourceNetworkSpec(_Strict):
    """A VPC of the origin that DRS protects."""

    vpc: str = Field(pattern=r"^vpc-[0-9a-f]{8,17}$")
    origin: Origin
    tags: Tags = {}
    protected: bool = True


class RegionSpec(_Strict):
    """A recovery Region of an account."""

    name: RegionName
    network: NetworkSpec | None = None
    networks: tuple[NetworkSpec, ...] = ()
    """Further VPCs; their subnets have names of their own."""
    default_vpc: bool | None = None
    """Whether a launch without a subnet finds a default VPC; by default only where no `network` is given."""
    initialized: bool = True
    servers: tuple[ServerSpec, ...] = ()
    recovery_instances: tuple[RecoveryInstanceSpec, ...] = ()
    source_networks: tuple[SourceNetworkSpec, ...] = ()
    quotas: dict[str, float] = {}
    """Quota code → value, for those that differ from AWS's defaults."""
    lambda_functions: object = None
    ssm: object = None

    @property
    def all_networks(self) -> tuple[NetworkSpec, ...]:
        """The network that servers are launched into by default, then the further ones."""
        return (*((self.network,) if self.network else ()), *self.networks)


class Role(BaseModel):
    """A role that callers may assume; further keys belong to the STS overlay."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    trust: object = None
    external_id: str | None = None


class Account(_Strict):
    """An AWS account."""

    id: AccountId
    regions: tuple[RegionSpec, ...] = ()
    roles: tuple[Role, ...] = ()
    instance_profiles: tuple[Annotated[str, Field(pattern=r"^[\w+=,.@-]{1,128}$")], ...] = ()
    """Names of IAM instance profiles that launch settings may name."""
    lambda_functions: object = None
    ssm: object = None


class FailbackAnswers(_Strict):
    """How the service answers on the way back, where that is not established: each default has another answer."""

    initialized_after: Seconds = 300.0
    """From the launch until the agent of a recovery instance has been seen; before, its reversal is a Conflict."""
    state_before_ready: Literal[
        "FAILBACK_IN_PROGRESS", "FAILBACK_NOT_READY_FOR_LAUNCH", "FAILBACK_LAUNCH_STATE_NOT_AVAILABLE"
    ] = "FAILBACK_IN_PROGRESS"
    """`failback.state` of a recovery instance from EC2 while it is copied to its origin Region."""
    completes: bool = True
    """Whether the launch in the origin Region makes `failback.state` FAILBACK_COMPLETED (documented: data centres)."""
    while_launching: Literal["FAILBACK_IN_PROGRESS", "FAILBACK_READY_FOR_LAUNCH"] = "FAILBACK_IN_PROGRESS"
    """`failback.state` while StartFailbackLaunch's job runs."""
    copies_tags: bool = True
    """Whether a FAILBACK server has the tags of the server that it goes back from."""
    same_server: bool = True
    """Whether the server of the first direction protects the failed-back instance; else DRS makes another one."""
    deletes_connected: bool = True
    """Whether the record of a failed-back instance that was reversed is deleted without being disconnected."""
    launch_into_refusal: Literal["ValidationException", "ConflictException"] = "ValidationException"
    """Code of ReverseReplication where the instance to launch into does not fulfil what that needs."""


class Fleet(_Strict):
    """The whole file."""

    accounts: tuple[Account, ...] = Field(min_length=1)
    jitter: float = Field(default=0.15, ge=0, lt=1)
    """How much the lengths of jobs vary: 0.15 is ± 15 %."""
    failback: FailbackAnswers = FailbackAnswers()
    shows_in_progress: bool = False
    """Whether launchStatus is IN_PROGRESS from LAUNCH_START on, as its enum suggests.

    The observed service leaves it at PENDING until LAUNCH_END.
    """

    def servers(self) -> Iterator[tuple[Account, RegionSpec, ServerSpec]]:
        """Yield every source server with where it belongs, ids filled in."""
        for account in self.accounts:
            for region in account.regions:
                for several in region.servers:
                    for server in several.each():
                        name = server.id or ids.stable("s-", account.id, region.name, server.hostname)
                        yield account, region, server.model_copy(update={"id": name})
