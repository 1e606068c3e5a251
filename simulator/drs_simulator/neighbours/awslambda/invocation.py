"""Lambda's Invoke with functions that can fail, and the control plane on which functions are registered."""

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import lambda_backends

from drs_simulator.backend.overlay_registry import Forward
from drs_simulator.errors import BadInput
from drs_simulator.neighbours.answers import Asked, Refused, answers
from drs_simulator.neighbours.awslambda.functions import (
    Code,
    LambdaContext,
    Result,
    failed,
    performed,
    registered,
    timed_out,
)
from drs_simulator.neighbours.fleet_settings import FunctionSettings, function_settings
from drs_simulator.neighbours.identifiers import fresh_uuid
from drs_simulator.protocol.call_log import AwsCall
from drs_simulator.protocol.error_replies import injected
from drs_simulator.protocol.wire import Reply
from drs_simulator.world.resources import Key

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

LARGEST_PAYLOAD = 6 * 1024 * 1024
"""Bytes of a synchronous invocation; an asynchronous one may have a megabyte."""
LARGEST_EVENT = 1024 * 1024


class LambdaOverlay:
    """Lambda laid over moto's: only functions that exist answer, and they do what they were told to."""

    def __init__(self, simulator: "Simulator", files: Sequence[Path]) -> None:
        self._simulator = simulator
        self._code = Code(files)
        for account in simulator.world.fleet.accounts:
            for region in account.regions:
                for function in registered(simulator.world, (account.id, region.name)).functions.values():
                    self._ensure_callable(function)

    def _ensure_callable(self, settings: FunctionSettings) -> None:
        if settings.function is not None:
            self._code.find(settings.function)

    # -- Invoke -----------------------------------------------------------------------------------------------

    def invoke(self, call: AwsCall, forward: Forward) -> Reply:
        """Answer Invoke. The function runs outside the simulator's lock: others go on while it takes its time."""
        try:
            return self._invoked(call)
        except Refused as refused:
            return injected(call, (refused.code, refused.status, refused.message))

    def _invoked(self, call: AwsCall) -> Reply:
        key = (call.account, call.region)
        name = self._resolved(call, str(call.request.get("FunctionName", "")))
        kind = call.headers.get("x-amz-invocation-type", "RequestResponse")
        event = _event(call.body, kind)
        with self._simulator.world.lock:
            world = self._simulator.world
            settings = self._existing(key, name)
            if kind == "DryRun":
                return Reply(204)
            counts = registered(world, key).invocations
            counts[name] = counts.get(name, 0) + 1
            world.dirty += 1
            context = LambdaContext(name, _arn(key, name), fresh_uuid(world), settings.timeout)
            fault = world.faults.match(
                "fail", "hang", service="lambda", operation="Invoke", account=key[0], region=key[1], action=name
            )
            stamp = world.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        hangs = fault is not None and fault.do == "hang"
        is_late = hangs or settings.takes > settings.timeout
        if kind == "RequestResponse":
            # Somebody waits for the answer: the function's time is compressed like every other.
            takes = settings.timeout if hangs else min(settings.takes, settings.timeout)
            self._simulator.wait_simulated(takes)
        if is_late:
            result = timed_out(stamp, context)
        elif fault is not None and fault.do == "fail":
            result = failed("InjectedFault", fault.error)
        else:
            result = performed(settings, self._code, event, context)
        return _reply(call, context, kind, result)

    def _existing(self, key: Key, name: str) -> FunctionSettings:
        found = registered(self._simulator.world, key).functions.get(name)
        if found is not None:
            return found
        account, region = key
        try:
            lambda_backends[account][region].get_function(name)
        except LambdaClientError as error:
            raise Refused("ResourceNotFoundException", f"Function not found: {_arn(key, name)}", 404) from error
        return FunctionSettings()  # made by CreateFunction: its code is not run, it echoes

    def _resolved(self, call: AwsCall, given: str) -> str:
        """Return the bare name of a function that was named by ARN, account and name, or name and qualifier."""
        found = re.fullmatch(
            r"(arn:aws[\w-]*:lambda:)?((?P<region>[a-z]{2}[\w-]+-\d):)?((?P<account>\d{12}):)?(function:)?"
            r"(?P<name>[\w-]+)(:(\$LATEST|[\w-]+))?",
            given,
        )
        if found is None:
            raise Refused("ValidationException", f"Value '{given}' at 'functionName' failed to satisfy constraint")
        if (found["account"] or call.account, found["region"] or call.region) != (call.account, call.region):
            raise Refused("ResourceNotFoundException", f"Function not found: {given}", 404)
        return found["name"]

    # -- what there is ----------------------------------------------------------------------------------------

    def get_function(self, asked: Asked) -> dict[str, object] | Reply:
        """Describe a function of the fleet file; others are moto's."""
        name = self._resolved(asked.call, asked.request["FunctionName"])
        if name not in registered(asked.world, asked.key).functions:
            return asked.forward()
        return {"Configuration": self._configuration(asked, name), "Code": {"RepositoryType": "Simulated"}}

    def get_function_configuration(self, asked: Asked) -> dict[str, object] | Reply:
        """Describe a function of the fleet file; others are moto's."""
        name = self._resolved(asked.call, asked.request["FunctionName"])
        if name not in registered(asked.world, asked.key).functions:
            return asked.forward()
        return self._configuration(asked, name)

    def list_functions(self, asked: Asked) -> dict[str, object] | Reply:
        """List the fleet file's functions before moto's."""
        reply = asked.forward()
        own = [self._configuration(asked, name) for name in registered(asked.world, asked.key).functions]
        listed = json.loads(reply.body)
        names = {function["FunctionName"] for function in own}
        others = [function for function in listed.get("Functions", ()) if function["FunctionName"] not in names]
        return Reply(reply.status, json.dumps({**listed, "Functions": own + others}).encode(), reply.headers)

    def _configuration(self, asked: Asked, name: str) -> dict[str, object]:
        settings = registered(asked.world, asked.key).functions[name]
        return {
            "FunctionName": name,
            "FunctionArn": _arn(asked.key, name),
            "Runtime": "python3.13",
            "Handler": "simulated.handler",
            "Role": f"arn:aws:iam::{asked.key[0]}:role/simulated",
            "Description": f"simulated: {settings.behaviour}",
            "Timeout": max(int(settings.timeout), 1),
            "MemorySize": 128,
            "Version": "$LATEST",
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
        }

    # -- control plane ----------------------------------------------------------------------------------------

    def control(self, method: str, name: str, given: Any) -> Any:
        """Answer ``GET``, ``POST`` and ``DELETE /_simulator/lambda[/name]``. Raises BadInput."""
        with self._simulator.world.lock:
            if method == "GET" and not name:
                return self._listed()
            if method == "POST" and not name:
                return self._added(given)
            if method == "DELETE" and name:
                return {"removed": self._removed(name)}
        raise BadInput('lambda: GET lists, POST {"name": …, "behaviour": …} adds, DELETE lambda/NAME removes')

    def _listed(self) -> list[dict[str, object]]:
        world = self._simulator.world
        return [
            {
                "account": key[0],
                "region": key[1],
                "name": name,
                **settings.model_dump(mode="json"),
                "invocations": here.invocations.get(name, 0),
            }
            for key in world.regions
            for here in (registered(world, key),)
            for name, settings in here.functions.items()
        ]

    def _added(self, given: object) -> dict[str, object]:
        if not isinstance(given, dict) or not re.fullmatch(r"[\w-]{1,64}", str(given.get("name", ""))):
            raise BadInput('lambda: write {"name": "check", "behaviour": "echo"}; a name has letters, digits, - and _')
        rest = {key: value for key, value in given.items() if key not in {"name", "account", "region"}}
        settings = function_settings(rest)
        self._ensure_callable(settings)
        world = self._simulator.world
        places = [
            key
            for key in world.regions
            if given.get("account", key[0]) == key[0] and given.get("region", key[1]) == key[1]
        ]
        if not places:
            raise BadInput(
                f"lambda: the fleet has no account and Region such as {given.get('account')}/{given.get('region')}"
            )
        for key in places:
            registered(world, key).functions[given["name"]] = settings
        world.dirty += 1
        return {"functions": [_arn(key, given["name"]) for key in places]}

    def _removed(self, name: str) -> int:
        world = self._simulator.world
        world.dirty += 1
        return sum(registered(world, key).functions.pop(name, None) is not None for key in world.regions)


def install(simulator: "Simulator", files: Sequence[Path] = ()) -> None:
    """Answer for Lambda's functions. Raises BadInput where the fleet file names code that is not there."""
    overlay = LambdaOverlay(simulator, files)
    simulator.overlays.on("lambda", "Invoke", overlay.invoke)
    simulator.overlays.control("lambda", overlay.control)
    answers(
        simulator,
        "lambda",
        {
            "GetFunction": overlay.get_function,
            "GetFunctionConfiguration": overlay.get_function_configuration,
            "ListFunctions": overlay.list_functions,
        },
    )


def _arn(key: Key, name: str) -> str:
    account, region = key
    return f"arn:aws:lambda:{region}:{account}:function:{name}"


def _event(body: bytes, kind: str) -> object:
    if kind not in {"RequestResponse", "Event", "DryRun"}:
        raise Refused("InvalidParameterValueException", f"Unknown invocation type {kind}")
    most = LARGEST_EVENT if kind == "Event" else LARGEST_PAYLOAD
    if len(body) > most:
        raise Refused(
            "RequestTooLargeException",
            f"{len(body)} byte payload is too large for the {kind} invocation type (limit {most} bytes)",
            413,
        )
    try:
        return json.loads(body) if body.strip() else {}
    except ValueError as error:
        raise Refused("InvalidRequestContentException", f"Could not parse request body into json: {error}") from error


def _reply(call: AwsCall, context: LambdaContext, kind: str, result: Result) -> Reply:
    if kind == "Event":
        return Reply(202)
    headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": context.function_version}
    if result.error is not None:
        headers["X-Amz-Function-Error"] = result.error
    if call.headers.get("x-amz-log-type") == "Tail":
        lines = (f"START RequestId: {context.aws_request_id}", *result.log, f"END RequestId: {context.aws_request_id}")
        headers["X-Amz-Log-Result"] = base64.b64encode("\n".join(lines).encode()[-4096:]).decode()
    return Reply(200, json.dumps(result.payload).encode(), headers)
