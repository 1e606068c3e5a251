"""Setting back, at the end of a recovery, what made DRS leave stopped what it launched ahead."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from drs_provider.exceptions import DrsProviderError
from drs_provider.rules.ahead.eligibility import is_left_stopped

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook

log = logging.getLogger(__name__)


def start_again(hook: "LaunchSettingsHook", server_ids: Iterable[str]) -> dict[str, str]:
    """Let DRS start what anybody launches of these servers from now on; return by server why it does not.

    Server by server: what is refused for one keeps no other stopped. Once AWS does not answer, nobody asks on.
    """
    left: dict[str, str] = {}
    silent = ""
    for server in server_ids:
        try:
            if silent or not is_left_stopped(hook.launch_configuration(server)):
                left |= {server: silent} if silent else {}
                continue
            hook.update_configuration(server, {"launchDisposition": "STARTED"})
            log.info("%s: DRS starts again what is launched of it", server)
        except DrsProviderError as error:
            left[server] = str(error)
            silent = str(error) if error.retryable else ""
    return left
