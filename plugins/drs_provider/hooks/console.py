"""What the console asks of AWS for people who look: soon answered, or not at all."""

from collections.abc import Callable

from drs_provider.exceptions import AwsError
from drs_provider.hooks.error_mapping import translated
from drs_provider.hooks.launch_settings import LaunchSettingsHook
from drs_provider.hooks.quick import QuickHook
from drs_provider.rules.answers import Answer
from drs_provider.rules.settings.choices import (
    LaunchChoice,
    LaunchChoices,
    group_choices,
    profile_choices,
    subnet_choices,
    type_choices,
)


class ConsoleHook(QuickHook, LaunchSettingsHook):
    """A :class:`LaunchSettingsHook` that soon takes silence for an answer, and lists what there is to choose."""

    def launch_choices(self) -> LaunchChoices:
        """Return the subnets, security groups, instance types and instance profiles of the account and Region.

        What the role may not ask, or AWS does not answer, is empty, with the reason; the rest is given all the same.
        """
        problems: dict[str, str] = {}

        def ask(field: str, look: Callable[[], tuple[LaunchChoice, ...]]) -> tuple[LaunchChoice, ...]:
            try:
                return look()
            except AwsError as error:
                problems[field] = str(error)
                return ()

        return LaunchChoices(
            subnets=ask("subnet_id", lambda: subnet_choices(self._every("describe_subnets", "Subnets"))),
            security_groups=ask(
                "security_group_ids", lambda: group_choices(self._every("describe_security_groups", "SecurityGroups"))
            ),
            instance_types=ask(
                "instance_type",
                lambda: type_choices(self._every("describe_instance_type_offerings", "InstanceTypeOfferings")),
            ),
            instance_profiles=ask("instance_profile", lambda: profile_choices(self._profiles())),
            problems=problems,
        )

    def _every(self, operation: str, member: str) -> list[Answer]:
        with translated("ec2:" + "".join(part.capitalize() for part in operation.split("_"))):
            return [item for page in self._beside("ec2").get_paginator(operation).paginate() for item in page[member]]

    def _profiles(self) -> list[Answer]:
        pages = self._beside("iam").get_paginator("list_instance_profiles")
        with translated("iam:ListInstanceProfiles"):
            return [profile for page in pages.paginate() for profile in page["InstanceProfiles"]]
