"""The order of launches ahead within a wave."""

from dataclasses import dataclass

from drs_provider.rules.ahead.order import biggest_first


@dataclass(frozen=True)
class Server:
    server_id: str
    gigabytes: int = 0


def test_the_biggest_servers_go_first_and_of_equals_those_of_the_smaller_id():
    servers = [Server("s-1", 50), Server("s-4"), Server("s-2", 200), Server("s-3", 50)]

    assert [server.server_id for server in sorted(servers, key=biggest_first)] == ["s-2", "s-1", "s-3", "s-4"]
