"""The command: ``python -m drs_simulator``, where what it needs is installed."""

import sys
from collections.abc import Sequence


def main(given: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code, 1 where something that it needs is missing."""
    try:
        from drs_simulator.command import main as run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in {"", "drs_simulator"}:
            raise
        print(  # noqa: T201 - this is the command
            f"drs-simulator needs {missing}, which is not installed: pip install drs-simulator brings it "
            "(from a clone: pip install ./simulator)",
            file=sys.stderr,
        )
        return 1
    return run(given)


if __name__ == "__main__":
    sys.exit(main())
