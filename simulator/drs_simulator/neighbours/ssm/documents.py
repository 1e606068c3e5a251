"""SSM's documents: AWS's own that plans use, the account's own in moto, and those that the fleet file describes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from moto.core.exceptions import ServiceException
from moto.ssm.models import ssm_backends

from drs_simulator.neighbours.answers import Refused
from drs_simulator.neighbours.fleet_settings import DocumentSettings, ssm_of
from drs_simulator.world.resources import Key
from drs_simulator.world.world import World

Kind = Literal["Command", "Automation"]


@dataclass(frozen=True)
class Step:
    """One step of a document."""

    name: str
    action: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    goes_on: bool = False
    """Whether the document goes on after a failure here (``onFailure: Continue``)."""


@dataclass(frozen=True)
class Document:
    """A document, as far as running it needs."""

    name: str
    kind: Kind
    steps: tuple[Step, ...]
    version: str = "1"
    platforms: frozenset[str] = frozenset({"linux", "windows"})
    required: frozenset[str] = frozenset()
    parameters: frozenset[str] | None = None
    """The parameters that it knows; None: not known here, anything goes."""
    settings: DocumentSettings | None = None


def _aws(name: str, action: str, *required: str, optional: Sequence[str] = (), on: str = "") -> Document:
    return Document(
        name,
        "Command",
        (Step(action.removeprefix("aws:"), action),),
        required=frozenset(required),
        parameters=frozenset((*required, *optional)) if required else None,
        platforms=frozenset({on} if on else {"linux", "windows"}),
    )


def _runbook(name: str, *steps: str, required: tuple[str, ...] = ("InstanceId",)) -> Document:
    return Document(
        name, "Automation", tuple(Step(step, "aws:changeInstanceState") for step in steps), required=frozenset(required)
    )


_SHELL = ("workingDirectory", "executionTimeout")
_COMMANDS = (
    _aws("AWS-RunShellScript", "aws:runShellScript", "commands", optional=_SHELL, on="linux"),
    _aws("AWS-RunPowerShellScript", "aws:runPowerShellScript", "commands", optional=_SHELL),
    _aws("AWS-RunRemoteScript", "aws:downloadContent"),
    _aws("AWS-RunDocument", "aws:runDocument"),
    _aws("AWS-RunAnsiblePlaybook", "aws:runShellScript"),
    _aws("AWS-ApplyAnsiblePlaybooks", "aws:downloadContent"),
    _aws("AWS-RunPatchBaseline", "aws:runShellScript"),
    _aws("AWS-ConfigureAWSPackage", "aws:configurePackage"),
    _aws("AWS-ConfigureDocker", "aws:runShellScript"),
    _aws("AWS-UpdateSSMAgent", "aws:updateSsmAgent"),
    _aws("AWS-InstallApplication", "aws:applications", on="windows"),
    _aws("AWS-InstallPowerShellModule", "aws:psModule", on="windows"),
    _aws("AmazonCloudWatch-ManageAgent", "aws:runShellScript"),
)
_RUNBOOKS = (
    _runbook("AWS-StartEC2Instance", "startInstances"),
    _runbook("AWS-StopEC2Instance", "stopInstances"),
    _runbook("AWS-RestartEC2Instance", "stopInstances", "startInstances"),
    _runbook("AWS-TerminateEC2Instance", "terminateInstances"),
)
KNOWN: Mapping[str, Document] = {document.name: document for document in (*_COMMANDS, *_RUNBOOKS)}
"""AWS's documents that the simulator knows; others can be added in the fleet file."""


def find(world: World, key: Key, name: str, version: str | None, kind: Kind) -> Document | None:
    """Return a document of a kind; None where there is none. The fleet file comes first, then moto, then AWS.

    Raises Refused with InvalidDocumentVersion.
    """
    bare = name.rsplit("document/", 1)[-1]
    settings = ssm_of(world, key).documents.get(bare)
    found = _own(key, bare, version) or KNOWN.get(bare)
    if settings is not None:
        found = _as_told(bare, settings, found)
    return found if found is not None and found.kind == kind else None


def _as_told(name: str, settings: DocumentSettings, known: Document | None) -> Document:
    if known is None:
        action = "aws:runShellScript" if settings.type == "Command" else "aws:executeScript"
        return Document(name, settings.type, tuple(Step(step, action) for step in settings.steps), settings=settings)
    return Document(
        known.name, known.kind, known.steps, known.version, known.platforms, known.required, known.parameters, settings
    )


def _own(key: Key, name: str, version: str | None) -> Document | None:
    account, region = key
    documents: Any = ssm_backends[account][region]._documents.get(name)  # noqa: SLF001 - the public way renders
    if documents is None:
        return None
    try:
        found = documents.find(None if version in {None, "", "$DEFAULT"} else version)
    except ServiceException as error:
        raise Refused("InvalidDocumentVersion", "The document version is not valid or does not exist.") from error
    content = found.content_json
    declared: Mapping[str, Any] = content.get("parameters") or {}
    return Document(
        name,
        "Automation" if found.document_type == "Automation" else "Command",
        tuple(_steps(content)),
        version=str(found.document_version),
        required=frozenset(name for name, about in declared.items() if "default" not in (about or {})),
        parameters=frozenset(declared),
    )


def _steps(content: Mapping[str, Any]) -> list[Step]:
    steps = content.get("mainSteps") or [
        {"name": name.removeprefix("aws:"), "action": name, "inputs": (inputs.get("properties") or [{}])[0]}
        for name, inputs in (content.get("runtimeConfig") or {}).items()
    ]
    return [
        Step(
            str(step.get("name", step.get("action"))),
            str(step.get("action")),
            step.get("inputs") or {},
            float(step["timeoutSeconds"]) if str(step.get("timeoutSeconds", "")).isdigit() else None,
            str(step.get("onFailure", "")).lower() == "continue",
        )
        for step in steps
    ]


def wrong_parameters(document: Document, given: Mapping[str, Sequence[str]]) -> str | None:
    """Return what is wrong with the parameters; None where nothing is."""
    missing = sorted(document.required - set(given))
    if missing:
        return f"The document {document.name} requires the parameters {', '.join(missing)}."
    unknown = sorted(set(given) - document.parameters) if document.parameters is not None else []
    if unknown:
        return f"The parameters {', '.join(unknown)} are not defined in the document {document.name}."
    return None


def plugin_of(document: Document | None) -> str:
    """Return the name under which a Command's output is kept: its first step's action."""
    return document.steps[0].action if document is not None and document.steps else "aws:runShellScript"


_REFERENCE = re.compile(r"\{\{\s*([\w.:-]+)\s*\}\}")


def script_of(document: Document, parameters: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the lines that a Command runs, parameters put in."""
    lines: list[str] = []
    for step in document.steps:
        run = step.inputs.get("runCommand") or []
        lines += [run] if isinstance(run, str) else [str(line) for line in run]

    def put_in(line: str) -> str:
        return _REFERENCE.sub(lambda found: "\n".join(parameters.get(found.group(1), [found.group(0)])), line)

    return [put_in(line) for line in lines or parameters.get("commands", ())]
