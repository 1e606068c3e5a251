"""Whatever callers and faults do, in any order, the world stays a possible one."""

import pytest
from drs_simulator.backend.moto_state import clear_moto
from drs_simulator.backend.simulator import Simulator
from drs_simulator.clock import Clock
from drs_simulator.errors import ConnectionDropped
from drs_simulator.faults.engine import faults_of
from drs_simulator.fleet.file import parsed
from drs_simulator.protocol.call_log import AwsCall
from drs_simulator.protocol.validation import drs_model
from drs_simulator.protocol.wire import Reply
from drs_simulator.world import moto_ec2
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from simulator.small_fleet import DB1, DB2, FAST1, HOME, SMALL, WEB1, app

SERVERS = st.sampled_from([DB1, DB2, FAST1, WEB1, app(1), app(2)])
FLEET = parsed(SMALL)
FAULTS = st.sampled_from(
    [
        {"do": "fail_at", "event": "CONVERSION_START", "error": "no", "count": 1},
        {"do": "fail_at", "event": "LAUNCH_END", "error": "no", "count": 1},
        {"do": "fail_silently", "count": 1},
        {"do": "stuck", "count": 1},
        {"do": "stuck", "for": "5m"},
        {"do": "no_capacity", "for": "10m"},
        {"do": "foreign_job", "hostname": "db*", "for": "10m"},
        {"do": "slow", "factor": 2, "count": 2},
        {"do": "terminated_behind_drs", "count": 1},
        {"do": "terminated_behind_drs", "later": "4m", "protection_holds": False},
        {"do": "launches_nothing", "count": 1},
        {"do": "deleted_job", "later": "3m", "count": 1},
        {"do": "stripped_tags", "later": "8m"},
        {"do": "not_shown", "probability": 0.5},
        {"do": "omits", "members": ["isDrill", "jobID"], "probability": 0.5},
        {"do": "throttle", "count": 1},
        {"do": "commit_then_drop", "count": 1},
        {"do": "stall", "hostname": "db1", "for": "30m"},
        {"do": "snapshot_expired", "for": "30m"},
    ]
)
MOVES = {
    None: {"PENDING"},
    "PENDING": {"PENDING", "IN_PROGRESS", "FAILED", "LAUNCHED", "TERMINATED"},
    "IN_PROGRESS": {"IN_PROGRESS", "LAUNCHED", "FAILED"},
    "LAUNCHED": {"LAUNCHED"},
    "FAILED": {"FAILED"},
    "TERMINATED": {"TERMINATED"},
}
JOB_MOVES = {
    "PENDING": {"PENDING", "STARTED", "COMPLETED"},
    "STARTED": {"STARTED", "COMPLETED"},
    "COMPLETED": {"COMPLETED"},
}


class Walk(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        clear_moto()
        self.clock = Clock(60, real_time=lambda: 1_800_000_000.0)
        self.simulator = Simulator(FLEET, self.clock, random_seed=1, sleep=lambda _: None)
        self.jobs, self.launches = {}, {}

    def call(self, operation, **request):
        import json

        http = drs_model().operation_model(operation).http
        call = AwsCall(
            "drs",
            operation,
            HOME,
            "us-west-2",
            http["method"],
            http["requestUri"],
            body=json.dumps(request).encode(),
            request=request,
        )
        try:
            reply = self.simulator.serve(call, lambda: Reply(404))
        except ConnectionDropped:
            return None
        assert reply.status < 500, reply.body
        return json.loads(reply.body or b"{}") if reply.status < 400 else None

    @property
    def region(self):
        return self.simulator.world.regions[HOME, "us-west-2"]

    @rule(servers=st.lists(SERVERS, min_size=1, max_size=4), is_drill=st.booleans())
    def start(self, servers, is_drill):
        self.call("StartRecovery", sourceServers=[{"sourceServerID": server} for server in servers], isDrill=is_drill)

    @rule(seconds=st.integers(1, 700))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule(data=st.data())
    def terminate(self, data):
        known = sorted(self.region.instances)
        if known:
            chosen = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
            self.call("TerminateRecoveryInstances", recoveryInstanceIDs=chosen)

    @rule(fault=FAULTS)
    def weather(self, fault):
        self.simulator.add_faults(faults_of(fault, "walk"))

    @rule()
    def calm(self):
        self.simulator.remove_faults()

    @rule(server=SERVERS)
    def stop_and_start_replication(self, server):
        self.call("StopReplication", sourceServerID=server)
        self.call("StartReplication", sourceServerID=server)

    @invariant()
    def no_server_is_in_two_jobs(self):
        self.simulator.world.advance()
        held = [name for job in self.region.unfinished.values() for name in job.participants]
        assert len(held) == len(set(held))
        assert set(held) == set(self.region.busy)

    @invariant()
    def states_only_move_forwards(self):
        for job in self.region.jobs.values():
            assert job.status in JOB_MOVES[self.jobs.get(job.id, "PENDING")]
            self.jobs[job.id] = job.status
            for part in job.participants.values():
                assert part.status in MOVES[self.launches.get((job.id, part.id), "PENDING")]
                self.launches[job.id, part.id] = part.status
            if job.status == "COMPLETED":
                assert {part.status for part in job.participants.values()} <= {"LAUNCHED", "FAILED", "TERMINATED"}

    @invariant()
    def no_instance_is_leaked(self):
        alive = {
            name
            for name, instance in moto_ec2.instances(HOME, "us-west-2").items()
            if moto_ec2.state_of(instance) != "TERMINATED"
        }
        assert alive <= set(self.region.instances)

    @invariant()
    def every_server_has_at_most_one_living_instance(self):
        living = [instance.server_id for instance in self.region.instances.values() if instance.terminated_s is None]
        assert len(living) == len(set(living))


@pytest.mark.timeout(120)
def test_no_walk_leads_to_an_impossible_world():
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_walk_is_the_same_for_the_same_seed():
    def ids():
        clear_moto()
        simulator = Simulator(FLEET, Clock(60, real_time=lambda: 1_800_000_000.0), random_seed=3)
        call = AwsCall(
            "drs",
            "StartRecovery",
            HOME,
            "us-west-2",
            path="/StartRecovery",
            body=b'{"sourceServers":[{"sourceServerID":"%s"}]}' % DB1.encode(),
        )
        first = simulator.serve(call, lambda: Reply(404)).body
        simulator.world.clock.advance(900)
        simulator.world.advance()
        return first, sorted(simulator.world.regions[HOME, "us-west-2"].instances)

    assert ids() == ids()
