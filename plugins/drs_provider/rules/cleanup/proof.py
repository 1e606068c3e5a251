"""The proof that a launch created an instance: what was there before it is nobody's to terminate."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import parse_instant
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.existing_instance import ALLOWING_TAG, tags_of
from drs_provider.rules.launch.jobs import created_at_of

CLOCKS_DIFFER: Final = timedelta(seconds=1)
"""EC2 tells whole seconds, and a launch takes minutes."""

_DRS_TAG: Final = "AWSElasticDisasterRecoverySourceServerID"


@dataclass(frozen=True)
class CreationProof:
    """Whether a launch created an instance, and what says so or against it."""

    is_proven: bool
    words: str


def created_at(instance: Answer) -> datetime | None:
    """Return when EC2 created an instance; None: it does not say.

    ``LaunchTime`` becomes later with every start, so the attachment of the first network interface, which stays for
    the instance's life, counts before it.
    """
    attached = [
        attachment["AttachTime"]
        for interface in instance.get("NetworkInterfaces") or ()
        if (attachment := interface.get("Attachment") or {}).get("DeviceIndex") == 0 and attachment.get("AttachTime")
    ]
    times = [*attached, *([instance["LaunchTime"]] if instance.get("LaunchTime") else [])]
    return min(map(_instant, times), default=None)


def _instant(at: datetime | str) -> datetime:
    return at if isinstance(at, datetime) else parse_instant(at)


def creation_proof(server_id: str, instance: Answer, *, job: Answer | None, into: Iterable[str]) -> CreationProof:
    """Say whether the launch of a source server created an instance.

    :param instance: as EC2 describes it
    :param job: the job that DRS says launched it; None: DRS has forgotten it
    :param into: instances that the server's launch settings name for a launch into an existing one
    """
    name, tags, at = instance["InstanceId"], tags_of(instance), created_at(instance)
    key, value = ALLOWING_TAG
    began = created_at_of(job) if job is not None else None
    if name in set(into):
        return CreationProof(False, "the server's launch settings name it as the existing instance to launch into")
    if at is not None and began is not None and at < began - CLOCKS_DIFFER:
        return CreationProof(
            False, f"it was there before the launch: EC2 created it at {_text(at)}, and its job began at {_text(began)}"
        )
    if tags.get(key) == value and not _is_attached_since(instance, began):
        return CreationProof(False, f"its tag {key}={value} says that it is there to be launched into")
    if at is not None and began is not None:
        return CreationProof(True, f"EC2 created it at {_text(at)}, and its job began at {_text(began)}")
    if tags.get(_DRS_TAG) == server_id:
        return CreationProof(True, f"DRS has tagged it as launched for {server_id}")
    return CreationProof(False, "nothing proves that a launch created it: DRS does not know its job any more")


def _is_attached_since(instance: Answer, began: datetime | None) -> bool:
    """Tell whether the first interface says that the instance came with the job: starting changes nothing there."""
    first = [
        attachment["AttachTime"]
        for interface in instance.get("NetworkInterfaces") or ()
        if (attachment := interface.get("Attachment") or {}).get("DeviceIndex") == 0 and attachment.get("AttachTime")
    ]
    return began is not None and bool(first) and min(map(_instant, first)) >= began - CLOCKS_DIFFER


def kept_words(proof: CreationProof) -> str:
    """Word why a clean-up keeps an instance, and what a person can do."""
    return f"{proof.words}, so it is kept: look at it in EC2, and stop or repair it manually"


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
