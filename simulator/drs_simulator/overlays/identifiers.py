"""Identifiers of the neighbours, from the world's own seeded chance."""

from drs_simulator.world import World


def fresh_uuid(world: World) -> str:
    """Return a new UUID of version 4."""
    digits = f"{world.random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
