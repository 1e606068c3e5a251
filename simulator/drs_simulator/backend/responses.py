"""moto's requests for DRS, handed to the simulator; moto's own parsing and serialising are not used."""

from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ConnectionClosedError
from moto.core.responses import BaseResponse

from drs_simulator.errors import ConnectionDropped, Refusal
from drs_simulator.protocol import wire
from drs_simulator.protocol.call_log import AwsCall


class DRSResponse(BaseResponse):
    """Answers every operation of DRS."""

    def __init__(self) -> None:
        super().__init__(service_name="drs")

    def call_action(self) -> Any:
        """Turn moto's request into a call and the simulator's reply into moto's answer."""
        from drs_simulator.backend.registration import current

        address = urlsplit(self.uri)
        body = self.raw_body if isinstance(self.raw_body, bytes) else str(self.raw_body or "").encode()
        call = AwsCall(
            "drs",
            None,
            self.current_account,
            self.region,
            self.method,
            unquote(address.path),
            address.query,
            {key.lower(): value for key, value in self.headers.items()},
            body,
            access_key=self.access_key,
        )
        try:
            call.operation, path_parameters = wire.operation_of(call.method, call.path)
            call.request = wire.request_of(call.operation, path_parameters, call.query, call.body)
        except Refusal:
            pass  # serving it says so, in the protocol
        try:
            reply = current().serve(call, lambda: wire.Reply(404))
        except ConnectionDropped as dropped:
            raise ConnectionClosedError(endpoint_url=self.uri) from dropped
        return reply.status, {**reply.headers, "status": str(reply.status)}, reply.body.decode()
