"""Scripts that recovered servers run for checks: run by a real shell, and read again."""

import subprocess
from pathlib import Path

import pytest
from drs_provider.rules.inside_checks import InsideAnswer, http_script, read_output, tcp_script
from kit.endpoints import open_endpoint


def ran(lines):
    done = subprocess.run(["/bin/sh", "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return read_output(done.stdout)


@pytest.fixture(scope="module")
def endpoint():
    with open_endpoint() as opened:
        yield opened


def test_an_open_port_is_connected_to(endpoint):
    assert ran(tcp_script("Linux", "127.0.0.1", endpoint.server_port, seconds=0)) == InsideAnswer(True, "connected")


def test_a_closed_port_is_no_answer():
    found = ran(tcp_script("Linux", "127.0.0.1", 1, seconds=0))

    assert not found.is_open
    assert found.words.startswith("no answer: ")
    assert "refused" in found.words


@pytest.mark.parametrize(
    ("path", "answer", "found"),
    [
        (
            "/up",
            (200, '{"checks": [{"status": "up"}]}'),
            InsideAnswer(True, "answered 200", 200, '{"checks": [{"status": "up"}]}'),
        ),
        ("/down", (503, "not yet"), InsideAnswer(True, "answered 503", 503, "not yet")),
        ("/it's", (200, "two\nlines"), InsideAnswer(True, "answered 200", 200, "two\nlines")),
    ],
)
def test_a_url_is_asked_and_its_answer_read(endpoint, path, answer, found):
    endpoint.answers[path] = answer
    url = f"http://127.0.0.1:{endpoint.server_port}{path}"

    assert ran(http_script("Linux", url, expect_status=200, verify_tls=True, seconds=0)) == found


def test_a_url_that_nobody_answers_is_no_answer():
    found = ran(http_script("Linux", "http://127.0.0.1:1/", expect_status=200, verify_tls=False, seconds=0))

    assert not found.is_open
    assert found.words.startswith("no answer: curl: (7)")


def test_a_host_cannot_become_a_command(tmp_path):
    made = tmp_path / "made"
    found = ran(tcp_script("Linux", f"127.0.0.1; touch {made}", 1, seconds=0))

    assert (found.is_open, Path(made).exists()) == (False, False)


def test_a_script_for_windows_quotes_what_it_asks_and_follows_no_redirect():
    tcp = tcp_script("Windows", "it's", 3389, seconds=30)
    http = http_script("Windows", "https://it's/", expect_status=200, verify_tls=False, seconds=30)

    assert tcp[0] == "# drs-check tcp 'it''s' 3389"
    assert "    $asking = $client.ConnectAsync('it''s', 3389)" in tcp
    assert http[1] == "[System.Net.ServicePointManager]::ServerCertificateValidationCallback = {$true}"
    assert any("AllowAutoRedirect = $false" in line for line in http)


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("drs-check open\n", InsideAnswer(True, "connected")),
        ("drs-check 200\nbody\n", InsideAnswer(True, "answered 200", 200, "body\n")),
        ("drs-check closed \n", InsideAnswer(False, "no answer: nobody said why")),
        ("drs-check closed refused\nline 2", InsideAnswer(False, "no answer: refused line 2")),
        ("", None),
        ("bash: not found", None),
    ],
)
def test_what_a_script_printed_is_read(output, found):
    assert read_output(output) == found
