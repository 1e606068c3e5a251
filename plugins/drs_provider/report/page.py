"""The report as one self-contained page: no script, no request to anywhere."""

import json
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import JsonValue

from drs_provider import formatting
from drs_provider.report.gantt import draw
from drs_provider.report.result import RunReport
from drs_provider.report.view import view_of, web_url
from drs_provider.rules.run.state.words import shown


def render(report: RunReport, notice: str = "") -> str:
    """Render the report, below a notice where there is one. Every text of plans, tags and hostnames is escaped."""
    page = _environment().get_template("report.html.j2")
    return page.render(report=report, gantt=draw(report), view=view_of(report), notice=notice)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("drs_provider.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=formatting.duration,
        instant=formatting.instant_words,
        clock=formatting.clock_words,
        share=formatting.share,
        plural=formatting.plural,
        web_url=web_url,
        shown=shown,
        as_json=_as_json,
    )
    return environment


def _as_json(value: JsonValue) -> str:
    """Write a value as JSON text, without the HTML-safe escapes of jinja2's own filter: autoescape does that."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
