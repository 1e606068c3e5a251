"""What people read who are asked whether the recovered instances may go."""

from datetime import timedelta
from types import SimpleNamespace

from drs_provider.dag.failback.cut_over.people import AskCleanUp
from drs_provider.dag.failback.cut_over.question_text import clean_up_text
from drs_provider.report.collect.home import sync_not_seen
from drs_provider.rules.run.approvals import Policy
from drs_provider.rules.run.handover import ListedServer, PreflightServer, ServerBack

DOUBT = "nothing of the plan stops the writes: no step with when: failback stands before"


def asked(**more):
    policy = Policy(1, ("bob",), timedelta(hours=1), always=True, four_eyes=True)
    return clean_up_text(SimpleNamespace(plan="shop"), [], {}, policy, triggered_by="ann", **more).splitlines()


def test_who_removes_the_only_copy_of_writes_knows_it():
    said = set(asked(doubts=[DOUBT])) - set(asked())

    assert said == {f"- **What is removed may hold writes that production has not**: {DOUBT}."}


def back(**more):
    return ServerBack(failback_server="", recovered="i-1", account="", region="", aws_conn_id="", **more)


def listed(name):
    ids = dict.fromkeys(("recovered", "failed_back", "protected_by", "account", "region"), "")
    return ListedServer(server_id=name, hostname=name, failback_servers=(), **ids)


def test_what_an_earlier_run_has_converted_is_no_less_unproven():
    backs = {
        "now1": back(from_data_centre=True),
        "before1": back(from_data_centre=True, already="its machine"),
        "ec2": back(),
        "none": None,
    }
    servers = [PreflightServer(server_id=name, hostname=name, back=found) for name, found in backs.items()]
    ask = SimpleNamespace(sync_task_ids=())

    assert AskCleanUp._doubts(ask, {}, SimpleNamespace(servers=lambda: servers), [*map(listed, backs)]) == (
        "that everything was copied to now1, before1 is not proven: DRS makes no recovery point there",
    )
    assert {name: sync_not_seen(found) for name, found in backs.items()} == {
        "now1": "this run did not see its last sync",
        "before1": "this run did not see its last sync",
        "ec2": "",
        "none": "",
    }
