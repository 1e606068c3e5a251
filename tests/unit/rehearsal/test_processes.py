"""The simulator of a rehearsal as a process: what it says never holds it up, and is told where it does not start."""

import time

import pytest
from drs_provider.exceptions import UsageError
from drs_provider.rehearsal.processes import RehearsalFailed, simulator

READY = 'print("drs-simulator ready on http://127.0.0.1:1 now", flush=True)'


@pytest.fixture
def instead(tmp_path, monkeypatch):
    """Run a program in the simulator's place."""

    def instead(program):
        package = tmp_path / "drs_simulator"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(program)
        monkeypatch.syspath_prepend(tmp_path)

    return instead


def test_a_simulator_that_says_much_goes_on(instead, tmp_path):
    done = tmp_path / "done"
    instead(f"import pathlib, sys\n{READY}\nsys.stderr.write('x' * 1_000_000)\npathlib.Path({str(done)!r}).touch()")

    with simulator([], faults=None, random_seed=0) as running:
        assert running.url == "http://127.0.0.1:1"
        until = time.monotonic() + 20
        while not done.exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert done.exists()


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (2, UsageError, "fleet.yaml: no such file"),
        (1, RehearsalFailed, "the simulator did not start:\nfleet.yaml: no such file"),
    ],
)
def test_one_that_does_not_start_is_told_with_its_own_words(instead, code, error, words):
    instead(f"import sys\nsys.stderr.write('fleet.yaml: no such file\\n')\nsys.stderr.flush()\nsys.exit({code})")

    with pytest.raises(error) as raised, simulator([], faults=None, random_seed=0):
        pass
    assert str(raised.value) == words
