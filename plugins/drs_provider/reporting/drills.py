"""What only concerns drills in a report: who ended it, what it cost, and what it was proven with."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class DrillPart(BaseModel):
    """Frozen; passes over what it does not know, for the same parts stand in evidence and in written reports."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Kept(DrillPart):
    """How long the drill was kept for people after its last wave."""

    began_at: AwareDatetime
    until: AwareDatetime
    ended_at: AwareDatetime | None = None
    by: str | None = None
    """Who ended it, or extended it last; ``None``: its time was over."""
    extended: int = 0


class CostPart(DrillPart):
    """One part of a cost: US dollars, and what they are for, in words."""

    what: str
    dollars: float
    is_certain: bool = True
    """Whether the price table names the thing; otherwise its price was guessed from its size."""


class Cost(DrillPart):
    """What a drill costs in US dollars: estimated before it, or measured after it. ``parts``: the biggest first."""

    dollars: float
    is_certain: bool = True
    prices_of: str = ""
    """The day of the price table."""
    parts: tuple[CostPart, ...] = ()


class ServerFingerprint(DrillPart):
    """What of a server's configuration a drill has proven: a change of it needs a new drill."""

    hostname: str
    disks: str = ""
    launch: str = ""
    """A digest of its launch configuration and launch template, as they are outside of drills."""


class DrillFacts(DrillPart):
    """Everything of a run that only concerns drills. A recovery has the servers' fingerprints only."""

    superseded: str | None = None
    """Which recovery took the drill's servers while it went on, without a full stop; ``None``: none did."""
    kept: Kept | None = None
    untagged: dict[str, str] = Field(default_factory=dict)
    """Instances without the tags that say whose they are, and why."""
    estimated: Cost | None = None
    measured: Cost | None = None
    hourly: dict[str, float] = Field(default_factory=dict)
    """US dollars an hour of each server, by its id, as the estimate has them."""
    fingerprints: dict[str, ServerFingerprint] = Field(default_factory=dict)
    """By source server id."""
