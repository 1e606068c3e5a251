"""Triggers of a task that was tried before do not answer at once."""

import asyncio
import inspect
import pkgutil
from importlib import import_module
from types import SimpleNamespace

import drs_provider.triggers
import pytest
from airflow.triggers.base import BaseTrigger
from drs_provider.triggers.answer_delay import least_seconds, not_before


def slept(try_number, *, after):
    """Seconds that a trigger of this try waits when it has something to say so many seconds after its start."""
    seconds = []

    async def sleep(left):
        seconds.append(left)

    class Quick(BaseTrigger):
        task_instance = None if try_number is None else SimpleNamespace(try_number=try_number)

        def serialize(self):
            return "", {}

        async def run(self):
            yield

    asyncio.run(not_before(Quick(), 100.0, clock=lambda: 100.0 + after, sleep=sleep))
    return sum(seconds)


@pytest.mark.parametrize(
    ("try_number", "seconds"), [(0, 0), (1, 0), (2, 5), (3, 10), (4, 20), (5, 40), (6, 60), (7, 60)]
)
def test_every_further_try_answers_later_up_to_a_minute(try_number, seconds):
    assert least_seconds(try_number) == seconds


@pytest.mark.parametrize(
    ("try_number", "after", "seconds"),
    [(None, 0, 0), (1, 0, 0), (2, 0, 5), (2, 3, 2), (2, 9, 0), (4, 1, 19), (4, 540, 0)],
)
def test_only_an_answer_that_comes_too_soon_is_held_back(try_number, after, seconds):
    assert slept(try_number, after=after) == seconds


def test_no_trigger_of_the_package_answers_without_it():
    names = [module.name for module in pkgutil.iter_modules(drs_provider.triggers.__path__)]
    modules = [import_module(f"drs_provider.triggers.{name}") for name in names]
    running = [
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseTrigger) and value.__module__ == module.__name__
        if "run" in vars(value)
    ]

    assert len(running) >= 7
    assert [
        trigger.__name__ for trigger in running if "await not_before(self, began)" not in inspect.getsource(trigger.run)
    ] == []
