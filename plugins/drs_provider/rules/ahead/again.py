"""What has failed of a launch ahead, and may be launched again before its wave's turn."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from drs_provider.rules.launch.results import ServerResult


def failed_for_good(results: Sequence[ServerResult], pending: Collection[str]) -> tuple[ServerResult, ...]:
    """Call failed only what has failed for good: what DRS does not show yet counts as launched.

    :param pending: ids of the servers that may still come up
    """
    return tuple(replace(result, status="launched") if result.server_id in pending else result for result in results)
