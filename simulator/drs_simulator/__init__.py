"""A simulator of AWS Elastic Disaster Recovery that runs inside an unmodified moto.

``python -m drs_simulator --fleet FILE`` starts it as a server; ``drs_simulator.register()`` makes it known to
``moto.mock_aws`` in this process.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drs_simulator.backend.registration import register

__all__ = ["register"]


def __getattr__(name: str) -> object:
    """Import moto when it is asked for, not before: the command says it in a sentence where moto is missing."""
    if name != "register":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from drs_simulator.backend.registration import register

    return register
