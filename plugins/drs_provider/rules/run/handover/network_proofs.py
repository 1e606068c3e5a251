"""What is prepared, proven and removed for drills with a network of their own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from drs_provider.rules.isolation.facts import Leak
from drs_provider.rules.run.handover.document import Document, Flag, Instant, Part, StoredIn

if TYPE_CHECKING:
    from drs_provider.rules.isolation.proof import Proof


class NetworkProof(Part):
    """What was looked at in a network, and every way out that was found.

    ``prints`` are fingerprints of what decides, by kind; ``changed``: what differs from the first proof, in words.
    """

    vpc_id: str
    isolated: Flag
    leaks: tuple[Leak, ...] = ()
    notes: tuple[str, ...] = ()
    looked_at: dict[str, int] = Field(default_factory=dict)
    prints: dict[str, str] = Field(default_factory=dict)
    changed: tuple[str, ...] = ()

    @classmethod
    def of(cls, proof: "Proof", changed: Sequence[str] = ()) -> Self:
        """Write down a proof, and what differs from the first one."""
        return cls(
            vpc_id=proof.vpc_id,
            isolated=proof.is_isolated,
            leaks=proof.leaks,
            notes=proof.notes,
            looked_at=dict(proof.looked_at),
            prints=dict(proof.prints),
            changed=tuple(changed),
        )

    @property
    def ways_out(self) -> tuple[str, ...]:
        """Every way out in words."""
        return tuple(str(leak) for leak in self.leaks)


class DefaultPlace(Part):
    """Where servers land whose launch template names no subnet or no security group."""

    subnet_id: str | None = None
    security_group_ids: tuple[str, ...] = ()


class PreparedNetwork(Part):
    """What stands for one network of production.

    ``subnets`` and ``security_groups`` map production's ids to the drill's, ``cidrs`` are addresses by subnet id.
    """

    production_vpc: str
    is_default_vpc: Flag = False
    vpc_id: str
    cidrs: dict[str, str] = Field(default_factory=dict)
    subnets: dict[str, str] = Field(default_factory=dict)
    security_groups: dict[str, str] = Field(default_factory=dict)
    default: DefaultPlace = DefaultPlace()
    proof: NetworkProof
    notes: tuple[str, ...] = ()


class PreparedNetworks(Document):
    """The drill networks of one account and Region; there also when they lead out and the task has failed."""

    KEY: ClassVar[str] = "network"
    TITLE: ClassVar[str] = "the record of the drill networks"

    kind: Literal["isolated", "standing"]
    region: str
    checked_at: Instant
    networks: tuple[PreparedNetwork, ...] = ()

    @property
    def is_isolated(self) -> bool:
        """Whether no way out of any of them was found."""
        return all(network.proof.isolated for network in self.networks)

    @property
    def places(self) -> frozenset[str]:
        """Ids of the drill's subnets and security groups."""
        return frozenset(
            name for network in self.networks for name in (*network.subnets.values(), *network.security_groups.values())
        )

    @property
    def leaks(self) -> dict[str, tuple[str, ...]]:
        """Every way out in words, by VPC."""
        return {network.vpc_id: network.proof.ways_out for network in self.networks if not network.proof.isolated}


class RemovedNetworks(Document):
    """What was removed of the drill networks, what is left and why, and the proofs from before the removal."""

    KEY: ClassVar[str] = "removed"
    TITLE: ClassVar[str] = "the record of removed drill networks"

    removed: tuple[str, ...] = ()
    left: dict[str, str] = Field(default_factory=dict)
    proofs: tuple[NetworkProof, ...] = ()

    @property
    def opened(self) -> dict[str, tuple[str, ...]]:
        """Every way out that was found right before the removal, by VPC."""
        return {proof.vpc_id: proof.ways_out for proof in self.proofs if not proof.isolated}


class ProofsBeforeRemoval(Document):
    """The proofs from before the first removal: a later try finds a part of the network gone."""

    KEY: ClassVar[str] = "proofs"
    TITLE: ClassVar[str] = "the memory of the last proofs"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"

    proofs: tuple[NetworkProof, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"proofs": body}


class RemovedSoFar(Document):
    """Ids of what earlier looks have removed."""

    KEY: ClassVar[str] = "removed"
    TITLE: ClassVar[str] = "the memory of removed parts"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"

    removed: tuple[str, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"removed": body}
