"""From HTTP to calls: the control plane, the reading of a call of any AWS service, and the way into moto's server."""

import io
import logging
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from drs_simulator.backend.registration import account_of
from drs_simulator.backend.simulator import Simulator
from drs_simulator.errors import ConnectionDropped, Refusal
from drs_simulator.protocol import wire
from drs_simulator.protocol.call_log import AwsCall
from drs_simulator.protocol.error_replies import injected
from drs_simulator.protocol.signature import missing, scope_of
from drs_simulator.protocol.wire import Reply
from drs_simulator.server.control_plane import Control

logger = logging.getLogger(__name__)

MOTO_PAGES = ("/moto-api", "/latest/meta-data", "/latest/api", "/favicon.ico")


class Gateway:
    """Answers HTTP requests with a simulator."""

    def __init__(self, simulator: Simulator, changed: Callable[[], None] = lambda: None) -> None:
        self.simulator = simulator
        self.control = Control(simulator)
        self._changed = changed
        self._moto = DomainDispatcherApplication(create_backend_app)

    def answer(self, method: str, raw_path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Answer one HTTP request. Raises ConnectionDropped where a fault says so."""
        path, _, query = raw_path.partition("?")
        if path == "/_simulator" or path.startswith("/_simulator/"):
            reply = self.control.answer(method, path.removeprefix("/_simulator").lstrip("/"), query, body)
            self._changed()
            return reply
        if path.startswith(MOTO_PAGES):
            return self._moto_page(method, raw_path, headers, body)
        call = AwsCall("unknown", None, "", "", method, path, query)
        try:
            call = read_call(method, path, query, headers, body)
            # moto reads only keys of twenty characters: it is told whose call this is.
            told = {**headers, "X-Moto-Account-Id": call.account}
            return self.simulator.serve(call, lambda: self._moto_for(call, raw_path, told))
        except ConnectionDropped:
            raise
        except Exception:  # the caller must get an answer; the traceback goes to whoever runs the simulator
            logger.exception("the simulator failed at %s %s", call.service, call.operation or f"{method} {path}")
            return injected(call, ("InternalFailure", 500, "the simulator has a bug here: see its log"))
        finally:
            self._changed()

    def _moto_for(self, call: AwsCall, raw_path: str, headers: dict[str, str]) -> Reply:
        """Let moto answer a call; what it cannot do is said in the protocol of the call's service."""
        if call.service == "ec2" and call.operation not in get_service_model("ec2").operation_names:
            return injected(
                call, ("InvalidAction", 400, f"The action {call.operation} is not valid for this web service.")
            )
        try:
            return self.ask_moto(call.method, raw_path, headers, call.body)
        except NotImplementedError as error:
            return injected(call, ("NotImplemented", 501, f"moto: {error}"))
        except Exception:  # moto in its debug mode lets its own bugs through; the caller must get an answer
            logger.exception("moto failed at %s %s", call.method, raw_path)
            return injected(call, ("InternalFailure", 500, "moto failed: see the log"))

    def _moto_page(self, method: str, raw_path: str, headers: dict[str, str], body: bytes) -> Reply:
        if raw_path.startswith("/moto-api/reset"):
            # moto would forget EC2 and leave DRS with instances that are nowhere.
            self.simulator.reset()
            return Reply(200, b'{"status": "ok"}', {"Content-Type": "application/json"})
        page = AwsCall("unknown", None, "", "", method, raw_path, "", headers=headers, body=body)
        return self._moto_for(page, raw_path, headers)

    def ask_moto(self, method: str, raw_path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Let moto's own server answer; raises whatever moto lets through."""
        answered: dict[str, Any] = {}

        def start_response(status: str, response_headers: list[tuple[str, str]], *_: object) -> None:
            answered["status"], answered["headers"] = int(status.split(maxsplit=1)[0]), dict(response_headers)

        chunks: Iterable[bytes] = self._moto(_environ(method, raw_path, headers, body), start_response)
        content = b"".join(chunks)
        return Reply(answered["status"], content, answered["headers"])


def _environ(method: str, raw_path: str, headers: dict[str, str], body: bytes) -> dict[str, object]:
    path, _, query = raw_path.partition("?")
    environ: dict[str, object] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": raw_path,
        "REQUEST_URI": raw_path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(body)),
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = value
        elif key not in {"CONTENT_LENGTH", "TRANSFER_ENCODING"}:
            environ[f"HTTP_{key}"] = value
    return environ


def read_call(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> AwsCall:
    """Read service, Region, account, operation and request out of an HTTP request, as far as they can be read."""
    lower = {name.lower(): value for name, value in headers.items()}
    scope = scope_of(lower, query)
    call = AwsCall(
        service=scope.service,
        operation=None,
        account=account_of(scope.access_key or ""),
        region=scope.region,
        method=method,
        path=unquote(path),
        query=query,
        headers=lower,
        body=body,
        access_key=scope.access_key,
        unacceptable=scope.fault,
    )
    if call.service == "unknown" and _is_drs(call):
        call.service = "drs"
    if call.service == "drs":
        try:
            call.operation, parameters = wire.operation_of(method, call.path)
            call.request = wire.request_of(call.operation, parameters, query, body)
        except Refusal:
            pass  # serving it says so, in the protocol
    else:
        _read_operation(call, path)
    if scope.service == "unknown" and scope.fault is None:
        call.unacceptable = missing(method, lower, call.operation, is_drs=call.service == "drs")
    return call


def _is_drs(call: AwsCall) -> bool:
    """Whether a call without a signature can only be meant for DRS."""
    if "x-amz-target" in call.headers:
        return False
    try:
        wire.operation_of(call.method, call.path)
    except Refusal:
        return False
    return True


def _read_operation(call: AwsCall, raw_path: str) -> None:
    """Fill in operation and request of a service of moto; what cannot be read stays empty."""
    target = call.headers.get("x-amz-target")
    form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)) if not target else {}
    is_form = "x-www-form-urlencoded" in call.headers.get("content-type", "")
    if target:
        call.operation = target.rsplit(".", 1)[-1]
    elif is_form and "Action" in form:
        call.operation = form["Action"]
    elif "Action=" in call.query:
        call.operation = dict(parse_qsl(call.query)).get("Action")
    request = Request(_environ(call.method, f"{raw_path}?{call.query}", call.headers, call.body))
    try:
        model = get_service_model(SERVICE_NAMES.get(call.service, call.service))
        parameters: Any = {}
        if call.operation is None:
            found, parameters = get_service_router(model.service_name).match(request)
            call.operation = found.name
        parser = PROTOCOL_PARSERS[determine_request_protocol(model, request.content_type)](
            model.operation_model(call.operation)
        )
        call.request = _plain(
            parser.parse(
                {
                    "method": call.method,
                    "values": request.values,
                    "headers": request.headers,
                    "body": call.body,
                    "url_path": call.path,
                    "url_params": parameters,
                }
            )
        )
    except Exception:  # noqa: BLE001 - moto's parsers raise anything at a malformed request; moto itself will answer it
        call.request = (
            {key: value for key, value in form.items() if key not in {"Action", "Version"}} if is_form else {}
        )


SERVICE_NAMES = {"monitoring": "cloudwatch", "servicequotas": "service-quotas"}
"""botocore's name of a service whose signing name is another."""


def _plain(value: object) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)
