"""What of moto's EC2 does not bear thousands of servers: two look-ups that read everything, one list that it cuts off.

moto finds the tags of one resource by matching every tag of the Region against a pattern, and one instance by copying
every reservation. With 4,000 servers the first made a start of the simulator take 15 seconds instead of one.
"""

from typing import Any

from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.tags import TagBackend
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix


def install() -> None:
    """Wrap the look-ups and the list; everything but the plain case still goes to moto's own."""
    _wrap_tags()
    _wrap_instances()
    _wrap_templates()


def _wrap_tags() -> None:
    original = TagBackend.describe_tags

    def describe_tags(self: Any, filters: dict[str, list[str]] | None = None) -> list[dict[str, str]]:
        names = filters["resource-id"] if filters is not None and set(filters) == {"resource-id"} else None
        if names is None or any("*" in name or "?" in name for name in names):
            return original(self, filters)
        return [
            {
                "resource_id": name,
                "key": key,
                "value": value,
                "resource_type": EC2_PREFIX_TO_RESOURCE.get(get_prefix(name), ""),
            }
            for name in names
            if name in self.tags
            for key, value in self.tags[name].items()
        ]

    TagBackend.describe_tags = describe_tags  # type: ignore[method-assign]  # moto has no hook for it


def _wrap_instances() -> None:
    original = InstanceBackend.get_instance

    def get_instance(self: Any, instance_id: str) -> Any:
        for reservation in list(self.reservations.values()):
            for instance in reservation.instances:
                if instance.id == instance_id:
                    return instance
        return original(self, instance_id)

    InstanceBackend.get_instance = get_instance  # type: ignore[method-assign]  # moto has no hook for it


def _wrap_templates() -> None:
    """Show every launch template that was asked for: moto stops after fifteen, without a word of a next page."""
    original = LaunchTemplates.describe_launch_templates

    def describe_launch_templates(self: Any) -> Any:
        read = self._get_int_param
        self._get_int_param = lambda name, default=None: read(name, _ALL if name == "MaxResults" else default)
        return original(self)

    LaunchTemplates.describe_launch_templates = describe_launch_templates  # type: ignore[method-assign]


_ALL = 100_000
