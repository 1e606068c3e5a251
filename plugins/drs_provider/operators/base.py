"""What every DRS operator and sensor has in common: the connection, and a hook that is imported when it is used."""

import asyncio
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import aclosing, contextmanager
from datetime import datetime, timedelta
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import AwsError, DrsProviderError, RunRefused
from drs_provider.rules.run.connection import AwsArguments

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from drs_provider.hooks.drs import DrsHook

AWS_FIELDS: tuple[str, ...] = ("aws_conn_id", "region_name", "verify")
"""Template fields that every operator has, named as in the amazon provider."""


def waiting_here_if_asked(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Return an ``execute`` that does not defer where the task is not deferrable: it runs the same triggers itself.

    One way to wait, in two places: what the triggerer would run and hand to the task's next method is run here, until
    a method returns or raises. A killed worker loses only the wait, as a killed triggerer does.
    """

    @wraps(execute)
    def waiting(self: Any, context: Context) -> Any:
        try:
            return execute(self, context)
        except TaskDeferred as first:
            if self.deferrable:
                raise
            deferred = first
        while True:
            event = asyncio.run(_first_event(deferred.trigger))
            try:
                return self.resume_execution(deferred.method_name, {**(deferred.kwargs or {}), "event": event}, context)
            except TaskDeferred as again:
                deferred = again

    return waiting


async def _first_event(trigger: "BaseTrigger") -> Any:
    """Run a trigger until it says something, and return what it says."""
    async with aclosing(trigger.run()) as events:  # type: ignore[type-var]  # a generator, though Airflow says iterator
        async for event in events:
            return event.payload
    raise RunRefused(f"{type(trigger).__name__} ended without an event: nothing more is known; clear the task")


class DrsConnected:
    """Mix in for operators and sensors: the four AWS arguments of the amazon provider, and ``hook``.

    The amazon provider's own bases (``AwsBaseOperator``, ``AwsBaseSensor``) import boto3 with the DAG file, and say of
    themselves that they are internal.

    :param aws_conn_id: Airflow connection with account, role, external id and endpoint
    :param region_name: the recovery Region; unset: the connection's
    :param verify: TLS verification, as in boto3
    :param botocore_config: keyword arguments of ``botocore.config.Config``
    :param deferrable: whether to wait in the triggerer (the default) or, False, in the worker. Airflow's ``[operators]
        default_deferrable`` is not looked at: it is off unless somebody sets it, and a wave whose waits each hold a
        worker ends with all of them held
    """

    template_fields: Collection[str] = AWS_FIELDS

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let ``execute`` of every subclass wait in the worker where ``deferrable`` is False."""
        super().__init_subclass__(**kwargs)
        if "execute" in cls.__dict__:
            setattr(cls, "execute", waiting_here_if_asked(cls.__dict__["execute"]))  # noqa: B010  (mypy: a method)

    def __init__(
        self,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, JsonValue] | None = None,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    @property
    def aws(self) -> AwsArguments:
        """The four arguments as one: ``DrsHook(**self.aws)``, also what a trigger is given."""
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "config": self.botocore_config,
        }

    def prepare(self, context: Context) -> None:
        """Fill in what only the run knows; called first on every leg of the task, for a leg remembers nothing.

        For subclasses: this one does nothing.
        """

    @cached_property
    def hook(self) -> "DrsHook":
        """The hook of this task's account and Region, made when first asked for."""
        from drs_provider.hooks.drs import DrsHook

        return DrsHook(**self.aws)


class DrsOperator(DrsConnected, BaseOperator):
    """Base of the DRS operators.

    Names the four AWS arguments itself: Airflow gives ``default_args`` only to a constructor of an operator class.
    """

    def __init__(
        self,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, JsonValue] | None = None,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            aws_conn_id=aws_conn_id,
            region_name=region_name,
            verify=verify,
            botocore_config=botocore_config,
            deferrable=deferrable,
            **kwargs,
        )


class DrsSensor(DrsConnected, BaseSensorOperator):
    """Base of the DRS sensors; see :class:`DrsOperator` for why it names its arguments. They wait by triggers."""

    def __init__(
        self,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, JsonValue] | None = None,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            aws_conn_id=aws_conn_id,
            region_name=region_name,
            verify=verify,
            botocore_config=botocore_config,
            deferrable=deferrable,
            **kwargs,
        )


@contextmanager
def failing_for_good() -> Iterator[None]:
    """Let Airflow retry what a retry can cure (throttled, no answer), and fail the task at once for the rest.

    The error of this package stays attached as the cause, and its words are the task's last line.
    """
    try:
        yield
    except DrsProviderError as error:
        if error.retryable:
            raise
        raise AirflowFailException(str(error)) from error


LOOK_AGAIN_AFTER = timedelta(seconds=15)
"""Least pause. The hook has repeated each read for minutes by then (``hooks.retries``)."""


@contextmanager
def asking_later(
    task: BaseOperator, resume: Callable[..., object], *, until: datetime, kwargs: Mapping[str, JsonValue] | None = None
) -> Iterator[None]:
    """Defer the task where what is done inside meets throttling, an outage or an expired session; else change nothing.

    The next leg has a new hook, and so a new session.

    :param resume: method of the task that goes on, given the event of a DateTimeTrigger and ``kwargs``
    :param until: from then on the error is raised
    """
    try:
        yield
    except AwsError as error:
        now = clock.now()
        if not error.retryable or now >= until:
            raise
        pause = max(LOOK_AGAIN_AFTER, timedelta(seconds=error.retry_after_seconds or 0)) * random.uniform(1.0, 1.3)
        task.log.warning("AWS does not answer now, will retry in %.0f s: %s", pause.total_seconds(), error)
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        trigger = DateTimeTrigger(moment=now + pause)
        task.defer(trigger=trigger, method_name=resume.__name__, kwargs=dict(kwargs or {}))
