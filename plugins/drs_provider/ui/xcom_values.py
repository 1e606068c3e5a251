"""Takes values out of the envelopes in which the Task SDK sends them."""

from typing import Any


def unwrapped(value: Any) -> Any:
    """Take off the envelopes in which the Task SDK sends tuples and sets; the values inside stay."""
    if isinstance(value, dict):
        if "__classname__" in value and "__data__" in value:
            return unwrapped(value["__data__"])
        return {key: unwrapped(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [unwrapped(held) for held in value]
    return value
