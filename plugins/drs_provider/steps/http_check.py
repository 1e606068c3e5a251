"""``http``: asks a URL again and again until the answer is the expected one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from drs_provider.addresses import ensure_url_allowed
from drs_provider.plan.fields import Flag, Text, Url
from drs_provider.plan.step_kinds import StepKind
from drs_provider.rules.inside_checks import InsideAnswer, Platform, http_script
from drs_provider.rules.step_answers import judge_answer
from drs_provider.steps.from_inside import AskFromSomewhere, Check
from drs_provider.steps.probe_outcome import ensure_reachable
from drs_provider.steps.work import Going

if TYPE_CHECKING:
    from drs_provider.triggers.probes import HttpProbe


class Http(Check):
    """Asks a URL again and again until the answer is the expected one."""

    FILLED: ClassVar[frozenset[str]] = frozenset({"url", "expect_text", "expect_json"})

    kind: Literal["http"]
    url: Url
    """What to ask, http or https."""
    expect_status: Annotated[int, Field(strict=True, ge=100, le=599)] = 200
    """The HTTP status that passes."""
    expect_text: Text | None = None
    """A text that the answer must hold."""
    expect_json: Mapping[Text, Any] = Field(default_factory=dict)
    """Values that the answer, read as JSON, must have; the keys are paths such as ``checks.0.status``."""
    verify_tls: Flag = True
    """Whether the certificate of an https address is checked."""
    keep_answer: Flag = False
    """Whether the report keeps the beginning of the answer; what looks like a credential is masked."""

    @property
    def asked(self) -> str:
        """The URL."""
        return self.url

    @property
    def host_written(self) -> str:
        """The host in the URL; empty where it has to be filled in."""
        return "" if "{{" in self.url else urlsplit(self.url).hostname or ""


class AskHttp(AskFromSomewhere[Http]):
    """Ask a URL until it answers as expected."""

    def probe(self, going: Going) -> "HttpProbe":
        """Give the trigger that asks."""
        from drs_provider.triggers.probes import HttpProbe

        step, url = self.step, going.fill(self.step.url)
        ensure_reachable(ensure_url_allowed, url)
        return HttpProbe(
            url=url,
            deadline=going.deadline.isoformat(),
            expect_status=step.expect_status,
            expect_text=going.fill(step.expect_text),
            expect_json=going.fill(dict(step.expect_json)),
            verify_tls=step.verify_tls,
            keep_answer=step.keep_answer,
        )

    def script(self, going: Going, platform: Platform, *, seconds: int) -> list[str]:
        """Give the lines that ask."""
        step, url = self.step, going.fill(self.step.url)
        ensure_reachable(ensure_url_allowed, url, inside=True)
        return http_script(
            platform,
            url,
            expect_status=step.expect_status,
            verify_tls=step.verify_tls,
            seconds=seconds,
        )

    def judge(self, going: Going, answer: InsideAnswer) -> str | None:
        """Status, text and JSON must be the expected ones."""
        if answer.status is None:
            return answer.words
        return judge_answer(
            answer.status,
            answer.body,
            expect_status=self.step.expect_status,
            expect_text=going.fill(self.step.expect_text),
            expect_json=going.fill(dict(self.step.expect_json)),
        )

    def what(self, going: Going) -> str:
        """Say what is asked."""
        return going.fill(self.step.url)


KIND = StepKind(
    name="http",
    title="HTTP check",
    model=Http,
    work=AskHttp,
    reaches_out="it would ask an address outside of the simulator",
)
