"""Connections go to the address that was judged, and to no other."""

import asyncio
import socket

import pytest
from drs_provider.exceptions import AddressRefused
from drs_provider.services.egress import connect, look_up, resolve


def answering(*addresses):
    def getaddrinfo(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return getaddrinfo


def test_the_addresses_of_a_name_are_given_once_each_in_order():
    found = resolve("db1", 80, loopback=False, getaddrinfo=answering("10.0.0.2", "10.0.0.1", "10.0.0.2"))

    assert found == ("10.0.0.2", "10.0.0.1")


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        (["169.254.169.254"], "db1 is 169.254.169.254, a link-local address, where clouds give credentials"),
        (["10.0.0.1", "fd00:ec2::254"], "db1 is fd00:ec2::254, an address of EC2's own services"),
        (["fe80::1%eth0"], "db1 is fe80::1%eth0, a link-local address"),
        (["::ffff:169.254.170.2"], "db1 is ::ffff:169.254.170.2, a link-local address"),
        (["127.0.0.1"], "db1 is 127.0.0.1, a loopback address"),
        (["0.0.0.0"], "db1 is 0.0.0.0, no address of another machine"),  # noqa: S104 - judged, not bound
    ],
)
def test_a_name_that_stands_for_a_refused_address_is_refused_as_a_whole(addresses, said):
    with pytest.raises(AddressRefused) as refused:
        resolve("db1", 80, loopback=False, getaddrinfo=answering(*addresses))

    assert str(refused.value).startswith(said)


def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_judged():
    """A rebinding name server gives one answer to whoever judges, and another one to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        answers = [["127.0.0.1"], ["169.254.169.254"]]

        def getaddrinfo(host, port, **_):
            assert host == "rebinding.example"
            return answering(*answers.pop(0))(host, port)

        with connect(
            ("rebinding.example", server.getsockname()[1]), 5, loopback=True, getaddrinfo=getaddrinfo
        ) as connected:
            assert connected.getpeername() == server.getsockname()

    assert answers == [["169.254.169.254"]]


def test_the_next_address_is_tried_where_the_first_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        getaddrinfo = answering("127.0.0.2", "127.0.0.1")
        connect(("db1", server.getsockname()[1]), 5, loopback=True, getaddrinfo=getaddrinfo).close()


def test_a_name_without_an_address_is_an_error_of_the_network():
    with pytest.raises(OSError, match="no address of db1 is known"):
        resolve("db1", 80, loopback=False, getaddrinfo=answering())


def test_a_caller_that_must_not_block_is_refused_the_same_way():
    assert asyncio.run(look_up("127.0.0.1", 80, loopback=True)) == ("127.0.0.1",)
    with pytest.raises(AddressRefused):
        asyncio.run(look_up("localhost", 80, loopback=False))
