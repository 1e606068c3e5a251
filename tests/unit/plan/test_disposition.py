"""Plans that launch instances stopped, and ask of them what only running ones give."""

import pytest
from kit.plan_files import said_of

COMMAND = "{kind: ssm_command, name: patch, document: AWS-RunShellScript}"
STOPPED = "launch: {disposition: stopped}"
CHECKS = "a stopped instance never passes its status checks, and group g is launched with disposition: stopped"
COMMANDS = "a command cannot run on a stopped instance, and group g is launched with disposition: stopped"
READY = "(write ready: launched, or disposition: started)"
START = "(start it in a step before (ssm_automation with AWS-StartEC2Instance), or write disposition: started)"


def written(launch, wave="", after="", plan=""):
    return (
        f"kind: ProtectionGroup\nname: g\nservers: [s-00000000000000009]\n{launch}\n---\n"
        f"kind: RecoveryPlan\nname: p\nwaves:\n  - {{name: a, groups: [g], {wave}after: [{after}]}}\n{plan}"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            written(STOPPED, "ready: status_checks, ", COMMAND),
            [f"x.yaml:9:35: waves.a.ready: {CHECKS} {READY}", f"x.yaml:9:58: waves.a.after.patch: {COMMANDS} {START}"],
            id="checked and commanded",
        ),
        pytest.param(
            written("drill_launch: {disposition: stopped}", "ready: status_checks, "),
            [f"x.yaml:9:35: waves.a.ready: {CHECKS} in drills {READY}"],
            id="stopped in drills only",
        ),
        pytest.param(
            written(f"{STOPPED}\ndrill_launch: {{disposition: started}}", "ready: status_checks, "),
            [f"x.yaml:10:35: waves.a.ready: {CHECKS} in recoveries {READY}"],
            id="stopped in recoveries only",
        ),
        pytest.param(
            written(f"{STOPPED}\ndrill_launch: {{disposition: started}}", "", COMMAND.replace("}", ", when: drill}")),
            [],
            id="a command for the runs in which it is started",
        ),
        pytest.param(written(STOPPED, "ready: launched, "), [], id="asks nothing"),
        pytest.param(
            written(STOPPED, "", COMMAND.replace("}", ", instances: [i-1]}")), [], id="a command on other instances"
        ),
        pytest.param(
            written(STOPPED, "", "{kind: ssm_automation, name: up, document: AWS-StartEC2Instance}, " + COMMAND),
            [],
            id="started by a step before",
        ),
        pytest.param(
            written(STOPPED, plan=f"after: [{COMMAND}]\n"),
            [f"x.yaml:10:9: after.patch: {COMMANDS} {START}"],
            id="a command of the plan on all of the run",
        ),
        pytest.param(
            written("select: {tags: {A: b}}\nlaunch: {disposition: started}", "ready: status_checks, ").replace(
                "[s-00000000000000009]", "[{id: s-00000000000000009, launch: {disposition: stopped}}]"
            ),
            [f"x.yaml:10:35: waves.a.ready: {CHECKS} {READY}"],
            id="one member is stopped",
        ),
    ],
)
def test_what_contradicts_a_stopped_instance_is_said(tmp_path, text, said):
    assert said_of(tmp_path, text) == said


ADDRESS = "{kind: tcp, name: up, host: \"{{ server('a').private_ip }}\", port: 1}"
TOO_EARLY = (
    "no server is launched when this step begins (let it stand in after, or let its wave depend on one that launches)"
)
NOBODY = (
    "nobody can ask this in a drill: a recovered server must, and all of them are launched stopped "
    "(write disposition: started for one group, or when: recovery)"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(written("", after=ADDRESS), [], id="after the launch"),
        pytest.param(
            written("", f"before: [{ADDRESS}], "),
            [f"x.yaml:9:37: waves.a.before.up: {TOO_EARLY}"],
            id="before the launch",
        ),
        pytest.param(
            written("", plan=f"before: [{ADDRESS}]\n"), [f"x.yaml:10:10: before.up: {TOO_EARLY}"], id="before all waves"
        ),
        pytest.param(
            written("", plan=f"failback: {{}}\nbefore: [{ADDRESS.replace('port: 1', 'port: 1, when: failback')}]\n"),
            [],
            id="of what was recovered, before it goes back",
        ),
        pytest.param(
            written("", "before: [" + ADDRESS.replace("private_ip", "source_server_id") + "], "),
            [],
            id="what DRS knows before",
        ),
        pytest.param(
            written("", plan=f"  - {{name: b, before: [{ADDRESS}]}}\n"),
            [],
            id="before a wave that waits for the launch",
        ),
        pytest.param(
            written("", plan=f"  - {{name: b, depends_on: [], after: [{ADDRESS}]}}\n"),
            [f"x.yaml:10:39: waves.b.after.up: {TOO_EARLY}"],
            id="in a wave beside the launch",
        ),
        pytest.param(
            written(STOPPED, after=ADDRESS), [f"x.yaml:9:36: waves.a.after.up: {NOBODY}"], id="asked of stopped servers"
        ),
        pytest.param(written(STOPPED, after=ADDRESS, plan="drill: {network: shared}\n"), [], id="asked by Airflow"),
        pytest.param(
            written(STOPPED, after=ADDRESS.replace("}\n", "").replace("port: 1}", "port: 1, when: recovery}")),
            [],
            id="asked in recoveries",
        ),
        pytest.param(
            written(STOPPED, after="{kind: tcp, name: up, host: shop.example.org, port: 1}"),
            [],
            id="a name of the world",
        ),
    ],
)
def test_what_needs_servers_stands_where_there_are_some(tmp_path, text, said):
    assert said_of(tmp_path, text) == said
