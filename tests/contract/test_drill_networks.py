"""Drill networks made, proven and removed, against the simulator over HTTP."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from drs_provider.exceptions import AccessDenied, NotFound, ServiceUnavailable
from drs_provider.hooks.drill_network import ENDPOINTS, DrillNetworkHook
from drs_provider.operators.drill_network import (
    DrsPrepareDrillNetworkOperator,
    DrsRemoveDrillNetworkOperator,
)
from drs_provider.rules.isolation.blueprint import blueprint
from drs_provider.rules.isolation.drill_placement import KnownPlacement, in_drill_network
from drs_provider.rules.isolation.proof import prove
from drs_provider.rules.launch.tags import COPY_OF, EXPIRES, MODE, RUN, drill_tags
from drs_provider.rules.run.handover import PreparedNetworks
from kit.fake_drs import MemoryStore

HOME, REGION = "111122223333", "us-west-2"
DB, WEB = "s-0db00000000000001", "s-0web0000000000001"
FLEET = {
    "accounts": [
        {
            "id": HOME,
            "regions": [
                {
                    "name": REGION,
                    "network": {
                        "vpc": "10.20.0.0/16",
                        "subnets": {"prod": "10.20.0.0/22", "web": "10.20.4.0/22"},
                        "internet_gateway": True,
                        "peering": "10.50.0.0/16",
                        "transit_gateway": "10.0.0.0/8",
                        "vpn": "192.168.0.0/16",
                    },
                    "servers": [
                        {"hostname": "db1", "id": DB, "launch": {"subnet": "prod"}},
                        {"hostname": "web1", "id": WEB, "launch": {"subnet": "web"}},
                    ],
                }
            ],
        }
    ]
}
TAGS = drill_tags(dag_id="drs.shop", run_id="manual__1", expires=datetime(2026, 1, 1, tzinfo=UTC))
CREATES = ("CreateVpc", "CreateSubnet", "CreateSecurityGroup", "CreateVpcEndpoint", "AuthorizeSecurityGroupEgress")


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):
    """A production network with an internet gateway, a peering, a transit gateway and a VPN."""
    return start_drs_simulator(FLEET, speed=600)


@pytest.fixture(scope="module")
def made(one_simulator):
    """boto3 clients and one hook for all tests: making them takes longer than the tests do."""
    names = ("ec2", "drs", "route53resolver", "vpc-lattice", "elbv2", "route53")
    return SimpleNamespace(clients={name: one_simulator.client(name) for name in names}, hooks={})


@pytest.fixture
def world(simulator, made):
    """The production network, and the hook."""
    if not made.hooks:
        made.hooks["one"] = DrillNetworkHook(
            aws_conn_id=None, region_name=REGION, config={"retries": {"total_max_attempts": 1}}
        )
    ec2 = made.clients["ec2"]
    subnets = {tag["Value"]: subnet for subnet in ec2.describe_subnets()["Subnets"] for tag in subnet["Tags"]}
    return SimpleNamespace(
        simulator=simulator,
        clients=made.clients,
        ec2=ec2,
        hook=made.hooks["one"],
        vpc=subnets["prod"]["VpcId"],
        prod=subnets["prod"]["SubnetId"],
        web=subnets["web"]["SubnetId"],
        before=account(ec2),
    )


def account(ec2):
    """Everything in EC2 that a drill network consists of, by id; tags and rules are part of it."""
    reads = {
        "Vpcs": ec2.describe_vpcs,
        "Subnets": ec2.describe_subnets,
        "SecurityGroups": ec2.describe_security_groups,
        "RouteTables": ec2.describe_route_tables,
        "NetworkAcls": ec2.describe_network_acls,
        "VpcEndpoints": ec2.describe_vpc_endpoints,
        "NetworkInterfaces": ec2.describe_network_interfaces,
    }
    return {key: json.dumps(read()[key], default=str, sort_keys=True) for key, read in reads.items()}


def make(world, **more):
    plan = blueprint(world.hook.production(world.vpc, ()), [world.prod, world.web], endpoints=True)
    return world.hook.make(plan, TAGS, endpoints=ENDPOINTS)


def remove_all(world):
    while True:
        gone, left = world.hook.remove(TAGS[RUN])
        if not gone or not left:
            return left


def context_of(store=None):
    pushed = {}
    run = SimpleNamespace(dag_id="drs.shop", run_id="manual__1")
    ti = SimpleNamespace(
        dag_id=run.dag_id,
        run_id=run.run_id,
        task_id="network",
        map_index=None,
        try_number=1,
        xcom_push=lambda key, value: pushed.update({key: value}),
    )
    return {"ti": ti, "dag_run": run, "pushed": pushed, "task_state_store": MemoryStore() if store is None else store}


def prepare(world, context=None, **more):
    """Prepare for the two servers; looked up in their launch templates only where a test says so (it takes long)."""
    places = {
        server_id: {"subnet_id": subnet, "security_group_ids": (), "vpc_id": world.vpc, "availability_zone": None}
        for server_id, subnet in ((DB, world.prod), (WEB, world.web))
    }
    more = {"placements": places, **more}
    task = DrsPrepareDrillNetworkOperator(
        task_id="network", aws_conn_id=None, region_name=REGION, source_server_ids=[DB, WEB], **more
    )
    task.__dict__["networks"] = world.hook
    return task.execute(context or context_of())


def remove(world, context=None, **more):
    task = DrsRemoveDrillNetworkOperator(task_id="remove", aws_conn_id=None, region_name=REGION, **more)
    task.__dict__["networks"] = world.hook
    return task.execute(context or context_of())


def standing(world, **more):
    """A clean standing drill network with one subnet."""
    vpc = world.ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    subnet = world.ec2.create_subnet(VpcId=vpc, CidrBlock="10.99.0.0/22", AvailabilityZone="us-west-2a", **more)
    return vpc, subnet["Subnet"]["SubnetId"]


def test_production_leads_out_in_four_ways_and_each_is_named(world):
    proof = prove(world.hook.network_facts(world.vpc))

    assert [leak.path.split(" → ")[2:4] for leak in proof.leaks] == [
        [
            "0.0.0.0/0",
            f"internet gateway {world.ec2.describe_internet_gateways()['InternetGateways'][0]['InternetGatewayId']}",
        ],
        ["10.50.0.0/16", proof.leaks[1].path.split(" → ")[3]],
        ["10.0.0.0/8", proof.leaks[2].path.split(" → ")[3]],
        ["192.168.0.0/16", proof.leaks[3].path.split(" → ")[3]],
    ]
    assert [leak.what.split(" can be")[0] for leak in proof.leaks] == [
        "the internet",
        "the peered VPC",
        "every network that the transit gateway routes to",
        "networks at the other end of a VPN or Direct Connect",
    ]


def test_the_bubble_has_productions_addresses_and_no_way_out(world):
    vpc, subnets, groups = make(world)
    proof = prove(world.hook.network_facts(vpc))

    assert (proof.leaks, proof.notes) == ((), ())
    described = {
        subnet["SubnetId"]: subnet for subnet in world.ec2.describe_subnets(SubnetIds=list(subnets.values()))["Subnets"]
    }
    assert [described[subnets[part]]["CidrBlock"] for part in (world.prod, world.web)] == [
        "10.20.0.0/22",
        "10.20.4.0/22",
    ]
    egress = [
        group["IpPermissionsEgress"]
        for group in world.ec2.describe_security_groups(GroupIds=list(groups.values()))["SecurityGroups"]
    ]
    assert [[each["CidrIp"] for each in rules[0]["IpRanges"]] for rules in egress] == [["10.20.0.0/16"]]


def test_making_it_again_makes_nothing(world):
    first, after = make(world), account(world.ec2)

    assert make(world) == first
    assert account(world.ec2) == after


def test_everything_that_is_made_carries_the_run_its_expiry_and_what_it_stands_for(world):
    vpc, _, _ = make(world)
    parts = world.hook.parts_of(TAGS[RUN])
    tags = [
        {tag["Key"]: tag["Value"] for tag in part["Tags"]}
        for part in (*parts.vpcs, *parts.subnets, *parts.groups, *parts.endpoints)
    ]

    assert len(tags) == 1 + 3 + 2 + 4
    assert all(
        tag[RUN] == TAGS[RUN] and tag[MODE] == "drill" and tag[EXPIRES] == "2026-01-01T00:00:00Z" for tag in tags
    )
    assert all(COPY_OF in tag for tag in tags)
    assert parts.vpcs[0]["VpcId"] == vpc


def test_removing_it_leaves_the_account_as_it_was(world):
    make(world)

    assert remove_all(world) == {}
    assert account(world.ec2) == world.before
    assert world.hook.remove(TAGS[RUN]) == ((), {})


@pytest.mark.parametrize("operation", CREATES)
@pytest.mark.parametrize("how", ["before", "after"])
def test_a_crash_at_any_call_leaves_nothing_that_is_not_found_again(world, operation, how):
    fault = {"service": "ec2", "operation": operation, "count": 1}
    world.simulator.fault({**fault, "do": "server_error" if how == "before" else "commit_then_drop"})
    with pytest.raises(ServiceUnavailable):
        make(world)
    half = len(world.hook.parts_of(TAGS[RUN]).ids)

    assert remove_all(world) == {}
    assert account(world.ec2) == world.before
    world.simulator.no_faults()
    assert half <= len(make(world)[1]) + 8


@pytest.mark.parametrize("operation", CREATES)
def test_a_try_after_a_lost_answer_goes_on_with_what_is_there(world, operation):
    world.simulator.fault({"service": "ec2", "operation": operation, "do": "commit_then_drop", "count": 1})
    with pytest.raises(ServiceUnavailable):
        make(world)
    make(world)
    parts = world.hook.parts_of(TAGS[RUN])

    assert [len(part) for part in (parts.vpcs, parts.subnets, parts.groups, parts.endpoints)] == [1, 3, 2, 4]
    assert remove_all(world) == {}
    assert account(world.ec2) == world.before


def test_of_two_networks_that_were_made_at_once_one_stays(world):
    plan = blueprint(world.hook.production(world.vpc, ()), [world.prod])
    rival = [*[{"Key": key, "Value": value} for key, value in TAGS.items()], {"Key": COPY_OF, "Value": world.vpc}]
    known = world.hook._copies_of  # (the other try appears between the look and the making)
    looks = []

    def look(production, run):
        if not looks:
            looks.append(1)
            world.ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": rival}])
            return []
        return known(production, run)

    world.hook.__dict__["_copies_of"] = look
    try:
        vpc, _, _ = world.hook.make(plan, TAGS)
    finally:
        del world.hook.__dict__["_copies_of"]

    left = [vpc["VpcId"] for vpc in world.hook.parts_of(TAGS[RUN]).vpcs]
    assert vpc == min(left)
    assert world.hook.make(plan, TAGS)[0] == vpc


def test_rules_keep_who_may_talk_to_whom_inside_and_nothing_else(world):
    ec2 = world.ec2
    db = ec2.create_security_group(GroupName="db", Description="db", VpcId=world.vpc)["GroupId"]
    web = ec2.create_security_group(GroupName="web", Description="web", VpcId=world.vpc)["GroupId"]
    sql = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    ec2.authorize_security_group_ingress(GroupId=db, IpPermissions=[{**sql, "UserIdGroupPairs": [{"GroupId": web}]}])
    ec2.authorize_security_group_ingress(
        GroupId=db, IpPermissions=[{**sql, "IpRanges": [{"CidrIp": "192.168.0.0/16"}]}]
    )
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[{**https, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    plan = blueprint(world.hook.production(world.vpc, [db, web]), [world.prod])
    _, _, groups = world.hook.make(plan, TAGS)
    copies = {
        group["GroupId"]: group
        for group in ec2.describe_security_groups(GroupIds=list(groups.values()))["SecurityGroups"]
    }

    assert [
        (rule["FromPort"], [pair["GroupId"] for pair in rule["UserIdGroupPairs"]], rule["IpRanges"])
        for rule in copies[groups[db]]["IpPermissions"]
    ] == [(5432, [groups[web]], [])]
    assert [(rule["FromPort"], rule["IpRanges"]) for rule in copies[groups[web]]["IpPermissions"]] == [
        (443, [{"CidrIp": "10.20.0.0/16"}])
    ]
    assert remove_all(world) == {}


def _igw(w, vpc, _):
    gateway = w.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    w.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return gateway


def _table(w, vpc):
    found = w.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    return found["RouteTables"][0]["RouteTableId"]


def _igw_route(w, vpc, subnet):
    gateway = _igw(w, vpc, subnet)
    w.ec2.create_route(RouteTableId=_table(w, vpc), DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    return f"0.0.0.0/0 → internet gateway {gateway}"


def _own_table(w, vpc, subnet):
    gateway = _igw(w, vpc, subnet)
    table = w.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    w.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    w.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    return f"subnet {subnet} → route table {table} → 0.0.0.0/0 → internet gateway {gateway}"


def _egress_only(w, vpc, _):
    made = w.ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]
    return f"egress-only internet gateway {made['EgressOnlyInternetGatewayId']}"


def _carrier(w, vpc, _):
    return f"carrier gateway {w.ec2.create_carrier_gateway(VpcId=vpc)['CarrierGateway']['CarrierGatewayId']}"


def _nat(w, vpc, subnet):
    name = w.ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    w.ec2.create_route(RouteTableId=_table(w, vpc), DestinationCidrBlock="10.0.0.0/8", NatGatewayId=name)
    return f"10.0.0.0/8 → NAT gateway {name}"


def _vpn(w, vpc, _):
    gateway = w.ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    w.ec2.attach_vpn_gateway(VpcId=vpc, VpnGatewayId=gateway)
    customer = w.ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.7", BgpAsn=65000)["CustomerGateway"]
    made = w.ec2.create_vpn_connection(
        Type="ipsec.1", CustomerGatewayId=customer["CustomerGatewayId"], VpnGatewayId=gateway
    )
    return f"virtual private gateway {gateway} → VPN connection {made['VpnConnection']['VpnConnectionId']}"


def _transit(w, vpc, subnet):
    gateway = w.ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    made = w.ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=gateway, VpcId=vpc, SubnetIds=[subnet])
    return f"{gateway} → attachment {made['TransitGatewayVpcAttachment']['TransitGatewayAttachmentId']}"


def _peering(w, vpc, _):
    made = w.ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=w.vpc)["VpcPeeringConnection"]
    return f"peering connection {made['VpcPeeringConnectionId']} → VPC {w.vpc}"


def _peered_by_production(w, vpc, _):
    made = w.ec2.create_vpc_peering_connection(VpcId=w.vpc, PeerVpcId=vpc)["VpcPeeringConnection"]
    w.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=made["VpcPeeringConnectionId"])
    return f"peering connection {made['VpcPeeringConnectionId']} → VPC {w.vpc}"


def _peering_by_prefix_list(w, vpc, subnet):
    name = _peered_by_production(w, vpc, subnet).split()[2]
    made = w.ec2.create_managed_prefix_list(
        PrefixListName="corporate", MaxEntries=1, AddressFamily="IPv4", Entries=[{"Cidr": "10.20.0.0/16"}]
    )["PrefixList"]["PrefixListId"]
    w.ec2.create_route(RouteTableId=_table(w, vpc), DestinationPrefixListId=made, VpcPeeringConnectionId=name)
    return f"{made} → peering connection {name} → VPC {w.vpc}"


def _s3(w, vpc, _):
    made = w.ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3", VpcEndpointType="Gateway", RouteTableIds=[_table(w, vpc)]
    )["VpcEndpoint"]["VpcEndpointId"]
    return f"VPC endpoint {made} → service com.amazonaws.{REGION}.s3"


def _interface_endpoint(service):
    def leak(w, vpc, subnet):
        made = w.ec2.create_vpc_endpoint(
            VpcId=vpc, ServiceName=service, VpcEndpointType="Interface", SubnetIds=[subnet]
        )["VpcEndpoint"]["VpcEndpointId"]
        return f"interface endpoint {made} → {service}"

    return leak


def _endpoint_service(w, _vpc, subnet):
    made = w.clients["elbv2"].create_load_balancer(Name="n", Type="network", Scheme="internal", Subnets=[subnet])
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    service = w.ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[arn])
    return f"endpoint service {service['ServiceConfiguration']['ServiceId']} → {arn}"


def _resolver_rule(w, vpc, subnet):
    resolver = w.clients["route53resolver"]
    other = w.ec2.create_subnet(VpcId=w.vpc, CidrBlock="10.20.200.0/24")["Subnet"]["SubnetId"]
    group = w.ec2.create_security_group(GroupName="dns", Description="dns", VpcId=w.vpc)["GroupId"]
    out = resolver.create_resolver_endpoint(
        CreatorRequestId=vpc,
        SecurityGroupIds=[group],
        Direction="OUTBOUND",
        IpAddresses=[{"SubnetId": w.prod}, {"SubnetId": other}],
    )["ResolverEndpoint"]["Id"]
    rule = resolver.create_resolver_rule(
        CreatorRequestId=vpc + "r",
        RuleType="FORWARD",
        DomainName="corp.example",
        TargetIps=[{"Ip": "10.9.0.2", "Port": 53}],
        ResolverEndpointId=out,
    )["ResolverRule"]["Id"]
    resolver.associate_resolver_rule(ResolverRuleId=rule, VPCId=vpc)
    return f"resolver rule {rule} → corp.example → 10.9.0.2"


def _dhcp(w, vpc, _):
    servers = [{"Key": "domain-name-servers", "Values": ["10.9.0.2"]}]
    made = w.ec2.create_dhcp_options(DhcpConfigurations=servers)["DhcpOptions"]["DhcpOptionsId"]
    w.ec2.associate_dhcp_options(DhcpOptionsId=made, VpcId=vpc)
    return f"DHCP options {made} → name server 10.9.0.2"


def _lattice(w, vpc, _):
    lattice = w.clients["vpc-lattice"]
    network = lattice.create_service_network(name="shop-services")["id"]
    made = lattice.create_service_network_vpc_association(serviceNetworkIdentifier=network, vpcIdentifier=vpc)
    return f"VPC Lattice association {made['id']} → service network shop-services"


def _two_networks(w, _vpc, subnet):
    instance = w.ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"][0]
    interface = w.ec2.create_network_interface(SubnetId=w.prod)["NetworkInterface"]["NetworkInterfaceId"]
    w.ec2.attach_network_interface(InstanceId=instance["InstanceId"], NetworkInterfaceId=interface, DeviceIndex=1)
    return f"instance {instance['InstanceId']} → network interface {interface} → VPC {w.vpc}"


def _second_foot(w, _vpc, subnet):
    """An instance of production with a second interface in the drill network."""
    instance = w.ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1, SubnetId=w.prod)["Instances"][0]
    interface = w.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    w.ec2.attach_network_interface(InstanceId=instance["InstanceId"], NetworkInterfaceId=interface, DeviceIndex=1)
    return f"instance {instance['InstanceId']} → network interface"


def _edge(operation, said, **item):
    def leak(w, vpc, subnet):
        own = {
            key: value.format(vpc=vpc, subnet=subnet) if isinstance(value, str) else value
            for key, value in item.items()
        }
        w.simulator.control("POST", "network_edges", {"operation": operation, "region": REGION, "items": [own]})
        return said

    return leak


def _verified_access(w, _vpc, subnet):
    item = {
        "VerifiedAccessEndpointId": "vae-1",
        "Status": {"Code": "active"},
        "LoadBalancerOptions": {"SubnetIds": [subnet]},
    }
    w.simulator.control(
        "POST", "network_edges", {"operation": "DescribeVerifiedAccessEndpoints", "region": REGION, "items": [item]}
    )
    return "Verified Access endpoint vae-1"


def _lambda(w, _vpc, subnet):
    interface = w.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    w.simulator.control(
        "POST",
        "network_edges",
        {"interface": interface, "region": REGION, "type": "lambda", "description": "AWS Lambda VPC ENI-freeze"},
    )
    return f"network interface {interface} (AWS Lambda VPC ENI-freeze) → Lambda"


LEAKS = {
    "an internet gateway": _igw,
    "a route to an internet gateway": _igw_route,
    "one subnet with a table of its own": _own_table,
    "an egress-only gateway": _egress_only,
    "a carrier gateway": _carrier,
    "a NAT gateway": _nat,
    "a VPN": _vpn,
    "a transit gateway": _transit,
    "a peering that waits": _peering,
    "a peering that production asked for": _peered_by_production,
    "a peering by prefix list": _peering_by_prefix_list,
    "the S3 endpoint": _s3,
    "an interface endpoint": _interface_endpoint(f"com.amazonaws.{REGION}.sqs"),
    "the SSM endpoint with AWS's policy": _interface_endpoint(f"com.amazonaws.{REGION}.ssm"),
    "a PrivateLink service": _interface_endpoint("com.amazonaws.vpce.us-west-2.vpce-svc-0abc"),
    "an endpoint service": _endpoint_service,
    "a resolver rule": _resolver_rule,
    "a name server by DHCP": _dhcp,
    "VPC Lattice": _lattice,
    "an instance in two networks": _two_networks,
    "production's second foot": _second_foot,
    "an instance connect endpoint": _edge(
        "DescribeInstanceConnectEndpoints",
        "Instance Connect endpoint eice-1",
        InstanceConnectEndpointId="eice-1",
        VpcId="{vpc}",
        SubnetId="{subnet}",
        State="create-complete",
    ),
    "a client VPN": _edge(
        "DescribeClientVpnEndpoints",
        "client VPN endpoint cvpn-endpoint-1",
        ClientVpnEndpointId="cvpn-endpoint-1",
        VpcId="{vpc}",
        Status={"Code": "available"},
    ),
    "an Outpost": _edge(
        "DescribeLocalGatewayRouteTableVpcAssociations",
        "local gateway lgw-1",
        LocalGatewayId="lgw-1",
        VpcId="{vpc}",
        State="associated",
    ),
    "a Route 53 profile": _edge(
        "ListProfileAssociations", "Route 53 profile rp-1", ProfileId="rp-1", ResourceId="{vpc}"
    ),
    "Verified Access": _verified_access,
    "Lambda": _lambda,
}


def test_there_are_more_than_twenty_seeded_ways():
    assert len(LEAKS) > 20


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_a_standing_network_that_leaks_is_refused_and_the_way_is_named(world, leak):
    vpc, subnet = standing(world)
    assert prove(world.hook.network_facts(vpc)).is_isolated
    way, context = leak(world, vpc, subnet), context_of()
    groups = account(world.ec2)["SecurityGroups"]

    with pytest.raises(AirflowFailException) as refused:
        prepare(world, context, network=vpc)

    first, *ways = str(refused.value).splitlines()
    assert (
        first
        == f"drill network {vpc} is not isolated, {len(ways)} way{'s'[: len(ways) != 1]} out; nothing was launched:"
    )
    assert any(way in line for line in ways), ways
    assert context["pushed"]["network"]["networks"][0]["proof"]["isolated"] is False
    assert account(world.ec2)["SecurityGroups"] == groups


def test_an_isolated_drill_from_the_first_task_to_the_last(world):
    context = context_of()
    network = prepare(world, context)
    (one,) = network["networks"]
    placement = KnownPlacement(world.prod, (), vpc_id=world.vpc)

    assert (network["kind"], one["production_vpc"], one["proof"]["isolated"]) == ("isolated", world.vpc, True)
    assert in_drill_network(placement, {"private_ip": "10.20.0.10"}, PreparedNetworks.from_json(network).networks) == {
        "subnet_id": one["subnets"][world.prod],
        "security_group_ids": one["default"]["security_group_ids"],
    }
    assert prepare(world, placements=None)["networks"] == network["networks"]
    result = remove(world, network=network)
    assert (result["left"], [proof["isolated"] for proof in result["proofs"]]) == ({}, [True])
    assert account(world.ec2) == world.before


def test_a_standing_network_is_used_by_zone_and_gets_copies_of_the_groups(world):
    vpc, subnet = standing(world)
    before = account(world.ec2)
    network = prepare(world, network=vpc)
    (one,) = network["networks"]
    placement = KnownPlacement(world.prod, (), vpc_id=None)

    assert one["subnets"] == {world.prod: subnet, world.web: subnet}
    assert one["notes"] == [
        f"no subnet of the drill network is in us-west-2b as {world.web} is: its servers land in {subnet} (us-west-2a)"
    ]
    assert in_drill_network(placement, {"private_ip": "10.20.0.10"}, PreparedNetworks.from_json(network).networks) == {
        "subnet_id": subnet,
        "security_group_ids": one["default"]["security_group_ids"],
        "private_ip": "10.99.0.10",
        "copy_private_ip": False,
    }
    remove(world, network=network)
    assert account(world.ec2) == before


def test_a_network_that_is_opened_while_the_drill_runs_makes_the_end_red(world):
    network = prepare(world)
    vpc = network["networks"][0]["vpc_id"]
    gateway, context = _igw(world, vpc, ""), context_of()

    with pytest.raises(TaskDeferred):  # EC2 does not delete a VPC with a gateway; it is waited for
        remove(world, context, network=network)
    assert context["pushed"]["removed"]["left"] == {
        vpc: f"DependencyViolation: The vpc '{vpc}' has dependencies and cannot be deleted."
    }
    world.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    with pytest.raises(AirflowFailException) as red:
        remove(world, context, network=network)

    assert str(red.value) == (
        f"drill network {vpc} was opened while the drill ran, 1 way out at its end; what the drill's servers did "
        f"outside is not known:\n  - VPC {vpc} → internet gateway {gateway}: the internet is one route away. Detach "
        f"{gateway} from the VPC, or use a network without it"
    )
    assert context["pushed"]["removed"]["proofs"][0]["changed"] == ["internet gateways"]
    assert world.hook.parts_of(TAGS[RUN]).ids == ()


def test_what_is_in_use_is_left_and_it_is_said_what_holds_it(world):
    network = prepare(world)
    (one,) = network["networks"]
    subnet, group = one["subnets"][world.prod], one["default"]["security_group_ids"][0]
    run = world.ec2.run_instances(
        ImageId="ami-12345678", MinCount=1, MaxCount=1, SubnetId=subnet, SecurityGroupIds=[group]
    )["Instances"][0]
    interface = run["NetworkInterfaces"][0]["NetworkInterfaceId"]
    with pytest.raises(AirflowFailException) as left:
        remove(world, max_wait=timedelta(0))

    assert str(left.value) == (
        "3 parts of the drill network are still there; clear this task to try again:\n"
        f"  - {group}: in use by {interface} of {run['InstanceId']}\n"
        f"  - {subnet}: in use by {interface} of {run['InstanceId']}\n"
        f"  - {one['vpc_id']}: parts of it are still there"
    )
    world.ec2.terminate_instances(InstanceIds=[run["InstanceId"]])
    world.ec2.delete_network_interface(NetworkInterfaceId=interface)
    assert remove(world)["left"] == {}


def test_another_runs_network_is_left_alone(world):
    make(world)
    other = drill_tags(dag_id="drs.shop", run_id="manual__2", expires=datetime(2026, 1, 1, tzinfo=UTC))

    assert world.hook.remove(other[RUN]) == ((), {})
    assert len(world.hook.parts_of(TAGS[RUN]).ids) == 10


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("ec2", "DescribeTransitGatewayVpcAttachments", "ec2:DescribeTransitGatewayVpcAttachments"),
        ("route53resolver", "ListResolverRuleAssociations", "route53resolver:ListResolverRuleAssociations"),
        ("elasticloadbalancing", "DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers"),
    ],
)
def test_what_may_not_be_looked_at_is_no_proof(world, service, operation, action):
    world.simulator.fault({"service": service, "operation": operation, "do": "access_denied"})
    with pytest.raises(AccessDenied) as refused:
        world.hook.network_facts(world.vpc)
    world.simulator.no_faults()

    assert str(refused.value).startswith(f"{action}: ")
    assert "docs/permissions.md" in str(refused.value)


def test_a_network_that_does_not_exist_is_refused(world):
    with pytest.raises(NotFound) as refused:
        world.hook.network_facts("vpc-0drill")

    assert str(refused.value) == (
        "ec2:DescribeVpcs: InvalidVpcID.NotFound: there is no VPC vpc-0drill in us-west-2: name a VPC of the recovery "
        "account and Region"
    )


def test_the_production_network_is_no_drill_network(world):
    with pytest.raises(AirflowFailException) as refused:
        prepare(world, network=world.vpc)

    assert str(refused.value) == (
        f"drill.network names {world.vpc}, which is where the servers are recovered to: a drill network must be "
        "another VPC"
    )
