"""``drs graph``: draw a plan, with what its waves will take."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from drs_provider.cli.options import length, plans_named
from drs_provider.configuration import plans_folder
from drs_provider.rules.run.diagram import draw_mermaid, draw_text, graph_of
from drs_provider.rules.run.shape import RunShape, compile_shape

NAME = "graph"
HELP = "draw a plan: which wave waits for which, and the critical path"

_DRAW: Mapping[str, Callable[[RunShape, timedelta], str]] = {
    "text": draw_text,
    "mermaid": draw_mermaid,
    "json": lambda shape, answers_after: json.dumps(graph_of(shape, answers_after), indent=2) + "\n",
}


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Draw a plan. Durations are estimates: 535 s for a DRS recovery job, as measured in a real drill, boots, boot "
        "orders, AWS's own quotas, delays and wait steps. What other steps take is not known, and people answer at "
        "once, or after --answers-after. A plan that launches ahead is estimated both ways."
    )
    parser.add_argument("plan", metavar="PLAN", help="a plan's name, or a plan file")
    parser.add_argument("--plans", type=Path, metavar="FOLDER", help="default: DRS_PLANS_FOLDER, else ./plans")
    parser.add_argument(
        "--answers-after", type=length, default=timedelta(0), metavar="TIME", help="people answer after (default 0s)"
    )
    parser.add_argument("--format", choices=tuple(_DRAW), default="text", help="default: text")


def run(options: Namespace) -> int:
    """Draw the plan, or all plans of the file."""
    folder = options.plans or plans_folder() or Path("plans")
    plans = plans_named(options.plan, folder)
    print("\n".join(_DRAW[options.format](compile_shape(plan), options.answers_after) for plan in plans), end="")
    return 0
