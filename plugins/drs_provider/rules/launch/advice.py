"""What to do about a server that was not launched, by the reason that DRS or EC2 gave."""

import re
from typing import Final

from drs_provider.rules.purpose import Purpose

NO_REASON: Final = "DRS gave no reason"

_ADVICE: Final[tuple[tuple[str, str], ...]] = (
    (
        r"has ended it since|was terminated since|is (NOT_FOUND|TERMINATED|SHUTTING-DOWN)$",
        "CloudTrail and the instance's state reason in EC2 say who or what ended it: correct that",
    ),
    (
        re.escape(NO_REASON),
        "this is what missing EC2 permissions or a launch template without subnet look like: check both",
    ),
    (
        r"OptInRequired|accept (the )?terms|marketplace",
        "accept the terms of the product in the recovery account, once, with its link in AWS Marketplace",
    ),
    (
        r"\bkms\b|:kms:|KMSKey|KMS key",
        (
            "let DRS's roles of the recovery account use the KMS key: its key policy, in the key's own "
            "account{account}, must name them (docs/permissions.md#kms-keys); or copy the volumes to a key that they "
            "may use"
        ),
    ),
    (
        r"service control policy|explicit deny",
        "a policy of the organization forbids it: ask who administers it to allow this in the recovery account",
    ),
    (
        r"InsufficientInstanceCapacity|insufficient capacity",
        "choose an instance type or subnet that has capacity in the server's launch settings",
    ),
    (
        r"VcpuLimitExceeded|InstanceLimitExceeded|vCPU (limit|quota)|quota",
        "ask for a higher EC2 quota in the recovery Region",
    ),
    (
        r"Unauthorized|AccessDenied|not authorized|PassRole",
        "give the role of the Airflow connection the missing permission; docs/permissions.md lists them all",
    ),
    (r"subnet|InvalidAddress|IP address", "correct the subnet or address in the server's EC2 launch template"),
    (r"encrypt", "let DRS use the KMS key of the volumes in the recovery Region"),
    (r"snapshot", "check the server's replication; a job from an older point in time may work"),
    (
        r"timed? ?out|still running|PENDING|IN_PROGRESS",
        "look at the job in the DRS console: it may still end by itself",
    ),
)


_NO_ROOM_TO_START: Final = re.compile(r"EC2 refused its start: .*InsufficientInstanceCapacity", re.DOTALL)
_BY_HAND: Final = (
    "start its instance by hand in EC2, with an instance type that there is capacity for, or terminate it there"
)


def next_step(reason: str, purpose: Purpose) -> str:
    """Name the next step for a reason as DRS or EC2 worded it (patterns seen in the service's own errors).

    Why a server does not come back to its origin is worded by this package, with what to do.
    """
    if purpose.copies:
        return f"do what the reason says, {purpose.after_failure}"
    if not purpose.is_temporary and _NO_ROOM_TO_START.search(reason):
        return f"{_BY_HAND}, {purpose.after_failure}"
    found = (advice for pattern, advice in _ADVICE if re.search(pattern, reason, re.IGNORECASE))
    first = next(found, "look at the job's log in the DRS console and correct the cause")
    key = re.search(r"arn:aws[a-z-]*:kms:[a-z0-9-]*:([0-9]{12}):", reason)
    link = re.search(r"https://[^\s)\"']*marketplace[^\s)\"']*", reason)
    first = first.replace("{account}", f" ({key[1]})" if key else "")
    first = first.replace("its link in AWS Marketplace", link[0].rstrip(".,;")) if link else first
    return f"{first}, {purpose.after_failure}"
