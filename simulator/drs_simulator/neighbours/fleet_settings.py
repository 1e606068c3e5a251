"""What the fleet file says of SSM and Lambda: read strictly when the simulator starts."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from drs_simulator.durations import Seconds
from drs_simulator.fleet.model import Fleet
from drs_simulator.strict_input import checked
from drs_simulator.world.resources import Key
from drs_simulator.world.world import World


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DocumentSettings(_Strict):
    """How an SSM document goes; a name that SSM does not know becomes a document of the account."""

    type: Literal["Command", "Automation"] = "Command"
    takes: Seconds | None = None
    """Simulated time, per instance (Command) or per step (Automation)."""
    output: str = ""
    """Standard output of a Command; ``{hostname}`` and ``{instance_id}`` are filled in."""
    error: str = ""
    exit_code: int = Field(default=0, ge=0, le=255)
    steps: tuple[str, ...] = ("run",)
    outputs: dict[str, tuple[str, ...]] = {}
    """What an Automation answers with when it has succeeded."""


class SsmSettings(_Strict):
    """The key `ssm` of an account or Region."""

    agent_online_after: Seconds = 45.0
    """Simulated time from an instance's running until its agent is seen, give or take a quarter."""
    documents: dict[str, DocumentSettings] = {}


class FunctionSettings(_Strict):
    """A Lambda function: what it does when it is invoked."""

    behaviour: Literal["echo", "answer", "fail", "sleep", "call"] = "echo"
    payload: object = None
    """What `answer` answers."""
    error: str = "Error"
    """The errorType of `fail`."""
    message: str = "the function failed"
    takes: Seconds = 0.0
    """Simulated time before it answers, whatever it does then; `sleep` answers null."""
    timeout: Seconds = 900.0
    """Simulated time after which Lambda ends it."""
    function: str | None = Field(default=None, pattern=r"^[A-Za-z_]\w*:[A-Za-z_]\w*$")
    """``module:function`` of `call`, from a file that was named on the command line."""

    @model_validator(mode="after")
    def _callable(self) -> "FunctionSettings":
        if (self.behaviour == "call") != (self.function is not None):
            raise ValueError("behaviour call and function: module:name go together")
        return self


def _named(value: object) -> object:
    return {"behaviour": value} if isinstance(value, str) else value


FunctionEntry = Annotated[FunctionSettings, BeforeValidator(_named)]
"""Written out, or only the behaviour's name."""

_SSM: TypeAdapter[SsmSettings] = TypeAdapter(SsmSettings)
_FUNCTIONS: TypeAdapter[dict[str, FunctionEntry]] = TypeAdapter(dict[str, FunctionEntry])
_FUNCTION: TypeAdapter[FunctionSettings] = TypeAdapter(FunctionEntry)
_DOCUMENT: TypeAdapter[DocumentSettings] = TypeAdapter(DocumentSettings)


def ssm_settings(fleet: Fleet, key: Key) -> SsmSettings:
    """Return what the fleet says of SSM in a Region: the Region's word before the account's. Raises BadInput."""
    given, source = _of(fleet, key, "ssm")
    return checked(_SSM, given, source)


def lambda_settings(fleet: Fleet, key: Key) -> dict[str, FunctionSettings]:
    """Return the functions of a Region by name: the account's, and the Region's own over them. Raises BadInput."""
    given, source = _of(fleet, key, "lambda_functions")
    return checked(_FUNCTIONS, given, source)


def function_settings(given: object) -> FunctionSettings:
    """Read one function as it was given to the control plane. Raises BadInput."""
    return checked(_FUNCTION, given, "lambda")


def document_settings(given: object) -> DocumentSettings:
    """Read one document as it was given to the control plane. Raises BadInput."""
    return checked(_DOCUMENT, given, "documents")


def ssm_of(world: World, key: Key) -> SsmSettings:
    """Return what the world's fleet says of SSM in a Region; read once per world."""
    read: dict[Key, SsmSettings] = world.neighbours.setdefault("ssm_settings", {})
    if key not in read:
        read[key] = ssm_settings(world.fleet, key)
    return read[key]


def ensure_readable(fleet: Fleet) -> None:
    """Read everything once. Raises BadInput with what is wrong."""
    for account in fleet.accounts:
        for region in account.regions:
            ssm_settings(fleet, (account.id, region.name))
            lambda_settings(fleet, (account.id, region.name))


def _of(fleet: Fleet, key: Key, member: str) -> tuple[dict[str, object], str]:
    name, region_name = key
    account = next((account for account in fleet.accounts if account.id == name), None)
    region = next((region for region in account.regions if region.name == region_name), None) if account else None
    whole = getattr(account, member, None) or {}
    own = getattr(region, member, None) or {}
    source = f"{name}/{region_name}: {member}"
    for given in (whole, own):
        if not isinstance(given, dict):
            return given, source  # checked says what was expected instead
    merged = {**whole, **own}
    if member == "ssm" and ("documents" in whole or "documents" in own):
        merged["documents"] = {**(whole.get("documents") or {}), **(own.get("documents") or {})}
    return merged, source
