"""Identifiers of the neighbours: from chance of their own, so that what DRS does is the same with and without them."""

from random import Random

from drs_simulator.world.world import World


def chance(world: World) -> Random:
    """Return the neighbours' own source of chance; it goes on after a restart."""
    kept: Random = world.neighbours.setdefault("random", Random("neighbours"))
    return kept


def fresh_uuid(world: World) -> str:
    """Return a new UUID of version 4."""
    digits = f"{chance(world).getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def fresh_hex(world: World, length: int) -> str:
    """Return new hexadecimal digits."""
    return f"{chance(world).getrandbits(4 * length):0{length}x}"
