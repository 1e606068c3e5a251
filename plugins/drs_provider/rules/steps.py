"""What the answers to a step mean: of SSM commands and automations, of Lambda functions, of HTTP endpoints."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from drs_provider.formatting import plain, plain_line

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


@dataclass(frozen=True)
class InstanceResult:
    """What became of a command on one instance; ``status`` is SSM's own word, the detail where there is one."""

    instance_id: str
    hostname: str
    succeeded: bool
    status: str
    exit_code: int | None = None
    output: str = ""

    def as_json(self) -> dict[str, Any]:
        """What travels in XCom."""
        return asdict(self)

    @property
    def words(self) -> str:
        """Name, exit code and the last of the output, in one line."""
        code = f", exit code {self.exit_code}" if self.exit_code not in (None, -1, 0) else ""
        said = last_words(self.output)
        name = f"{self.hostname} ({self.instance_id})" if self.hostname != self.instance_id else self.instance_id
        return f"{name}: {self.status}{code}" + (f": {said}" if said else "")


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


def read_invocation(item: Mapping[str, Any] | None, instance_id: str, hostname: str) -> InstanceResult:
    """Read an item of ListCommandInvocations with its details; None: SSM shows none for the instance."""
    if item is None:
        return InstanceResult(instance_id, hostname, succeeded=False, status="no invocation")
    plugins = item.get("CommandPlugins") or ()
    bad = next((one for one in plugins if one.get("Status") != "Success"), None)
    code = next((one.get("ResponseCode") for one in ([bad] if bad else plugins[-1:])), None)
    output = "\n".join(one["Output"] for one in plugins if one.get("Output"))
    status = str(item.get("StatusDetails") or item["Status"])
    return InstanceResult(
        instance_id, hostname, item["Status"] == "Success", status, code, kept(output, MOST_OF_ONE, end=True)
    )


def failures_in_words(results: Sequence[InstanceResult], what: str) -> str:
    """Say which instances failed, and how: the first few in full."""
    failed = [one for one in results if not one.succeeded]
    lines = "; ".join(one.words for one in failed[:_NAMED])
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return f"{what} failed on {len(failed)} of {len(results)} instances: {lines}{more}"


def instances_kept(results: Sequence[InstanceResult]) -> list[dict[str, Any]]:
    """Return what is kept of the instances, failed ones first."""
    return [one.as_json() for one in sorted(results, key=lambda one: one.succeeded)[:MOST_INSTANCES]]


def outputs_kept(results: Sequence[InstanceResult]) -> str:
    """Return the outputs of all instances in one text, failed ones first."""
    parts = [
        f"{one.hostname} ({one.instance_id}): {one.status}\n{one.output}".rstrip()
        for one in sorted(results, key=lambda one: one.succeeded)
    ]
    return kept("\n".join(parts))


def read_automation(execution: Mapping[str, Any]) -> tuple[bool | None, str, str]:
    """Return whether a runbook succeeded (None: it goes on), one sentence, and its outputs."""
    status = str(execution.get("AutomationExecutionStatus"))
    steps = execution.get("StepExecutions") or ()
    outputs = json.dumps(execution.get("Outputs") or {}, ensure_ascii=False, sort_keys=True)
    if status not in AUTOMATION_ENDED:
        now = next((one.get("StepName") for one in steps if one.get("StepStatus") == "InProgress"), None)
        return None, f"{status}" + (f", at step {now}" if now else ""), kept(outputs)
    if status in AUTOMATION_GOOD:
        return True, f"{status}, {len(steps)} steps", kept(outputs)
    failed = (one for one in steps if one.get("StepStatus") in ("Failed", "TimedOut", "Cancelled"))
    bad: Mapping[str, Any] = next(failed, {})
    at = f" at step {bad['StepName']}" if bad.get("StepName") else ""
    why = execution.get("FailureMessage") or bad.get("FailureMessage") or bad.get("StepStatus") or "no reason given"
    return False, f"{status}{at}: {last_words(str(why))}", kept(outputs)


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
    status: int, body: str, *, expect_status: int, expect_text: str | None, expect_json: Mapping[str, Any]
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


MISSING = _Missing()
"""What stands at a path that leads nowhere."""


def value_at(data: Any, path: str) -> Any:
    """Follow a path such as ``checks.0.status`` through mappings and lists; MISSING where it leads nowhere."""
    for part in path.split("."):
        if isinstance(data, Mapping) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            return MISSING
    return data


def masked(text: str, secrets: Iterable[str]) -> str:
    """Take secrets out of a text that others wrote; short ones too, for a password may be short."""
    for secret in sorted({one for one in secrets if one}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
