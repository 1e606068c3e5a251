"""The pages' HTML, and for each the policy that lets only its own script run."""

import base64
import hashlib
from collections.abc import Collection
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from drs_provider import formatting as words
from drs_provider.rules.run.names import plan_behind
from drs_provider.rules.run.state import CleanupStatus, PreflightStatus, RunStatus, ServerStatus, StepStatus, WaveStatus
from drs_provider.rules.run.state.words import all_shown, shown
from drs_provider.ui.plan_list import PlanList

PLANS_SCRIPT, RUN_SCRIPT = "plans.js", "board.js"

STATES = {
    kind: {status: (look.sign, look.words, look.tone.value) for status, look in all_shown(statuses).items()}
    for kind, statuses in (
        ("run", RunStatus),
        ("preflight", PreflightStatus),
        ("wave", WaveStatus),
        ("server", ServerStatus),
        ("step", StepStatus),
        ("cleanup", CleanupStatus),
    )
}
"""Sign, words and tone of every state, as the scripts of the pages read them."""


def plans_page(plans: PlanList, *, editable: Collection[str] = frozenset(), is_author: bool = False) -> tuple[str, str]:
    """Return the plans page and its content security policy.

    :param editable: names of the plans that the caller may change
    :param is_author: whether the caller may write a new plan
    """
    return render("plans.html.j2", PLANS_SCRIPT, plans=plans, editable=editable, is_author=is_author)


def refusal_page(status: int, title: str, detail: str) -> tuple[str, str]:
    """Return the page of a refused request, and its content security policy."""
    return render("refusal.html.j2", PLANS_SCRIPT, status=status, title=title, detail=detail)


def run_page(dag_id: str, run_id: str) -> tuple[str, str]:
    """Return the page of a run and its content security policy. The page asks for the run's board by itself."""
    return render("run.html.j2", RUN_SCRIPT, dag_id=dag_id, run_id=run_id, plan=plan_behind(dag_id) or dag_id)


def answer_page(*, title: str, **values: object) -> str:
    """Return a page of an answer link: what is asked, or how it ended. It has no script."""
    nothing = dict.fromkeys(("said", "person", "asked", "until", "token", "script"))
    return _environment().get_template("answer.html.j2").render(title=title, **{**nothing, **values})


def opening_page() -> tuple[str, str]:
    """Return the page that an answer link opens, and the digest of its script.

    The script sends what stands behind ``#`` in the link; nobody's server has seen it by then.
    """
    script = _environment().get_template("answer.js").render()
    return answer_page(title="Your answer", script=script), _digest(script)


def form_page(template: str, script: str, **values: object) -> tuple[str, str]:
    """Return a page with forms that are sent to this server, and its content security policy."""
    return render(template, script, has_forms=True, **values)


def render(template: str, script: str, *, has_forms: bool = False, **values: object) -> tuple[str, str]:
    """Return a page and its content security policy.

    :param script: the template of its script, beside that of the theme
    :param has_forms: whether it has forms, which ask this server for a page
    """
    source = _script(script)
    html = _environment().get_template(template).render(script=source, **values)
    forms = "'self'" if has_forms else "'none'"
    policy = (
        f"default-src 'none'; script-src 'sha256-{_digest(source)}'; style-src 'unsafe-inline'; connect-src 'self'; "
        f"frame-src 'self'; base-uri 'none'; form-action {forms}; frame-ancestors 'self'"
    )
    return html, policy


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@cache
def _script(name: str) -> str:
    environment = _environment()
    theme = environment.get_template("theme.js").render()
    return f"{theme}\n{environment.get_template(name).render(states=STATES)}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("drs_provider.ui"), PackageLoader("drs_provider.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=words.duration, instant=words.instant_words, plural=words.plural, shown=shown, size=words.size
    )
    return environment
