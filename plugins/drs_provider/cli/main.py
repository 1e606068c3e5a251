"""The ``drs`` command: one parser, one handler for errors, exit codes 0 (fine), 1 (problems), 2 (wrong use)."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout

from drs_provider import __version__
from drs_provider.cli import (
    failback,
    graph,
    history,
    init,
    rehearse,
    roles,
    run,
    schema,
    sweep,
    takeover,
    validate,
    verified,
)
from drs_provider.cli.inventory import groups, plans, servers
from drs_provider.cli.safe_stream import Plain
from drs_provider.exceptions import DrsProviderError, UsageError

COMMANDS = (
    *(init, validate, graph, schema, rehearse, run, failback, servers, groups, plans, history, roles),
    *(sweep, takeover, verified),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code."""
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a character shows another one; nobody's check fails for that.
        sys.stdout.reconfigure(errors="replace")
    # A stream that was closed when Python started is None, and printing to it does nothing.
    out, err = (stream and Plain(stream) for stream in (sys.stdout, sys.stderr))
    with redirect_stdout(out), redirect_stderr(err):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    try:
        code = int(options.run(options))
        print(end="", flush=True)
    except UsageError as error:
        print(f"drs {options.command}: {error}", file=sys.stderr)
        return 2
    except DrsProviderError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Who reads us (head, a pager) has seen enough. Python flushes stdout again at exit: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"drs {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="drs", description="Recovery plans for AWS Elastic Disaster Recovery.")
    parser.add_argument("--version", action="version", version=f"drs {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        sub = commands.add_parser(command.NAME, help=command.HELP)
        command.configure(sub)
        sub.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
