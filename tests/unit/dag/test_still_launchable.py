"""What a step before a launch says that finds that nothing would be launched: it may be none that stops the writes."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from drs_provider.dag.failback.cut_over import still_launchable
from drs_provider.dag.failback.cut_over.still_launchable import StillLaunchable
from drs_provider.exceptions import RunRefused
from drs_provider.rules.purpose import FAILBACK
from drs_provider.rules.run.handover import PreflightServer, ServerBack, StepResult
from kit.fake_context import fake_context
from kit.signatures import signed

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
WHY = (
    "this step stands before the launch, and what follows would not be launched: db1: it is copying. The step did "
    "nothing. Correct this and clear it with everything downstream, or start a new run"
)
STOPPED = (
    f"{WHY}. What is not launched yet still runs where it was recovered, with its writes stopped: correct this and "
    "clear the task, or let the application write again"
)


@pytest.mark.parametrize(("freeze", "said"), [(None, WHY), ("failed", WHY), ("skipped", WHY), ("succeeded", STOPPED)])
def test_that_writes_are_stopped_is_said_where_a_step_has_stopped_them(monkeypatch, freeze, said):
    back = ServerBack(failback_server="s-2", recovered="i-1", account="1", region="us-east-1", aws_conn_id="a")
    server = PreflightServer(server_id="s-1", hostname="db1", back=back)
    monkeypatch.setattr(still_launchable, "ensure_alone", lambda *_: None)
    monkeypatch.setattr(still_launchable, "reader_of", lambda _: None)
    monkeypatch.setattr(still_launchable, "servers_on", lambda *_: (server,))
    monkeypatch.setattr("drs_provider.services.failback.cut_over.why_not_launched", lambda *_: {"s-1": "it is copying"})
    context = fake_context(dag_id="back", task_id="w.agree")
    if freeze:
        left = StepResult(kind="wait", name="freeze", state=freeze, ended_at=AT)
        context["ti"].left["freeze", StepResult.KEY] = signed(left, "back", "manual__1", "freeze")
    with pytest.raises(RunRefused) as refused:
        StillLaunchable("shop", (("w", None),), ("freeze",))(context, SimpleNamespace(purpose=FAILBACK))

    assert str(refused.value) == said
