"""Loads what moto loads lazily, before anybody waits for it: a second of real time is a minute at speed 60."""

from contextlib import suppress

from drs_simulator.protocol.validation import answer_faults, request_faults
from drs_simulator.server.gateway import Gateway, read_call
from drs_simulator.world import moto_ec2

ACCOUNT = "000000000000"
"""An account that nobody has: what is made here is never seen."""

REGION = "us-east-1"
NEAREST = (
    ("ec2", "Action=DescribeInstances&Version=2016-11-15"),
    ("ec2", "Action=DescribeLaunchTemplates&Version=2016-11-15"),
    ("sts", "Action=GetCallerIdentity&Version=2011-06-15"),
)
"""Forms of the services that every launch needs."""

FORMS = (
    ("sns", "Action=ListTopics&Version=2010-03-31"),
    ("iam", "Action=ListRoles&Version=2010-05-08"),
    ("monitoring", "Action=ListMetrics&Version=2010-08-01"),
)
TARGETS = (
    ("ssm", "AmazonSSM.DescribeParameters"),
    ("logs", "Logs_20140328.DescribeLogGroups"),
    ("events", "AWSEvents.ListRules"),
    ("servicequotas", "ServiceQuotasV20190624.ListServiceQuotas"),
)
PATHS = (("lambda", "/2015-03-31/functions/"), ("s3", "/"))


def warm_up(gateway: Gateway, *, everything: bool) -> None:
    """Launch and terminate an instance, and call EC2 and STS; with `everything` the other services as well."""
    place = moto_ec2.LaunchPlan(None, None, None, "m5.large")
    instance_id = moto_ec2.run(ACCOUNT, REGION, place, tags={"Name": "warm-up"}, disks=(8,))
    moto_ec2.set_running(ACCOUNT, REGION, instance_id)
    moto_ec2.terminate(ACCOUNT, REGION, instance_id)
    answer_faults("DescribeJobs", {"items": []})
    request_faults("StartRecovery", {"sourceServers": []})
    for service, form in NEAREST + (FORMS if everything else ()):
        _call(gateway, "POST", "/", service, form.encode(), {"Content-Type": "application/x-www-form-urlencoded"})
    for service, target in TARGETS if everything else ():
        body = b'{"ServiceCode": "vpc"}' if service == "servicequotas" else b"{}"
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        _call(gateway, "POST", "/", service, body, headers)
    for service, path in PATHS if everything else ():
        _call(gateway, "GET", path, service, b"", {})


def _call(gateway: Gateway, method: str, path: str, service: str, body: bytes, more: dict[str, str]) -> None:  # noqa: PLR0917 - the parts of one request
    scope = f"AWS4-HMAC-SHA256 Credential=none/20200101/{REGION}/{service}/aws4_request, Signature=0"
    headers = {"Authorization": scope, "X-Moto-Account-Id": ACCOUNT, "Host": "localhost", **more}
    with suppress(NotImplementedError):  # an overlay answers it; what moto loads on the way is loaded
        gateway.ask_moto(method, path, headers, body)
    read_call(method, path, "", headers, body)
