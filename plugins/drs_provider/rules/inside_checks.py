"""Checks that a recovered server makes for the orchestrator: the script that asks, and what its output means."""

import shlex
from dataclasses import dataclass
from typing import Literal

from drs_provider.rules.step_answers import last_words

Platform = Literal["Linux", "Windows"]

LOOK_SECONDS = 30
"""For so long one command asks again and again; the next one is sent where the answer is not the expected one."""
_SHARE_OF_TIME = 5
"""Seconds for one try of the script."""
MOST_BODY = 16_384
"""Bytes of an answer that a script prints: SSM keeps 24,000 characters of its output."""

DOCUMENTS: dict[Platform, str] = {"Linux": "AWS-RunShellScript", "Windows": "AWS-RunPowerShellScript"}
"""The SSM document that runs a script, by the platform that SSM names."""

MARK = "drs-check"
"""Begins the script's first line, and the line of its output that counts."""


@dataclass(frozen=True)
class InsideAnswer:
    """What a server was answered. ``status`` is the one of HTTP, None for a port; ``words`` say what was wrong.

    :param is_open: whether there was an answer at all
    """

    is_open: bool
    words: str
    status: int | None = None
    body: str = ""


def tcp_script(platform: Platform, host: str, port: int, *, seconds: int) -> list[str]:
    """Write the lines that connect to a port until it answers, for at most so many seconds."""
    if platform == "Windows":
        tries = [
            "  try {",
            "    $client = New-Object System.Net.Sockets.TcpClient",
            f"    $asking = $client.ConnectAsync({_powershell(host)}, {port})",
            f"    if ($asking.Wait({_SHARE_OF_TIME * 1000})) {{ '{MARK} open'; exit 0 }}",
            "    $said = 'no answer in time'",
            "  } catch { $said = $_.Exception.GetBaseException().Message }",
        ]
        return _powershell_loop(f"tcp {_powershell(host)} {port}", tries, seconds)
    connect = f"timeout {_SHARE_OF_TIME} bash -c 'exec 3<>\"/dev/tcp/$0/$1\"' {shlex.quote(host)} {port}"
    tries = [
        f'  if said=$({connect} 2>&1); then echo "{MARK} open"; exit 0; fi',
        '  [ -n "$said" ] || said="no answer in time"',
    ]
    return _shell_loop(f"tcp {shlex.quote(host)} {port}", tries, seconds)


def http_script(platform: Platform, url: str, *, expect_status: int, verify_tls: bool, seconds: int) -> list[str]:
    """Write the lines that get a URL until the status is the expected one, for at most so many seconds.

    Redirects are answers and are not followed.
    """
    if platform == "Windows":
        trust = (
            [] if verify_tls else ["[System.Net.ServicePointManager]::ServerCertificateValidationCallback = {$true}"]
        )
        tries = [
            "  try {",
            f"    $ask = [System.Net.HttpWebRequest]::Create({_powershell(url)})",
            f"    $ask.AllowAutoRedirect = $false; $ask.Proxy = $null; $ask.Timeout = {_SHARE_OF_TIME * 1000}",
            "    try { $got = $ask.GetResponse() }",
            "    catch [System.Net.WebException] { $got = $_.Exception.Response; if (-not $got) { throw } }",
            "    $text = (New-Object System.IO.StreamReader($got.GetResponseStream())).ReadToEnd()",
            "    $code = [int]$got.StatusCode",
            f"    if ($text.Length -gt {MOST_BODY}) {{ $text = $text.Substring(0, {MOST_BODY}) }}",
            f'    if ($code -eq {expect_status} -or (Get-Date) -ge $end) {{ "{MARK} $code"; $text; exit 0 }}',
            '    $said = "answered $code"',
            "  } catch { $said = $_.Exception.GetBaseException().Message }",
        ]
        lines = _powershell_loop(f"http {_powershell(url)}", tries, seconds)
        return [lines[0], *trust, *lines[1:]]
    insecure = "" if verify_tls else " --insecure"
    ask = (
        f"curl --silent --show-error --noproxy '*' --max-time {_SHARE_OF_TIME}{insecure} --output \"$body\" "
        f"--write-out '%{{http_code}}' {shlex.quote(url)}"
    )
    tries = [
        f'  if code=$({ask} 2>"$body.err"); then',
        f'    if [ "$code" = {expect_status} ] || [ "$(date +%s)" -ge "$end" ]; then',
        f'      echo "{MARK} $code"; head -c {MOST_BODY} "$body"; rm -f "$body" "$body.err"; exit 0',
        "    fi",
        '    said="answered $code"',
        "  else",
        '    said=$(cat "$body.err")',
        "  fi",
    ]
    return _shell_loop(f"http {shlex.quote(url)}", tries, seconds, before=["body=$(mktemp)"])


def _shell_loop(what: str, tries: list[str], seconds: int, before: list[str] | None = None) -> list[str]:
    return [
        f": {MARK} {what}",
        *(before or []),
        f"end=$(( $(date +%s) + {seconds} ))",
        "while :; do",
        *tries,
        f'  if [ "$(date +%s)" -ge "$end" ]; then echo "{MARK} closed $said"; exit 0; fi',
        "  sleep 2",
        "done",
    ]


def _powershell_loop(what: str, tries: list[str], seconds: int) -> list[str]:
    return [
        f"# {MARK} {what}",
        f"$end = (Get-Date).AddSeconds({seconds})",
        "while ($true) {",
        *tries,
        f'  if ((Get-Date) -ge $end) {{ "{MARK} closed $said"; exit 0 }}',
        "  Start-Sleep -Seconds 2",
        "}",
    ]


def _powershell(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def read_output(output: str) -> InsideAnswer | None:
    """Read what a script has printed; None: it is no such output, the script has not come so far."""
    first, _, rest = output.partition("\n")
    mark, _, said = first.strip().partition(" ")
    if mark != MARK:
        return None
    if said == "open":
        return InsideAnswer(is_open=True, words="connected")
    if said.isdecimal():
        return InsideAnswer(is_open=True, words=f"answered {said}", status=int(said), body=rest)
    why = said.removeprefix("closed").strip() + (f" {rest}" if rest.strip() else "")
    return InsideAnswer(is_open=False, words=f"no answer: {last_words(why.strip() or 'nobody said why')}")
