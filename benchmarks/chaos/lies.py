"""Faults that lie: what DRS says of a run is not what there is. Pure.

They strike the servers of one run alone, at moments that count from its launches. ``HIDES`` are those behind which the
truth cannot be seen for a while: a run may then call unknown, and end worse than, what is well.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Literal

SHARE = 0.4
"""Of the runs that DRS lies to, of those that nothing else takes servers from."""

Lie = Literal["nothing", "ended", "deleted", "stripped", "hidden", "omitted", "flicker"]
LIES: tuple[Lie, ...] = (
    "nothing",
    "ended",
    "ended",
    "ended",
    "deleted",
    "stripped",
    "stripped",
    "hidden",
    "omitted",
    "flicker",
)

HIDES = frozenset({"deleted_job", "stripped_tags", "not_shown", "omits", "stale_reads"})

_OF = ("job", "source_server", "recovery_instance", "instance", "volumes", "interfaces")
_MEMBERS = ("isDrill", "jobID", "ec2InstanceState", "tags")


def lies_of(random: Random, servers: Sequence[str], pattern: str) -> Iterator[dict[str, Any]]:
    """Yield the lies that a run is told, one or two.

    :param servers: ids of its servers
    :param pattern: what all of them, and those of no other run, match
    """
    for kind in random.sample(LIES, random.choice((1, 1, 2))):
        yield _lie(kind, random, random.sample(servers, min(len(servers), random.randint(1, 3))), pattern)


def _lie(kind: Lie, random: Random, some: Sequence[str], pattern: str) -> dict[str, Any]:
    once: dict[str, int] = random.choice(({}, {"count": 1}))
    chance = {"probability": random.choice((0.2, 0.5)), "for": "3h"}
    window = {"after": f"{random.randint(0, 60)}m", "for": f"{random.randint(2, 20)}m"}
    later = f"{random.randint(0, 60)}m"
    holds, age = random.random() < 0.3, f"{random.randint(1, 10)}m"
    of = sorted(random.sample(_OF, random.randint(1, len(_OF))))
    keys, members = [random.choice(("*", "drs-orchestrator:*"))], [random.choice(_MEMBERS)]
    seen = {"servers": list(some), **random.choice((chance, window))}
    lies: dict[Lie, dict[str, Any]] = {
        "nothing": {"do": "launches_nothing", "servers": list(some[:1]), **once},
        "ended": {"do": "terminated_behind_drs", "servers": list(some), "later": later, "protection_holds": holds},
        "deleted": {"do": "deleted_job", "servers": [pattern], "later": later},
        "stripped": {"do": "stripped_tags", "servers": [pattern], "of": of, "keys": keys, "later": later},
        "hidden": {"do": "not_shown", **seen},
        "omitted": {"do": "omits", "members": members, **seen},
        "flicker": {"service": "drs", "do": "stale_reads", "age": age, "probability": 0.4, "for": "1h"},
    }
    return lies[kind]
