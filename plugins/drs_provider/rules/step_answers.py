"""What the answers to a step mean: of SSM commands and automations, of Lambda functions, of HTTP endpoints."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Required, TypedDict

from drs_provider.formatting import plain, plain_line

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import StepInstance

MOST_OUTPUT = 4096
"""Characters of a step's output that are kept."""
MOST_OF_ONE = 400
"""Characters of output that are kept of one instance."""
MOST_INSTANCES = 100
"""Instances of a step that are kept one by one, failed ones first."""
_NAMED = 5
"""Failed instances that stand in the step's error."""

COMMAND_ENDED = ("Success", "Cancelled", "TimedOut", "Failed")
AUTOMATION_ENDED = (
    *("Success", "TimedOut", "Cancelled", "Failed", "Rejected", "ChangeCalendarOverrideRejected"),
    *("CompletedWithSuccess", "CompletedWithFailure", "Exited"),
)
AUTOMATION_GOOD = ("Success", "CompletedWithSuccess")


def instance_words(result: "StepInstance") -> str:
    """Say how a command went on one instance: name, exit code and the last of the output, in one line."""
    code = f", exit code {result.exit_code}" if result.exit_code not in (None, -1, 0) else ""
    said = last_words(result.output)
    return f"{_name(result)}: {result.status}{code}" + (f": {said}" if said else "")


def _name(result: "StepInstance") -> str:
    is_named = result.hostname != result.instance_id
    return f"{result.hostname} ({result.instance_id})" if is_named else result.instance_id


def kept(text: str, most: int = MOST_OUTPUT, *, end: bool = False) -> str:
    """Keep the beginning of a text (or its end, where errors stand), plain, and say how much is left out."""
    text = plain(text)
    if len(text) <= most:
        return text
    mark = f"[{len(text) - most} characters left out]"
    return f"{mark}\n{text[-most:]}" if end else f"{text[:most]}\n{mark}"


def last_words(text: str, most: int = 300) -> str:
    """Return the end of an output as one plain line."""
    line = plain_line(text)
    return line if len(line) <= most else f"…{line[-most:]}"


class CommandPlugin(TypedDict, total=False):
    """What one plugin of a command did on one instance."""

    Status: str
    ResponseCode: int
    Output: str


class Invocation(TypedDict, total=False):
    """An item of ListCommandInvocations with its details."""

    InstanceId: str
    Status: Required[str]
    StatusDetails: str
    CommandPlugins: Sequence[CommandPlugin]


class AutomationStep(TypedDict, total=False):
    """One step of a runbook that has been started."""

    StepName: str
    StepStatus: str
    FailureMessage: str


class AutomationExecution(TypedDict, total=False):
    """What GetAutomationExecution says of a runbook that has been started."""

    AutomationExecutionStatus: str
    FailureMessage: str
    Outputs: Mapping[str, Sequence[str]]
    StepExecutions: Sequence[AutomationStep]


def read_invocation(item: Invocation | None, instance_id: str, hostname: str) -> "StepInstance":
    """Read how a command went on one instance, in SSM's own words; None: SSM shows nothing for the instance."""
    from drs_provider.rules.run.handover import StepInstance

    if item is None:
        return StepInstance(instance_id=instance_id, hostname=hostname, succeeded=False, status="no invocation")
    plugins = item.get("CommandPlugins") or ()
    bad = next((plugin for plugin in plugins if plugin.get("Status") != "Success"), None)
    code = next((plugin.get("ResponseCode") for plugin in ([bad] if bad else plugins[-1:])), None)
    output = "\n".join(plugin["Output"] for plugin in plugins if plugin.get("Output"))
    return StepInstance(
        instance_id=instance_id,
        hostname=hostname,
        succeeded=item["Status"] == "Success",
        status=item.get("StatusDetails") or item["Status"],
        exit_code=code,
        output=kept(output, MOST_OF_ONE, end=True),
    )


def failures_in_words(results: "Sequence[StepInstance]", what: str) -> str:
    """Say which instances failed, and how: the first few in full."""
    failed = [result for result in results if not result.succeeded]
    lines = "; ".join(instance_words(result) for result in failed[:_NAMED])
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return f"{what} failed on {len(failed)} of {len(results)} instances: {lines}{more}"


def instances_kept(results: "Sequence[StepInstance]") -> "tuple[StepInstance, ...]":
    """Return what is kept of the instances, failed ones first."""
    return tuple(sorted(results, key=lambda result: result.succeeded)[:MOST_INSTANCES])


def outputs_kept(results: "Sequence[StepInstance]") -> str:
    """Return the outputs of all instances in one text, failed ones first."""
    parts = [
        f"{result.hostname} ({result.instance_id}): {result.status}\n{result.output}".rstrip()
        for result in sorted(results, key=lambda result: result.succeeded)
    ]
    return kept("\n".join(parts))


def read_automation(execution: AutomationExecution) -> tuple[bool | None, str, str]:
    """Return whether a runbook succeeded (None: it goes on), one sentence, and its outputs."""
    status = str(execution.get("AutomationExecutionStatus"))
    steps = execution.get("StepExecutions") or ()
    outputs = json.dumps(execution.get("Outputs") or {}, ensure_ascii=False, sort_keys=True)
    if status not in AUTOMATION_ENDED:
        now = next((step.get("StepName") for step in steps if step.get("StepStatus") == "InProgress"), None)
        return None, f"{status}" + (f", at step {now}" if now else ""), kept(outputs)
    if status in AUTOMATION_GOOD:
        return True, f"{status}, {len(steps)} steps", kept(outputs)
    failed = (step for step in steps if step.get("StepStatus") in ("Failed", "TimedOut", "Cancelled"))
    bad = next(failed, AutomationStep())
    at = f" at step {bad['StepName']}" if bad.get("StepName") else ""
    why = execution.get("FailureMessage") or bad.get("FailureMessage") or bad.get("StepStatus") or "no reason given"
    return False, f"{status}{at}: {last_words(why)}", kept(outputs)


def read_function(payload: str, error: str | None) -> tuple[bool, str, str]:
    """Return whether a function succeeded, one sentence, and what it answered."""
    if not error:
        return True, f"answered {len(payload)} characters", kept(payload)
    try:
        said = json.loads(payload)
    except ValueError:
        said = {}
    if not isinstance(said, Mapping):
        said = {}
    kind, message = said.get("errorType") or error, said.get("errorMessage") or payload
    return False, f"{kind}: {last_words(str(message))}", kept(payload)


def judge_answer(
    status: int, body: str, *, expect_status: int, expect_text: str | None, expect_json: Mapping[str, object]
) -> str | None:
    """Say why an HTTP answer does not pass; None: it passes."""
    if status != expect_status:
        return f"answered {status}, not {expect_status}"
    if expect_text and expect_text not in body:
        return f"answered {status} without the text {expect_text!r}"
    if not expect_json:
        return None
    try:
        data = json.loads(body)
    except ValueError:
        return f"answered {status} with something that is no JSON"
    for path, wanted in expect_json.items():
        found = value_at(data, path)
        if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
            shown = "is not there" if found is MISSING else f"is {last_words(json.dumps(found), 80)}"
            return f"answered {status}, but {path} {shown}, not {json.dumps(wanted)}"
    return None


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING: Final = _Missing()
"""What stands at a path that leads nowhere."""


def value_at(data: object, path: str) -> object:
    """Follow a path such as ``checks.0.status`` through mappings and lists; MISSING where it leads nowhere."""
    for part in path.split("."):
        if isinstance(data, Mapping) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            return MISSING
    return data


_MASK: Final = "***"
_CREDENTIALS: Final = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"),
    re.compile(
        r"""(?ix) (?<= [\s"'{,&?;] ) (?P<keep>
            ["']? [\w.-]* (?: password | passwd | secret | token | api[_-]?key | access[_-]?key | private[_-]?key
                          | credential | authorization | cookie ) [\w.-]* ["']?
            \s* [:=] \s* (?: (?: bearer | basic ) \s+ )? )
            (?: "(?:[^"\\]|\\.)*"? | '(?:[^'\\]|\\.)*'? | [^\s"',;&<>{}\[\]]+ )"""
    ),
    re.compile(r"(?i)(?P<keep>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"),
    re.compile(r"(?i)(?P<keep>\b[a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]+(?=@)"),
)


def mask_credentials(text: str) -> str:
    """Take out of a text that others wrote what looks like a password, a token or a key.

    Nobody has told which secrets it may hold: what is named like one, and what has the form of one, becomes ``***``.
    """
    text = f" {text}"
    for form in _CREDENTIALS:
        text = form.sub(lambda found: f"{found.groupdict().get('keep') or ''}{_MASK}", text)
    return text[1:]


def masked(text: str, secrets: Iterable[str]) -> str:
    """Take secrets out of a text that others wrote; short ones too, for a password may be short."""
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
