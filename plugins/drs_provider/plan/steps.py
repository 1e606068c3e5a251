"""The steps that a plan may run before and after its waves, told apart by ``kind``."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from drs_provider.plan.fields import (
    Count,
    Flag,
    Json,
    LongerThanZero,
    Name,
    OneOrMore,
    Ordinal,
    PlanPart,
    Region,
    Share,
    ShareField,
    Text,
    Url,
)

Parameters = Mapping[Text, OneOrMore]
"""SSM parameters: a text or a list of texts under each name."""


class Step(PlanPart):
    """What all steps have in common."""

    name: Name
    """The step's name, unique where it stands; also the name of its task."""
    when: Literal["drill", "recovery", "failback", "always"] = "always"
    """In which runs the step takes place."""
    timeout: LongerThanZero = timedelta(minutes=10)
    """How long the step may take."""
    retries: Count = 0
    """How often the step is tried again after a failure."""
    on_failure: Literal["fail", "continue"] = "fail"
    """Whether the run goes on after the step has failed."""


class SsmCommand(Step):
    """Runs an SSM command document on recovered instances."""

    kind: Literal["ssm_command"]
    document: Text
    """The command document, for example AWS-RunShellScript."""
    parameters: Parameters = Field(default_factory=dict)
    """The document's parameters."""
    instances: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Instances to run on, by id or hostname; left out, all recovered instances of the wave."""
    tolerate_failures: ShareField = Share(0)
    """The share of the instances on which it may fail."""
    region: Region | None = None
    """Where the instances are; left out, where the run recovers them."""
    aws_conn_id: Text | None = None
    """The Airflow connection; left out, the one of the groups."""


class SsmAutomation(Step):
    """Runs an SSM automation document and waits for it."""

    kind: Literal["ssm_automation"]
    document: Text
    """The automation document."""
    parameters: Parameters = Field(default_factory=dict)
    """The document's parameters."""
    region: Region | None = None
    """Where it runs; left out, the recovery Region."""
    aws_conn_id: Text | None = None
    """The Airflow connection; left out, the one of the groups."""


class LambdaStep(Step):
    """Invokes a Lambda function and waits for its answer."""

    kind: Literal["lambda"]
    function: Text
    """The function's name or ARN."""
    payload: Json = Field(default_factory=dict)
    """What the function is given."""
    repeatable: Flag = False
    """Whether it may be invoked again where nobody knows whether it has run."""
    region: Region | None = None
    """Where the function is; left out, the recovery Region."""
    aws_conn_id: Text | None = None
    """The Airflow connection; left out, the one of the groups."""


class Http(Step):
    """Asks a URL again and again until the answer is the expected one."""

    kind: Literal["http"]
    url: Url
    """What to ask, http or https."""
    expect_status: Annotated[int, Field(strict=True, ge=100, le=599)] = 200
    """The HTTP status that passes."""
    expect_text: Text | None = None
    """A text that the answer must hold."""
    expect_json: Mapping[Text, Any] = Field(default_factory=dict)
    """Values that the answer, read as JSON, must have; the keys are paths such as ``checks.0.status``."""
    verify_tls: Flag = True
    """Whether the certificate of an https address is checked."""


class Tcp(Step):
    """Connects to a port again and again until it answers."""

    kind: Literal["tcp"]
    host: Text
    """Name or address."""
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)]
    """Port number."""


class Webhook(Step):
    """Says something once to an HTTP endpoint."""

    kind: Literal["webhook"]
    http_conn_id: Text
    """The Airflow HTTP connection, which holds the address and the secret."""
    payload: Json = Field(default_factory=dict)
    """The JSON body."""
    repeatable: Flag = False
    """Whether it may be said again where nobody knows whether it was heard."""


class ApprovalStep(Step):
    """Waits until people have agreed."""

    kind: Literal["approval"]
    message: Text
    """What is asked."""
    approvers: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Airflow users who may answer."""
    required: Ordinal = 1
    """How many of them must agree."""
    four_eyes: Flag = False
    """Whether the person who triggered the run does not count."""
    on_timeout: Literal["fail", "continue"] = "fail"
    """What happens when too few people answer in time."""


class Wait(Step):
    """Lets time pass."""

    kind: Literal["wait"]
    for_: Annotated[LongerThanZero, Field(alias="for")]
    """How long."""


class DagStep(Step):
    """Runs another Airflow DAG and waits for it."""

    kind: Literal["dag"]
    dag_id: Text
    """The DAG to run."""
    conf: Json = Field(default_factory=dict)
    """What the run is given."""


AnyStep = Annotated[
    SsmCommand | SsmAutomation | LambdaStep | Http | Tcp | Webhook | ApprovalStep | Wait | DagStep,
    Field(discriminator="kind"),
]
