"""The command: its ready line, its refusals, its state on disk, its generator."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ClientError
from drs_simulator.__main__ import main
from drs_simulator.client import SimulatorHandle
from drs_simulator.errors import BadInput
from drs_simulator.faults.engine import faults_of
from drs_simulator.faults.kinds import KINDS
from drs_simulator.fleet.file import parsed, read_fleet
from drs_simulator.fleet.generator import generate
from drs_simulator.fleet.generator import main as generator
from drs_simulator.server.standalone import RunningSimulator
from simulator.small_fleet import DB1, SMALL, job, start, statuses

ROOT = Path(__file__).parents[2]
FLEETS = ROOT / "simulator" / "fleets"


class Program:
    """``python -m drs_simulator`` in a process of its own."""

    def __init__(self, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "simulator")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "drs_simulator", "--port", "0", *map(str, arguments)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.line = self.process.stdout.readline().strip()
        self.handle = SimulatorHandle(self.line.split(" on ")[1].split()[0]) if self.line else None

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors

    def refusal(self):
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors.strip()


def test_the_command_says_what_to_name_where_nothing_exists(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])

    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "drs_simulator: error: name what exists: --fleet FILE, or --example"
    )


@pytest.mark.parametrize("missing", ["moto", "flask"])
def test_a_library_that_is_missing_is_named_in_a_sentence(missing):
    code = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['drs-simulator', '--example', '--port', '0']; "
        "from drs_simulator.__main__ import main; sys.exit(main())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "simulator")}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=environment, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"drs-simulator needs {missing}, which is not installed: pip install drs-simulator brings it "
        "(from a clone: pip install ./simulator)"
    )
    assert "Traceback" not in done.stderr


def test_it_says_when_it_can_be_used_merges_fleets_reads_faults_and_ends_on_sigterm(tmp_path):
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([{"service": "drs", "do": "throttle", "count": 1}]))
    program = Program("--example", "--faults", faults, "--speed", "60")

    assert program.line == f"drs-simulator ready on {program.handle.url} (speed 60, 108 servers)"
    assert program.handle.health() == {"ready": True, "speed": 60, "servers": 108}
    with pytest.raises(ClientError, match="ThrottlingException"):
        program.handle.client("drs").describe_jobs()
    assert program.handle.calls()[0]["error"] == "ThrottlingException"
    assert program.end() == (0, "")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_running_job_survives_a_restart(tmp_path, how):
    fleet, state = tmp_path / "fleet.yaml", tmp_path / "state"
    fleet.write_text(yaml.safe_dump(SMALL))
    arguments = ("--fleet", fleet, "--speed", "60", "--state", state, "--random-seed", "7")
    program = Program(*arguments)
    program.handle.clock(freeze=True)
    drs = program.handle.client("drs")
    template = drs.get_launch_configuration(sourceServerID=DB1)["ec2LaunchTemplateID"]
    job_id = start(drs, DB1, tags={"run": "1"})
    program.handle.fault({"do": "stuck", "hostname": "db2"})
    program.handle.advance("4m")
    before = drs.describe_job_log_items(jobID=job_id)["items"]
    program.end(how)

    again = Program(*arguments)
    drs = again.handle.client("drs")
    assert drs.describe_job_log_items(jobID=job_id)["items"] == before
    assert job(drs, job_id)["tags"] == {"run": "1"}
    again.handle.advance("20m")
    assert statuses(drs, job_id) == {DB1: "LAUNCHED"}
    assert again.handle.client("ec2").describe_launch_templates(LaunchTemplateIds=[template])["LaunchTemplates"]
    assert len(again.handle.client("ec2").describe_instances()["Reservations"]) == 1
    assert start(drs, DB1) != job_id
    assert [fault["do"] for fault in again.handle.control("GET", "faults")] == ["stuck"]
    again.end()


@pytest.mark.parametrize(
    ("option", "content", "said"),
    [
        pytest.param(
            "--fleet",
            "accounts: [{id: '111122223333', regoins: []}]",
            "accounts[0].regoins: no such key (did you mean 'regions'?)",
            id="unknown key",
        ),
        pytest.param(
            "--fleet",
            "accounts: []",
            "accounts: Tuple should have at least 1 item after validation, not 0 (it is [])",
            id="empty",
        ),
        pytest.param(
            "--fleet", "accounts: [", ":1:12: expected the node content, but found '<stream end>'", id="no YAML"
        ),
        pytest.param("--fleet", "accounts: 1\naccounts: 2", ":2:1: the key 'accounts' stands twice", id="twice"),
        pytest.param(
            "--faults",
            '[{"do": "throttel"}]',
            "[0].do: no fault does 'throttel' (did you mean 'throttle'?)",
            id="fault",
        ),
        pytest.param("--state", "not a state", "is no state of this simulator", id="state"),
    ],
)
def test_a_bad_file_ends_it_with_code_2_and_says_where(tmp_path, capsys, option, content, said):
    bad = tmp_path / "bad"
    bad.write_text(content)
    good = () if option == "--fleet" else ("--fleet", str(FLEETS / "hello.yaml"))
    code = main(["--port", "0", option, str(bad), *good])
    errors = capsys.readouterr().err

    assert code == 2
    assert errors.startswith(str(bad))
    assert said in errors


def test_the_programs_exit_code_for_a_bad_file_is_2_and_its_word_is_no_traceback(tmp_path):
    missing = tmp_path / "missing.yaml"

    assert Program("--fleet", missing).refusal() == (2, f"{missing}: cannot be read: No such file or directory")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (("--port", "70000"), "cannot listen on 127.0.0.1:70000: the port must be between 0 and 65535"),
        (("--port", "0", "--host", "no.such.host.invalid"), "cannot listen on no.such.host.invalid:0: "),
    ],
)
def test_a_place_where_nobody_can_listen_ends_it_with_code_1(capsys, where, said):
    assert main(["--fleet", str(FLEETS / "hello.yaml"), *where]) == 1
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    ("speed", "said"),
    [
        ("0", "speed must be more than 0, not 0"),
        ("nan", "speed must be more than 0, not nan"),
        ("inf", "speed must be between 0.001 and 1e+06, not inf"),
        ("fast", "could not convert string to float: 'fast'"),
    ],
)
def test_a_speed_that_no_clock_has_ends_it_with_code_2(capsys, speed, said):
    with pytest.raises(SystemExit) as caught:
        main(["--fleet", str(FLEETS / "hello.yaml"), "--speed", speed])

    assert caught.value.code == 2
    assert f"argument --speed: {said}" in capsys.readouterr().err


def region(**more):
    return {"accounts": [{"id": "111122223333", "regions": [{"name": "us-west-2", **more}]}]}


@pytest.mark.parametrize(
    ("fleet", "said"),
    [
        (
            region(servers=[{"hostname": "a", "hostnam": "b"}]),
            "f: accounts[0].regions[0].servers[0].hostnam: no such key (did you mean 'hostname'?)",
        ),
        (region(servers=[{}]), "f: accounts[0].regions[0].servers[0].hostname: is required"),
        (
            region(servers=[{"hostname": "a", "launch": {"subnet": "prod"}}]),
            (
                "f: 111122223333/us-west-2: server 'a': launch.subnet: no subnet 'prod' "
                "(known: none: the Region has no network)"
            ),
        ),
        (
            region(servers=[{"hostname": "a", "count": 2}]),
            "f: accounts[0].regions[0].servers[0]: count needs {n} in hostname, or all would have the same name",
        ),
        (
            region(servers=[{"hostname": "a", "id": "s-1"}]),
            "f: accounts[0].regions[0].servers[0]: 's-1' is no source server id: s- and 17 letters or digits",
        ),
        (
            region(servers=[{"hostname": "a"}, {"hostname": "a"}]),
            "f: 111122223333/us-west-2: server 'a': the id s-1a66b6a9f0d1a4d47 is taken by 111122223333/us-west-2 'a'",
        ),
        (
            region(servers=[{"hostname": "a", "launch_configuration": {"copyTag": True}}]),
            "f: 111122223333/us-west-2: server 'a': launch_configuration.copyTag: is no member of ",
        ),
        (
            region(servers=[{"hostname": "a", "staging_account": "999988887777"}]),
            "f: 111122223333/us-west-2: server 'a': staging_account: no account 999988887777 in the fleet",
        ),
        (
            region(quotas={"L-D88FAC3B": 1}),
            "f: 111122223333/us-west-2: quotas: no quota 'L-D88FAC3B' (did you mean 'L-D88FAC3A'?)",
        ),
        (
            region(network={"vpc": "10.0.0.0/8", "subnets": {"a": "10.0.0.0/24"}}),
            "f: accounts[0].regions[0].network.vpc: vpc: 10.0.0.0/8 is not between /16 and /28, as EC2 wants it",
        ),
        (
            region(network={"vpc": "10.0.0.0/16", "subnets": {"a": "10.1.0.0/24"}}),
            "f: accounts[0].regions[0].network: subnet 'a' (10.1.0.0/24) does not lie in the VPC 10.0.0.0/16",
        ),
        (
            region(network={"vpc": "10.0.0.0/16", "subnets": {"a": "10.0.0.0/24", "b": "10.0.0.128/25"}}),
            "f: accounts[0].regions[0].network: subnet 'b' (10.0.0.128/25) overlaps 'a' (10.0.0.0/24)",
        ),
        (
            {"accounts": [{"id": "111122223333", "regions": [{"name": "us-wets-2"}]}]},
            "f: accounts[0].regions[0].name: 'us-wets-2' is no AWS Region (did you mean 'us-west-2'?)",
        ),
        (
            region(servers=[{"hostname": "a"}], recovery_instances=[{"server": "a"}, {"server": "a"}]),
            "f: 111122223333/us-west-2: recovery_instances: 'a' has 2: a server has one recovery instance at most",
        ),
        (
            region(servers=[{"hostname": "a", "lag": [3]}]),
            "f: accounts[0].regions[0].servers[0].lag: [3] is no length of time: write 90s, 10m, 2h, 1d or 1h30m",
        ),
        (
            region(servers=[{"hostname": "a", "origin": {"region": "us-east-1", "zone": "us-east-2a"}}]),
            "f: accounts[0].regions[0].servers[0].origin: zone 'us-east-2a' is none of the Region 'us-east-1'",
        ),
        (
            region(servers=[{"hostname": "a", "disks": [0]}]),
            "f: accounts[0].regions[0].servers[0].disks[0]: Input should be greater than or equal to 1 (it is 0)",
        ),
        (region(recovery_instances=[{"server": "a"}]), "f: 111122223333/us-west-2: recovery_instances: no server 'a'"),
        (
            region(servers=[{"hostname": "a", "lag": "soon"}]),
            "f: accounts[0].regions[0].servers[0].lag: 'soon' is no length of time: write 90s, 10m, 2h, 1d or 1h30m",
        ),
    ],
)
def test_a_fleet_that_makes_no_sense_says_where_and_what(fleet, said):
    with pytest.raises(BadInput) as caught:
        parsed(fleet, "f")

    expected = said.split("the id ")[0]
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


def test_a_recovery_instance_that_ec2_would_refuse_is_a_fault_of_the_fleet():
    launch = {"security_groups": ["sg-00000000000000001"]}
    fleet = parsed(region(servers=[{"hostname": "a", "launch": launch}], recovery_instances=[{"server": "a"}]))
    with pytest.raises(BadInput) as caught:
        RunningSimulator(fleet)

    assert str(caught.value) == (
        "111122223333/us-west-2: recovery_instances: 'a' cannot run with the launch settings of its server: "
        "InvalidGroup.NotFound: The security group 'sg-00000000000000001' does not exist"
    )


def test_ids_that_are_not_given_are_the_same_every_time():
    fleet = region(servers=[{"hostname": "db{n}", "count": 3}])
    first, second = ([server.id for _, _, server in parsed(fleet).servers()] for _ in range(2))

    assert first == second
    assert len(set(first)) == 3


def test_the_web_shop_has_the_servers_that_plans_name():
    fleet = read_fleet([FLEETS / "web-shop.yaml", FLEETS / "hello.yaml"])
    by_name = {server.hostname: server.id for _, _, server in fleet.servers()}

    assert len(by_name) == 102
    assert {name: by_name[name] for name in ("db1", "app30", "web50", "mon10", "hello2")} == {
        "db1": "s-0db00000000000001",
        "app30": "s-0app0000000000030",
        "web50": "s-0web0000000000050",
        "mon10": "s-0mon0000000000010",
        "hello2": "s-0hello00000000002",
    }


@pytest.mark.parametrize(
    ("servers", "accounts", "regions"), [(10, 1, ["us-west-2"]), (4000, 3, ["us-west-2", "eu-central-1"])]
)
def test_a_generated_fleet_is_a_fleet(servers, accounts, regions):
    fleet = parsed(generate(servers, accounts, regions))

    assert len(list(fleet.servers())) == servers
    assert [len(account.regions) for account in fleet.accounts] == [len(regions)] * accounts


def test_the_generator_writes_a_file_and_refuses_what_does_not_fit(tmp_path, capsys):
    output = tmp_path / "fleet.yaml"
    written = generator(["--servers", "150", "--output", str(output)])
    refused = generator(["--servers", "4001"])
    nowhere = generator(["--servers", "1", "--regions", "us-wets-2"])

    assert len(list(read_fleet([output]).servers())) == 150
    assert (written, refused, nowhere) == (0, 2, 2)
    assert capsys.readouterr().err == (
        "4001 servers do not fit: 1 times 4000 is the most\n"
        "the fleet: accounts[0].regions[0].name: 'us-wets-2' is no AWS Region (did you mean 'us-west-2'?)\n"
    )


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"do": "lag", "lagg": "1m"}, "f: [0].lagg: no such key (did you mean 'lag'?)"),
        ({"do": "throttle", "count": 0}, "f: [0].count: Input should be greater than or equal to 1 (it is 0)"),
        ({"do": "outage", "for": "long"}, "f: [0].for: 'long' is no length of time: write 90s, 10m, 2h, 1d or 1h30m"),
    ],
)
def test_a_fault_that_makes_no_sense_says_what(fault, said):
    with pytest.raises(BadInput) as caught:
        faults_of(fault, "f")

    assert str(caught.value) == said


def documented(language):
    text = (ROOT / "docs" / "simulator.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL), re.findall(r"`(\{.*?\})` \|$", text, re.MULTILINE)


def test_every_fault_of_the_documentation_is_one():
    _, examples = documented("json")
    kinds = {faults_of(json.loads(example), "docs")[0].do for example in examples if '"do"' in example}

    assert {*KINDS} - kinds == {"hang", "agent_missing"}


def test_the_fleet_of_the_documentation_is_one():
    (example,), _ = documented("yaml")

    assert len(list(parsed(yaml.safe_load(example)).servers())) == 31
