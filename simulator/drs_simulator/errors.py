"""Every error the simulated service answers with, and what else can go wrong on purpose.

Faults of the API (throttling, denied access, outages) are worded in `refusing`, for every service alike.

Refusal                         the service says no; goes over the wire
├── Conflict                409
├── QuotaExceeded           402
├── Throttled               429  + Retry-After
├── InternalError           500  + Retry-After
├── Invalid                 400
├── NotFound                404
├── AccessDenied            403
├── Uninitialized           400
└── NotImplementedHere      501  the simulator cannot do this operation, and names it
BadInput                        a fleet, fault or state file that cannot be used; the program ends with code 2
ConnectionDropped               not an answer: the TCP connection goes away
"""

from collections.abc import Sequence
from typing import Any, ClassVar


class Refusal(Exception):
    """An error answer; `code` and `status` are botocore's (drs 2020-02-26) unless said otherwise."""

    code: ClassVar[str]
    status: ClassVar[int]

    def __init__(self, message: str, **members: Any) -> None:
        super().__init__(message)
        self.message = message
        self.members = members

    def body(self) -> dict[str, object]:
        """Return what the JSON body says."""
        return {"message": self.message, "code": self.code, **self.members}


class Conflict(Refusal):
    """The state of a resource forbids this now."""

    code, status = "ConflictException", 409


class QuotaExceeded(Refusal):
    """A quota of the account and Region is used up; 402 is what the model says, oddly."""

    code, status = "ServiceQuotaExceededException", 402

    def __init__(self, message: str, quota_code: str) -> None:
        super().__init__(message, serviceCode="drs", quotaCode=quota_code)


class InternalError(Refusal):
    """The service failed."""

    code, status = "InternalServerException", 500

    def body(self) -> dict[str, object]:
        """Return what the JSON body says: this error has no member `code`."""
        return {"message": self.message}


class Invalid(Refusal):
    """The request breaks the model."""

    code, status = "ValidationException", 400

    def __init__(self, message: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.members = {"reason": "fieldValidationFailed" if fields else "other"}
        if fields:
            self.members["fieldList"] = [{"name": name, "message": text} for name, text in fields]


class UnknownOperation(Refusal):
    """No operation of DRS has this method and path."""

    code, status = "ValidationException", 400

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="unknownOperation")


class NotFound(Refusal):
    """No such resource."""

    code, status = "ResourceNotFoundException", 404

    def __init__(self, message: str, resource_id: str, resource_type: str) -> None:
        super().__init__(message, resourceId=resource_id, resourceType=resource_type)


class Uninitialized(Refusal):
    """InitializeService was never called in this account and Region."""

    code, status = "UninitializedAccountException", 400


class NotImplementedHere(Refusal):
    """The simulator does not simulate this operation; the code is the simulator's own."""

    code, status = "NotImplementedBySimulator", 501


class BadInput(Exception):
    """A file given by a person cannot be used: says which file, where in it, what, and what to write instead."""


class ConnectionDropped(Exception):
    """The peer is to see its connection closed without an answer."""
