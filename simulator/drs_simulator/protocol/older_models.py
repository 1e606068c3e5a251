"""What a botocore older than the one that the simulator was written with does not know of its answers.

The simulator goes by the model of the installed botocore. A member that this model lacks is a mistake of the simulator
where the model is new enough; where it is older, the member is left out of the answer, as every client does with what
its own model lacks.
"""

from collections.abc import Callable
from functools import cache
from itertools import takewhile

import botocore
from botocore.model import ListShape, MapShape, Shape, StructureShape

from drs_simulator.protocol.validation import drs_model

WRITTEN_WITH = "1.44.5"
"""The botocore whose model has everything that the simulator answers."""

RECOVERY_PLANS_SINCE = "1.43.73"
"""The first botocore whose model of DRS has native Recovery Plans."""

Pruner = Callable[[object], object]


def known_part(operation: str, answer: dict[str, object]) -> dict[str, object]:
    """Return an answer without the members that the installed model does not know, if it is older than the simulator.

    The answer itself is not changed: parts of it may belong to the world.
    """
    shape = drs_model().operation_model(operation).output_shape
    if shape is None or not is_older(botocore.__version__, WRITTEN_WITH):
        return answer
    part = pruner(shape)(answer)
    return part if isinstance(part, dict) else answer


def how_old() -> str:
    """Say of an operation that is unknown which botocore might know it; empty: no other one does."""
    if not is_older(botocore.__version__, WRITTEN_WITH):
        return ""
    return (
        f": the simulator goes by the installed botocore {botocore.__version__}, and native Recovery Plans are known "
        f"from {RECOVERY_PLANS_SINCE} on"
    )


def is_older(version: str, than: str) -> bool:
    """Compare two versions of botocore by their numbers."""
    return _numbers(version) < _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int("0" + "".join(takewhile(str.isdigit, part))) for part in version.split("."))


@cache
def pruner(shape: Shape) -> Pruner:
    """Return a function that gives a value of this shape back without the members that the shape lacks."""
    # Shapes may contain themselves: what is inside is looked up when there is a value of it.
    match shape:
        case StructureShape():
            return lambda value: (
                {name: pruner(shape.members[name])(inner) for name, inner in value.items() if name in shape.members}
                if isinstance(value, dict)
                else value
            )
        case ListShape():
            return lambda value: (
                [pruner(shape.member)(item) for item in value] if isinstance(value, list | tuple) else value
            )
        case MapShape():
            return lambda value: (
                {key: pruner(shape.value)(inner) for key, inner in value.items()} if isinstance(value, dict) else value
            )
    return lambda value: value
