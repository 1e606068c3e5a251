"""Where the instances of a drill live."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from drs_provider.plan.fields import PlanPart, VpcId


class VpcNetwork(PlanPart):
    """A network that stands ready for drills."""

    vpc: VpcId
    """Its id."""


NETWORK_FORMS = ("network_word", "network_vpc")
"""How pydantic marks the two forms of a network in the locations of its errors."""


def _network_form(written: Any) -> str:
    return NETWORK_FORMS[isinstance(written, (dict, VpcNetwork))]


Network = Annotated[
    Annotated[Literal["isolated", "shared"], Tag(NETWORK_FORMS[0])] | Annotated[VpcNetwork, Tag(NETWORK_FORMS[1])],
    Discriminator(_network_form),
]
