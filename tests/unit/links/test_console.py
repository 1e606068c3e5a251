"""Links to the AWS console."""

import pytest
from airflow.sdk import BaseOperator
from drs_provider.links.console import DrsJobLink, DrsRecoveryInstanceLink, console_url


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("us-west-2", "https://us-west-2.console.aws.amazon.com/drs/home?region=us-west-2#/x"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/drs/home?region=cn-north-1#/x"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/drs/home?region=us-gov-west-1#/x"),
        ("us-iso-east-1", ""),
    ],
)
def test_every_partition_has_its_own_console(region, url):
    assert console_url("x", region=region) == url


@pytest.mark.parametrize(
    ("kind", "path"), [(DrsJobLink, "recoveryJobs/drsjob-1"), (DrsRecoveryInstanceLink, "recoveryInstances/drsjob-1")]
)
def test_a_link_is_empty_until_the_task_knows_what_it_works_on(kind, path):
    task = BaseOperator(task_id="t")
    before = kind().get_link(task, ti_key=None)
    kind.point_at(task, region="us-west-2", resource_id="drsjob-1")

    assert before == ""
    assert kind().get_link(task, ti_key=None).endswith(f"#/{path}")
