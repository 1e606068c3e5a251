"""Lambda functions of the simulated world: what they do when they are invoked, without Lambda's protocol."""

import importlib.util
import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from drs_simulator.errors import BadInput
from drs_simulator.neighbours.fleet_settings import FunctionSettings, lambda_settings
from drs_simulator.world.resources import Key
from drs_simulator.world.world import World


@dataclass(frozen=True)
class LambdaContext:
    """What a Python function gets as its second argument, as far as it is simulated."""

    function_name: str
    invoked_function_arn: str
    aws_request_id: str
    timeout: float
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 128

    def get_remaining_time_in_millis(self) -> int:
        """Return the function's timeout: simulated time does not pass inside a function."""
        return int(self.timeout * 1000)


@dataclass(frozen=True)
class Result:
    """How an invocation ended."""

    payload: object
    error: str | None = None
    """Lambda's FunctionError; None where the function returned."""
    log: tuple[str, ...] = ()


@dataclass
class Registered:
    """The functions of a Region, and how often each was invoked."""

    functions: dict[str, FunctionSettings]
    invocations: dict[str, int] = field(default_factory=dict)


def registered(world: World, key: Key) -> Registered:
    """Return the functions of a Region: the fleet file's and those that the control plane added."""
    kept: dict[Key, Registered] = world.neighbours.setdefault("lambda", {})
    if key not in kept:
        kept[key] = Registered(lambda_settings(world.fleet, key))
    return kept[key]


class Code:
    """The Python files that were named when the simulator was started: nothing else is ever called."""

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self._modules: Mapping[str, ModuleType] = {path.stem: _loaded(path) for path in files}

    def find(self, name: str) -> Callable[[object, LambdaContext], object]:
        """Return a function by ``module:function``. Raises BadInput with the names that there are."""
        module_name, _, function_name = name.partition(":")
        module = self._modules.get(module_name)
        function = getattr(module, function_name, None)
        if not callable(function):
            known = ", ".join(sorted(self.names())) or "none: start the simulator with --lambda-code FILE"
            raise BadInput(f"lambda: no function {name!r} (known: {known})")
        found: Callable[[Any, LambdaContext], Any] = function
        return found

    def names(self) -> list[str]:
        """Return every ``module:function`` that can be called."""
        return [
            f"{module_name}:{name}"
            for module_name, module in self._modules.items()
            for name, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
        ]


def _loaded(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"drs_simulator_lambda_{path.stem}", path)
    if specification is None or specification.loader is None or not path.is_file():
        raise BadInput(f"{path}: is no Python file")
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # whatever a person's file raises is told to this person
        raise BadInput(f"{path}: cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def performed(settings: FunctionSettings, code: Code, event: object, context: LambdaContext) -> Result:
    """Return how an invocation ends, time aside."""
    match settings.behaviour:
        case "echo":
            return Result(event)
        case "answer":
            return Result(settings.payload)
        case "sleep":
            return Result(None)
        case "fail":
            return failed(settings.error, settings.message)
        case "call":
            return _called(code.find(str(settings.function)), event, context)


def failed(kind: str, message: str, trace: Sequence[str] = ()) -> Result:
    """Return the error of a function as Lambda wraps it."""
    payload = {"errorMessage": message, "errorType": kind, "stackTrace": list(trace)}
    return Result(payload, "Unhandled", (f"[ERROR] {kind}: {message}",))


def timed_out(stamp: str, context: LambdaContext) -> Result:
    """Return what Lambda says of a function that it has ended."""
    message = f"{stamp} {context.aws_request_id} Task timed out after {context.timeout:.2f} seconds"
    return Result({"errorMessage": message}, "Unhandled", (message,))


def _called(function: Callable[[object, LambdaContext], object], event: object, context: LambdaContext) -> Result:
    try:
        answer = function(event, context)
    except Exception as error:  # noqa: BLE001 - any error of the function is its answer
        frames = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
        return failed(type(error).__name__, str(error), frames)
    try:
        json.dumps(answer)
    except (TypeError, ValueError) as error:
        return failed("Runtime.MarshalError", f"Unable to marshal response: {error}")
    return Result(answer)
