"""Ports: the usual ones where they are free, others where they are not, and a person's choice is kept or refused."""

import re
import socket

import pytest

from demo.ports import Ports, PortTaken, any_port, choose


@pytest.fixture
def taken():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_default_is_replaced_by_a_free_port(taken):
    ports = choose(None, Ports(api=taken))

    assert ports.api != taken


def test_four_servers_get_four_ports_even_where_the_defaults_are_the_same():
    wanted = any_port()
    ports = choose(None, Ports(wanted, wanted, wanted, wanted))

    assert ports.api == wanted
    assert len({ports.api, ports.simulator, ports.worker_log, ports.trigger_log}) == 4


def test_a_port_that_a_person_asked_for_is_refused_when_it_is_taken(taken):
    with pytest.raises(PortTaken) as caught:
        choose(taken)

    assert re.fullmatch(
        rf"port {taken} is in use\. Another demo\? Stop it with Ctrl-C in its terminal, "
        r"or choose another port: make demo PORT=\d+",
        str(caught.value),
    )


def test_beside_a_port_that_a_person_asked_for_no_default_is_taken():
    defaults = Ports()
    ports = choose(any_port())

    usual = {defaults.api, defaults.simulator, defaults.worker_log, defaults.trigger_log}
    assert not usual & {ports.simulator, ports.worker_log, ports.trigger_log}
