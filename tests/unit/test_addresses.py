"""Which addresses a step may reach, in every spelling that a resolver accepts."""

import socket
from ipaddress import IPv4Address, ip_address

import pytest
from drs_provider.addresses import (
    ensure_allowed,
    ensure_url_allowed,
    host_of,
    plain_host,
    read_address,
    why_refused,
)
from drs_provider.exceptions import AddressRefused
from hypothesis import given
from hypothesis import strategies as st

METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.0.1",
    "2852039166",  # decimal
    "0251.0376.0251.0376",  # octal
    "0xA9FEA9FE",
    "0xa9.0xfe.0xa9.0xfe",
    "169.254.43518",  # three numbers
    "169.16689662",  # two
    "0251.254.0xa9.254",  # mixed
    "169.254.169.254.",
    "[::ffff:169.254.169.254]",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "FD00:0EC2:0:0::0254",
    "[fd00:ec2::23]",
    "fe80::1",
    "fe80::a9fe:a9fe%eth0",
    "febf::1",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",  # noqa: S104 - judged, not bound
    "0",
    "0x0",
    "::",
    "255.255.255.255",
    "224.0.0.1",
    "ff02::1",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "instance-data.ec2.internal",
    "１６９.254.169.254",  # noqa: RUF001 - digits that names are read as
    "169。254。169。254",
    "%31%36%39.254.169.254",
]
LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "::1",
    "::ffff:127.0.0.1",
    "localhost",
    "LocalHost.",
    "a.localhost",
]
ALLOWED = [
    "10.0.1.10",
    "172.16.0.1",
    "192.168.1.1",
    "8.8.8.8",
    "170.254.1.1",
    "fd00:ec3::254",
    "fd12::1",
    "2001:db8::1",
    "db1",
    "db1.corp.example",
    "169.254.169.254.example.org",
    "1.2.3.4.5",
    "256.1.1.1",
    "09.1.1.1",
    "localhost.example.org",
]


@pytest.mark.parametrize("host", METADATA)
@pytest.mark.parametrize("loopback", [False, True])
def test_metadata_and_link_local_addresses_are_refused_in_every_spelling(host, loopback):
    with pytest.raises(AddressRefused, match="Steps and notifications never reach such an address"):
        ensure_allowed(host, loopback=loopback)


@pytest.mark.parametrize("host", LOOPBACK)
def test_the_worker_itself_is_reached_only_where_the_installation_allows_it(host):
    ensure_allowed(host, loopback=True)
    with pytest.raises(AddressRefused, match="a loopback address: it is the Airflow worker itself"):
        ensure_allowed(host)


@pytest.mark.parametrize("host", ALLOWED)
def test_what_a_recovered_server_has_is_allowed(host):
    ensure_allowed(host)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "HTTP://169.254.169.254:80",
        "https://[fd00:ec2::254]/x",
        "http://[::ffff:169.254.169.254]:80/",
        "http://169.254.169.254\\@example.org/",
        "http://169.254.169.254#@example.org/",
        "http://\t169.254.169.254/",
        "http://2852039166/{{ run.id }}",
    ],
)
def test_a_url_is_judged_by_its_host(url):
    with pytest.raises(AddressRefused):
        ensure_url_allowed(url)


@pytest.mark.parametrize(
    "url", ["{{ plan.name }}", "http://{{ server('db1').private_ip }}/x", "http://", "http://[::x", "nothing"]
)
def test_a_url_whose_host_nobody_knows_yet_passes(url):
    assert host_of(url) is None
    ensure_url_allowed(url)


@given(st.ip_addresses(v=4), st.sampled_from([4, 3, 2, 1]), st.sampled_from(["{}", "0x{:x}", "0{:o}"]))
def test_numbers_are_read_as_the_resolver_of_this_machine_reads_them(address, parts, form):
    number = int(address)
    first = [number >> (24 - 8 * place) & 0xFF for place in range(parts - 1)]
    text = ".".join(form.format(part) for part in (*first, number & (0xFFFFFFFF >> (8 * (parts - 1)))))

    assert read_address(text) == IPv4Address(socket.inet_aton(text))


@given(st.ip_addresses(v=4))
def test_an_address_within_an_ipv6_address_is_judged_like_itself(address):
    wrapped = [f"::ffff:{address}", f"64:ff9b::{address}", f"2002:{int(address) >> 16:x}:{int(address) & 0xFFFF:x}::"]

    assert {why_refused(ip_address(text)) for text in wrapped} == {why_refused(address)}


def test_a_refusal_says_what_was_named_and_what_it_is():
    with pytest.raises(AddressRefused) as refused:
        ensure_allowed("169.254.43518")

    assert str(refused.value) == (
        "169.254.43518 is 169.254.169.254, a link-local address, where clouds give credentials to whoever asks. Steps "
        "and notifications never reach such an address"
    )
    assert plain_host("[FE80::1]") == "fe80::1"
