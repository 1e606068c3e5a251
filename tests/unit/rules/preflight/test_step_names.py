"""Servers that steps name, held against the servers of the run; and commands on servers that are launched stopped."""

import pytest
import yaml
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.rules.preflight.step_names import step_name_findings
from drs_provider.rules.preflight.stopped import stopped_findings
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import Roster, RosterServer, Target
from drs_provider.rules.run.shape import compile_shape

HERE = Target("aws_default", "us-west-2")


def server(hostname, number, group):
    return RosterServer(f"s-{number:017d}", hostname, group, True, HERE, True)


DB1, DB2 = server("db1", 1, "db"), server("db2", 2, "db")
WEB1, TWIN = server("web1", 3, "web"), server("web1", 4, "web")
GROUPS = {
    name: ProtectionGroup.model_validate(
        {"kind": "ProtectionGroup", "name": name, "region": "us-west-2", "select": {"tags": {"Tier": name}}}
    )
    for name in ("db", "web")
}


def asked(
    steps, *, mode="drill", waves=("database", "web"), web=(WEB1,), excluded=(), side="after", where="web", **more
):
    """What is said of a plan of two waves with these steps."""
    plan = {
        "kind": "RecoveryPlan",
        "name": "shop",
        "waves": [{"name": "database", "groups": ["db"]}, {"name": "web", "groups": ["web"]}],
    }
    owner = plan if where == "plan" else next(wave for wave in plan["waves"] if wave["name"] == where)
    owner[side] = yaml.safe_load(steps)
    for name, value in more.items():
        owner[name] = value
    read = RecoveryPlan.model_validate(plan)
    request = RunRequest(mode, "latest", tuple(waves), (), False, "")
    shape = compile_shape(RunnablePlan(read, GROUPS, "shop.yaml", "digest"), request)
    roster = Roster({"database": (DB1, DB2), "web": tuple(web) if "web" in waves else ()}, tuple(excluded), ())
    return shape, request, roster


SHELL = "kind: ssm_command, document: AWS-RunShellScript"


def ping(name, fact="private_ip", more=""):
    return f"""[{{{SHELL}, name: ping, parameters: {{commands: ["ping {{{{ server('{name}').{fact} }}}}"]}}{more}}}]"""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(asked(ping("db1")), [], id="a server of the wave above"),
        pytest.param(asked(ping("web1")), [], id="a server of its own wave"),
        pytest.param(asked(ping(DB1.server_id)), [], id="by its id"),
        pytest.param(
            asked(ping("db-1")),
            [
                (
                    "wave web: ping: it names server 'db-1', which this run does not have; correct "
                    "the name in the plan "
                    "(did you mean 'db1'?)"
                )
            ],
            id="a name that nobody has",
        ),
        pytest.param(
            asked(f"[{{{SHELL}, name: ping, instances: [db1, i-0abc, mail1]}}]"),
            [
                (
                    "wave web: ping: it names server 'mail1', which this run does not have; correct "
                    "the name in the plan "
                    "(known: db1, db2, web1)"
                )
            ],
            id="an instance to run on",
        ),
        pytest.param(
            asked("[{kind: tcp, name: ping, host: 10.0.0.1, port: 1, from: mail1}]"),
            [
                (
                    "wave web: ping: it names server 'mail1', which this run does not have; correct "
                    "the name in the plan "
                    "(known: db1, db2, web1)"
                )
            ],
            id="a server to ask from",
        ),
        pytest.param(
            asked(ping("db3"), excluded=[server("db3", 9, "db")]),
            [
                (
                    "wave web: ping: it names server 'db3', which this run excludes; include the server, or leave the "
                    "step's wave out"
                )
            ],
            id="an excluded server",
        ),
        pytest.param(
            asked(ping("web1"), web=(WEB1, TWIN)),
            [
                (
                    "wave web: ping: it names server 'web1', and 2 servers of this run have this "
                    "hostname; name one by its "
                    "id (s-00000000000000003, s-00000000000000004)"
                )
            ],
            id="two servers of a name",
        ),
        pytest.param(
            asked(ping("web1"), where="database"),
            [
                (
                    "wave database: ping: it names server 'web1', which is not launched when the step begins: it is in "
                    "wave web; let the step stand after wave web, or its wave depend on web"
                )
            ],
            id="a server of a later wave",
        ),
        pytest.param(
            asked(ping("db1"), depends_on=[]),
            [
                (
                    "wave web: ping: it names server 'db1', which is not launched when the step begins: it is in wave "
                    "database; let the step stand after wave database, or its wave depend on database"
                )
            ],
            id="a server of a wave beside",
        ),
        pytest.param(
            asked(ping("web1"), side="before"),
            [
                (
                    "wave web: ping: it names server 'web1', which is not launched when the step "
                    "begins: it is in wave web; "
                    "let the step stand after wave web, or its wave depend on web"
                )
            ],
            id="before the launch of its own wave",
        ),
        pytest.param(asked(ping("web1", "source_server_id"), where="database"), [], id="its id in DRS is known before"),
        pytest.param(asked(ping("web1"), where="plan"), [], id="the plan's own steps after all waves"),
        pytest.param(
            asked(ping("web1"), where="plan", side="before"),
            [
                (
                    "plan: ping: it names server 'web1', which is not launched when the step begins: "
                    "it is in wave web; "
                    "let the step stand after wave web, or its wave depend on web"
                )
            ],
            id="the plan's own steps before all waves",
        ),
        pytest.param(asked(ping("nobody", more=", when: recovery")), [], id="a step of other runs"),
        pytest.param(asked(ping("nobody"), waves=("database",)), [], id="a step of a wave that was not chosen"),
    ],
)
def test_servers_that_steps_name_are_servers_of_the_run(given, said):
    found = step_name_findings(*given)

    assert [str(finding) for finding in found] == said
    assert {finding.severity for finding in found} <= {"refusal"}


def test_a_recovery_is_warned_and_not_refused():
    (found,) = step_name_findings(*asked(ping("nobody"), mode="recovery"))

    assert found.severity == "warning"


NEXT = "set disposition: started in the plan, change the server's launch settings in DRS, or ask nothing of it"
RUN = f"[{{{SHELL}, name: patch}}]"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(
            asked(RUN, ready="status_checks"),
            [
                (
                    "web1 (s-00000000000000003): DRS launches it stopped, and wave web waits for its "
                    "status checks, which "
                    f"a stopped instance never passes; {NEXT}"
                ),
                (
                    "web1 (s-00000000000000003): DRS launches it stopped, and step patch of wave web "
                    "runs a command on it; "
                    f"{NEXT}"
                ),
            ],
            id="checked and commanded",
        ),
        pytest.param(
            asked(RUN, where="plan"),
            [
                (
                    "web1 (s-00000000000000003): DRS launches it stopped, and step patch of the plan "
                    "runs a command on it; "
                    f"{NEXT}"
                )
            ],
            id="the plan's own command",
        ),
        pytest.param(asked(f"[{{{SHELL}, name: patch, when: recovery}}]"), [], id="a command of other runs"),
        pytest.param(asked(f"[{{{SHELL}, name: patch, instances: [db1]}}]"), [], id="a command on others"),
        pytest.param(
            asked(f"[{{kind: ssm_automation, name: up, document: AWS-StartEC2Instance}}, {{{SHELL}, name: patch}}]"),
            [],
            id="started before",
        ),
        pytest.param(asked(RUN, waves=("database",)), [], id="a wave that was not chosen"),
    ],
)
def test_a_server_that_is_launched_stopped_is_warned_of_where_something_is_asked_of_it(given, said):
    found = stopped_findings(*given, {WEB1.server_id})

    assert [str(finding) for finding in found] == said
    assert {finding.severity for finding in found} <= {"warning"}
