"""Whatever is called on the way back, in any order, every answer is valid and production is never lost by DRS alone."""

import json

import pytest
from drs_simulator.backend.moto_state import clear_moto
from drs_simulator.backend.simulator import Simulator
from drs_simulator.clock import Clock
from drs_simulator.errors import BadInput
from drs_simulator.faults.engine import faults_of
from drs_simulator.fleet.file import parsed
from drs_simulator.protocol.call_log import AwsCall
from drs_simulator.protocol.validation import drs_model
from drs_simulator.protocol.wire import Reply
from drs_simulator.world import failback, moto_ec2, views
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from simulator.small_fleet import DB2, HOME, ONPREM1, SMALL, app

FLEET = parsed(SMALL)
REGIONS = st.sampled_from(["us-west-2", "us-east-1"])
OF_INSTANCES = [
    "ReverseReplication",
    "StopFailback",
    "DisconnectRecoveryInstance",
    "DeleteRecoveryInstance",
    "GetFailbackReplicationConfiguration",
]
OF_SERVERS = ["StopReplication", "StartReplication", "DisconnectSourceServer", "DeleteSourceServer"]
FAULTS = st.sampled_from(
    [
        {"do": "stalled_copy", "at": 0.3, "for": "20m"},
        {"do": "stalled_copy", "at": 0.8},
        {"do": "agent_not_seen", "for": "10m"},
        {"do": "wrong_profile", "count": 1},
        {"do": "deleted_template", "count": 1},
        {"do": "fail_at", "event": "LAUNCH_END", "error": "no", "count": 1},
        {"do": "stall", "error": "FAILED_TO_BOOT_REPLICATION_SERVER", "for": "10m"},
        {"do": "quota_used", "replicating": 300, "for": "5m"},
    ]
)


class WalkBack(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        clear_moto()
        self.clock = Clock(60, real_time=lambda: 1_800_000_000.0)
        self.simulator = Simulator(FLEET, self.clock, random_seed=1, sleep=lambda _: None)
        for name in (DB2, app(1), ONPREM1):
            self.call("us-west-2", "StartRecovery", sourceServers=[{"sourceServerID": name}])
        self.clock.advance(1800)
        self.simulator.world.advance()

    def call(self, region, operation, **request):
        http = drs_model().operation_model(operation).http
        body = json.dumps(request).encode()
        call = AwsCall("drs", operation, HOME, region, http["method"], http["requestUri"], body=body, request=request)
        reply = self.simulator.serve(call, lambda: Reply(404))
        assert reply.status < 500, reply.body

    def place(self, region):
        return self.simulator.world.region(HOME, region)

    @rule(region=REGIONS, operation=st.sampled_from(OF_INSTANCES), data=st.data())
    def something_with_an_instance(self, region, operation, data):
        if known := sorted(self.place(region).instances):
            self.call(region, operation, recoveryInstanceID=data.draw(st.sampled_from(known)))

    @rule(region=REGIONS, operation=st.sampled_from(OF_SERVERS), data=st.data())
    def something_with_a_server(self, region, operation, data):
        known = {record.server_id for record in self.place(region).instances.values()}
        known |= {server.id for server in self.place(region).servers.values() if server.direction == "FAILBACK"}
        if known:
            self.call(region, operation, sourceServerID=data.draw(st.sampled_from(sorted(known))))

    @rule(region=REGIONS, data=st.data(), is_drill=st.booleans())
    def launch(self, region, data, is_drill):
        known = [server.id for server in self.place(region).servers.values() if server.direction == "FAILBACK"]
        if known:
            chosen = data.draw(st.sampled_from(sorted(known)))
            self.call(region, "StartRecovery", sourceServers=[{"sourceServerID": chosen}], isDrill=is_drill)

    @rule(
        region=REGIONS, operation=st.sampled_from(["TerminateRecoveryInstances", "StartFailbackLaunch"]), data=st.data()
    )
    def a_job(self, region, operation, data):
        if known := sorted(self.place(region).instances):
            replicated = {
                name
                for name in known
                if failback.is_replicated(self.simulator.world, self.place(region).instances[name])
            }
            chosen = data.draw(st.sampled_from(known))
            busy = set(self.place(region).busy)
            self.call(region, operation, recoveryInstanceIDs=[chosen])
            if operation == "TerminateRecoveryInstances" and chosen in replicated:
                assert set(self.place(region).busy) == busy

    @rule(event=st.sampled_from(["pair", "lose", "find"]), to_original=st.booleans())
    def failback_client(self, event, to_original):
        world = self.simulator.world
        for record in tuple(self.place("us-west-2").instances.values()):
            try:
                if event == "pair":
                    failback.pair(world, record, to_original=to_original)
                elif event == "lose":
                    failback.lose_client(world, record)
                else:
                    failback.find_client_again(world, record)
            except BadInput:
                continue

    @rule(minutes=st.integers(1, 40))
    def time_passes(self, minutes):
        self.clock.advance(60 * minutes)

    @rule(fault=FAULTS)
    def weather(self, fault):
        self.simulator.add_faults(faults_of(fault, "walk"))

    @rule()
    def calm(self):
        self.simulator.remove_faults()

    @invariant()
    def every_answer_is_valid(self):
        for region in ("us-west-2", "us-east-1"):
            self.call(region, "DescribeRecoveryInstances")
            self.call(region, "DescribeSourceServers")

    @invariant()
    def an_instance_is_replicated_by_one_server_at_most(self):
        world = self.simulator.world
        owners = [
            back.id
            for region in ("us-west-2", "us-east-1")
            for record in self.place(region).instances.values()
            if record.terminated_s is None and (back := failback.reverse_server(world, record)) is not None
        ]
        assert len(owners) == len(set(owners))

    @invariant()
    def no_share_of_a_copy_is_impossible(self):
        world = self.simulator.world
        for server in world.servers():
            for disk in views.replication_info(world, server, world.replication_of(server))["replicatedDisks"]:
                assert 0 <= disk["replicatedStorageBytes"] <= disk["totalStorageBytes"]
                assert 0 <= disk["rescannedStorageBytes"] <= disk["totalStorageBytes"]

    @invariant()
    def nothing_runs_that_nobody_asked_for(self):
        known = {
            name
            for region in ("us-west-2", "us-east-1")
            for name, instance in moto_ec2.instances(HOME, region).items()
            if moto_ec2.state_of(instance) == "RUNNING"
        }
        launched = {record for region in ("us-west-2", "us-east-1") for record in self.place(region).instances}
        parted = {server.hints_instance_id for server in self.simulator.world.servers()}
        gone = {
            str(request.get("recoveryInstanceID"))
            for call in self.simulator.calls.since(0)
            if call["operation"] == "DeleteRecoveryInstance" and call["committed"]
            for request in [call["request"]]
        }
        assert known <= launched | parted | gone


@pytest.mark.timeout(240)
def test_no_walk_back_leads_to_an_impossible_world():
    run_state_machine_as_test(
        WalkBack,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
