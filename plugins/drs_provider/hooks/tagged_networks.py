"""Removing the networks of drills by their run's tag."""

from functools import cached_property
from typing import TYPE_CHECKING, Final

from drs_provider.exceptions import AwsError
from drs_provider.hooks.drill_resources import TracesHook

if TYPE_CHECKING:
    from drs_provider.hooks.drill_network import DrillNetworkHook

NETWORK_KINDS: Final = frozenset({"vpc-endpoint", "security-group", "subnet", "vpc"})
"""EC2's words for the parts of a drill's network."""


class TaggedNetworksHook(TracesHook):
    """A :class:`TracesHook` that also takes away what a run has of networks."""

    def remove(self, run: str) -> tuple[tuple[str, ...], dict[str, str]]:
        """Remove what can be removed now of a run's networks; may be called any number of times.

        :param run: the run's key
        :return: the ids that went, and by id why what is left is left
        """
        gone: list[str] = []
        while True:
            try:
                removed, left = self._networks.remove(run)
            except AwsError as error:
                return tuple(gone), dict.fromkeys(self._networks.parts_of(run).ids, str(error))
            gone += removed
            if not left or not removed:  # what holds a VPC goes in the round before
                return tuple(gone), left

    @cached_property
    def _networks(self) -> "DrillNetworkHook":
        from drs_provider.hooks.drill_network import DrillNetworkHook

        return DrillNetworkHook(**self.arguments)
