"""A network of one VPC as AWS describes it, clean, and every way in which it can be made to leak."""

from dataclasses import replace
from typing import Any

from drs_provider.rules.isolation.facts import NetworkFacts

ACCOUNT, VPC, OTHER = "111122223333", "vpc-drill", "vpc-prod"
OPEN_POLICY = '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}'
LOCAL = {"DestinationCidrBlock": "10.20.0.0/16", "GatewayId": "local", "State": "active"}


def table(
    *routes: dict[str, Any], name: str = "rtb-1", main: bool = True, subnets: tuple[str, ...] = ()
) -> dict[str, Any]:
    associations = [{"SubnetId": subnet, "RouteTableId": name} for subnet in subnets]
    return {
        "RouteTableId": name,
        "Associations": [*([{"Main": True, "RouteTableId": name}] if main else []), *associations],
        "Routes": [LOCAL, *routes],
    }


def to(target: str, key: str = "GatewayId", destination: str = "0.0.0.0/0", **more: Any) -> dict[str, Any]:
    return {"DestinationCidrBlock": destination, key: target, "State": "active", **more}


CLEAN = NetworkFacts(
    account=ACCOUNT,
    vpc={"VpcId": VPC, "CidrBlock": "10.20.0.0/16", "OwnerId": ACCOUNT, "DhcpOptionsId": "dopt-1"},
    subnets=(
        {"SubnetId": "subnet-a", "CidrBlock": "10.20.0.0/24", "OwnerId": ACCOUNT},
        {"SubnetId": "subnet-b", "CidrBlock": "10.20.1.0/24", "OwnerId": ACCOUNT},
    ),
    route_tables=(table(),),
    security_groups=(
        {"GroupId": "sg-1", "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.20.0.0/16"}]}]},
    ),
    network_acls=(
        {
            "NetworkAclId": "acl-1",
            "IsDefault": True,
            "Associations": [{"SubnetId": "subnet-a"}, {"SubnetId": "subnet-b"}],
            "Entries": [
                {"Egress": True, "RuleNumber": 100, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"},
                {"Egress": True, "RuleNumber": 32767, "RuleAction": "deny", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"},
            ],
        },
    ),
    network_interfaces=(
        {"NetworkInterfaceId": "eni-1", "OwnerId": ACCOUNT, "InterfaceType": "interface", "RequesterManaged": False},
    ),
    dhcp_options=(
        {
            "DhcpOptionsId": "dopt-1",
            "DhcpConfigurations": [
                {"Key": "domain-name-servers", "Values": [{"Value": "AmazonProvidedDNS"}]},
                {"Key": "ntp-servers", "Values": [{"Value": "169.254.169.123"}]},
                {"Key": "domain-name", "Values": [{"Value": "us-west-2.compute.internal"}]},
            ],
        },
    ),
    resolver_rules=({"Id": "rslvr-autodefined-rr-internet-resolver", "RuleType": "RECURSIVE", "DomainName": "."},),
)


def with_routes(facts: NetworkFacts, *routes: dict[str, Any]) -> NetworkFacts:
    """Add routes to the first route table."""
    first = facts.route_tables[0]
    changed = {**first, "Routes": [*first["Routes"], *routes]}
    return replace(facts, route_tables=(changed, *facts.route_tables[1:]))


def adding(part: str, *answers: dict[str, Any]):
    """Make a change that adds answers to one part of the facts."""
    return lambda facts: replace(facts, **{part: (*getattr(facts, part), *answers)})


def routing(*routes: dict[str, Any]):
    """Make a change that adds routes."""
    return lambda facts: with_routes(facts, *routes)


def endpoint(name: str, service: str, kind: str = "Interface", **more: Any) -> dict[str, Any]:
    return {"VpcEndpointId": name, "VpcEndpointType": kind, "ServiceName": service, "State": "available", **more}


def dhcp(key: str, value: str):
    """Make a change that replaces the DHCP options."""
    entry = {"Key": key, "Values": [{"Value": value}]}
    options = {"DhcpOptionsId": "dopt-2", "DhcpConfigurations": [entry]}
    return lambda facts: replace(facts, dhcp_options=(options,))


def _table(*answers):
    return lambda facts: replace(facts, route_tables=(*facts.route_tables, *answers))


_AWS = "com.amazonaws.us-west-2"
_ALL = "subnets subnet-a, subnet-b → route table rtb-1 (main)"
_PEER = {
    "VpcPeeringConnectionId": "pcx-1",
    "Status": {"Code": "active"},
    "RequesterVpcInfo": {"VpcId": VPC, "OwnerId": ACCOUNT},
    "AccepterVpcInfo": {"VpcId": OTHER, "OwnerId": "444455556666"},
}
_VGW = {"VpnGatewayId": "vgw-1", "State": "available", "VpcAttachments": [{"VpcId": VPC, "State": "attached"}]}
_VPN = {"VpnConnectionId": "vpn-1", "VpnGatewayId": "vgw-1", "State": "available"}
_IGW = {"InternetGatewayId": "igw-1", "Attachments": [{"VpcId": VPC, "State": "available"}]}
_NLB = "arn:aws:elasticloadbalancing:us-west-2:111122223333:loadbalancer/net/n/1"

LEAKS = {
    "internet gateway route": (routing(to("igw-1")), f"{_ALL} → 0.0.0.0/0 → internet gateway igw-1"),
    "egress-only route": (
        routing({"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1", "State": "active"}),
        f"{_ALL} → ::/0 → egress-only internet gateway eigw-1",
    ),
    "NAT route": (routing(to("nat-1", "NatGatewayId")), f"{_ALL} → 0.0.0.0/0 → NAT gateway nat-1"),
    "VPN route": (
        lambda facts: replace(
            with_routes(facts, to("vgw-1", destination="192.168.0.0/16")), vpn_gateways=(_VGW,), vpn_connections=(_VPN,)
        ),
        f"{_ALL} → 192.168.0.0/16 → virtual private gateway vgw-1 → VPN connection vpn-1",
    ),
    "transit gateway route": (
        routing(to("tgw-1", "TransitGatewayId", "10.0.0.0/8")),
        f"{_ALL} → 10.0.0.0/8 → transit gateway tgw-1",
    ),
    "peering route": (
        lambda facts: replace(
            with_routes(facts, to("pcx-1", "VpcPeeringConnectionId", "10.30.0.0/16")), peerings=(_PEER,)
        ),
        f"{_ALL} → 10.30.0.0/16 → peering connection pcx-1 → VPC vpc-prod of account 444455556666",
    ),
    "carrier route": (
        routing(to("cagw-1", "CarrierGatewayId", "198.51.100.0/24")),
        f"{_ALL} → 198.51.100.0/24 → carrier gateway cagw-1",
    ),
    "local gateway route": (
        routing(to("lgw-1", "LocalGatewayId", "172.16.0.0/12")),
        f"{_ALL} → 172.16.0.0/12 → local gateway lgw-1",
    ),
    "Cloud WAN route": (
        routing(to("arn:aws:networkmanager::1:core-network/c-1", "CoreNetworkArn", "10.0.0.0/8")),
        f"{_ALL} → 10.0.0.0/8 → Cloud WAN core network arn:aws:networkmanager::1:core-network/c-1",
    ),
    "appliance route": (
        routing(to("eni-1", "NetworkInterfaceId", "10.30.0.0/16")),
        f"{_ALL} → 10.30.0.0/16 → network interface eni-1",
    ),
    "stopped appliance": (
        routing({**to("eni-1", "NetworkInterfaceId"), "State": "blackhole"}),
        f"{_ALL} → 0.0.0.0/0 → network interface eni-1",
    ),
    "inspection endpoint route": (
        routing(to("vpce-9")),
        f"{_ALL} → 0.0.0.0/0 → VPC endpoint vpce-9",
    ),
    "S3 gateway endpoint": (
        lambda facts: replace(
            with_routes(facts, {"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "State": "active"}),
            vpc_endpoints=(endpoint("vpce-1", f"{_AWS}.s3", "Gateway", RouteTableIds=["rtb-1"]),),
        ),
        f"{_ALL} → pl-1 → VPC endpoint vpce-1 → service {_AWS}.s3",
    ),
    "a target of tomorrow": (
        routing({"DestinationCidrBlock": "0.0.0.0/0", "TeleporterId": "tp-1", "State": "active"}),
        f"{_ALL} → 0.0.0.0/0 → unknown target tp-1",
    ),
    "a table of one subnet": (
        _table(table(to("igw-1"), name="rtb-2", main=False, subnets=("subnet-b",))),
        "subnet subnet-b → route table rtb-2 → 0.0.0.0/0 → internet gateway igw-1",
    ),
    "the main table behind explicit ones": (
        lambda facts: replace(
            facts,
            route_tables=(table(to("igw-1")), table(name="rtb-2", main=False, subnets=("subnet-a", "subnet-b"))),
        ),
        "any new subnet → route table rtb-1 (main) → 0.0.0.0/0 → internet gateway igw-1",
    ),
    "internet gateway": (adding("internet_gateways", _IGW), f"VPC {VPC} → internet gateway igw-1"),
    "egress-only gateway": (
        adding(
            "egress_only_gateways",
            {"EgressOnlyInternetGatewayId": "eigw-1", "Attachments": [{"VpcId": VPC, "State": "attached"}]},
        ),
        f"VPC {VPC} → egress-only internet gateway eigw-1",
    ),
    "carrier gateway": (
        adding("carrier_gateways", {"CarrierGatewayId": "cagw-1", "State": "available"}),
        f"VPC {VPC} → carrier gateway cagw-1",
    ),
    "NAT gateway": (
        adding("nat_gateways", {"NatGatewayId": "nat-1", "State": "available"}),
        f"VPC {VPC} → NAT gateway nat-1",
    ),
    "VPN gateway": (
        lambda facts: replace(facts, vpn_gateways=(_VGW,), vpn_connections=(_VPN,)),
        f"VPC {VPC} → virtual private gateway vgw-1 → VPN connection vpn-1",
    ),
    "transit gateway attachment": (
        adding(
            "transit_gateway_attachments",
            {"TransitGatewayId": "tgw-1", "TransitGatewayAttachmentId": "tgw-attach-1", "State": "available"},
        ),
        f"VPC {VPC} → transit gateway tgw-1 → attachment tgw-attach-1",
    ),
    "peering": (
        adding("peerings", _PEER),
        f"VPC {VPC} → peering connection pcx-1 → VPC vpc-prod of account 444455556666",
    ),
    "peering that waits": (
        adding("peerings", {**_PEER, "Status": {"Code": "pending-acceptance"}}),
        f"VPC {VPC} → peering connection pcx-1 → VPC vpc-prod of account 444455556666",
    ),
    "local gateway": (
        adding("local_gateway_associations", {"LocalGatewayId": "lgw-1", "State": "associated"}),
        f"VPC {VPC} → local gateway lgw-1",
    ),
    "interface endpoint": (
        adding("vpc_endpoints", endpoint("vpce-1", f"{_AWS}.sqs")),
        f"VPC {VPC} → interface endpoint vpce-1 → {_AWS}.sqs",
    ),
    "PrivateLink endpoint": (
        adding("vpc_endpoints", endpoint("vpce-1", "com.amazonaws.vpce.us-west-2.vpce-svc-1")),
        f"VPC {VPC} → interface endpoint vpce-1 → com.amazonaws.vpce.us-west-2.vpce-svc-1",
    ),
    "a service that is only called ssm": (
        adding("vpc_endpoints", endpoint("vpce-1", "evil.example.ssm")),
        f"VPC {VPC} → interface endpoint vpce-1 → evil.example.ssm",
    ),
    "gateway load balancer endpoint": (
        adding("vpc_endpoints", endpoint("vpce-1", "com.amazonaws.vpce.us-west-2.vpce-svc-2", "GatewayLoadBalancer")),
        f"VPC {VPC} → gatewayloadbalancer endpoint vpce-1 → com.amazonaws.vpce.us-west-2.vpce-svc-2",
    ),
    "resource endpoint": (
        adding(
            "vpc_endpoints",
            {
                "VpcEndpointId": "vpce-1",
                "VpcEndpointType": "Resource",
                "State": "available",
                "ResourceConfigurationArn": "arn:r",
            },
        ),
        f"VPC {VPC} → resource endpoint vpce-1 → arn:r",
    ),
    "SSM endpoint with AWS's policy": (
        adding("vpc_endpoints", endpoint("vpce-1", f"{_AWS}.ssm", PolicyDocument=OPEN_POLICY)),
        f"VPC {VPC} → interface endpoint vpce-1 → {_AWS}.ssm",
    ),
    "logs endpoint without a policy": (
        adding("vpc_endpoints", endpoint("vpce-1", f"{_AWS}.logs")),
        f"VPC {VPC} → interface endpoint vpce-1 → {_AWS}.logs",
    ),
    "endpoint service": (
        lambda facts: replace(
            facts,
            load_balancers=({"LoadBalancerArn": _NLB, "VpcId": VPC},),
            vpc_endpoint_services=(
                {"ServiceId": "vpce-svc-1", "ServiceState": "Available", "NetworkLoadBalancerArns": [_NLB]},
            ),
        ),
        f"other VPCs → endpoint service vpce-svc-1 → {_NLB}",
    ),
    "instance connect endpoint": (
        adding(
            "instance_connect_endpoints",
            {"InstanceConnectEndpointId": "eice-1", "SubnetId": "subnet-a", "State": "create-complete"},
        ),
        "EC2 Instance Connect endpoint eice-1 → subnet subnet-a",
    ),
    "client VPN": (
        adding("client_vpn_endpoints", {"ClientVpnEndpointId": "cvpn-1", "Status": {"Code": "available"}}),
        f"VPN clients → client VPN endpoint cvpn-1 → VPC {VPC}",
    ),
    "Verified Access": (
        adding("verified_access_endpoints", {"VerifiedAccessEndpointId": "vae-1", "Status": {"Code": "active"}}),
        f"the internet → Verified Access endpoint vae-1 → VPC {VPC}",
    ),
    "resolver rule": (
        adding(
            "resolver_rules",
            {"Id": "rr-1", "RuleType": "FORWARD", "DomainName": "corp.example.", "TargetIps": [{"Ip": "10.9.0.2"}]},
        ),
        f"DNS of VPC {VPC} → resolver rule rr-1 → corp.example → 10.9.0.2",
    ),
    "a rule that cannot be read": (
        adding("resolver_rules", {"Id": "rr-1", "RuleType": "unknown"}),
        f"DNS of VPC {VPC} → resolver rule rr-1 → all domains → elsewhere",
    ),
    "resolver endpoint": (
        adding("resolver_endpoints", {"Id": "rslvr-out-1", "Direction": "OUTBOUND"}),
        f"VPC {VPC} → Route 53 resolver endpoint rslvr-out-1 (outbound)",
    ),
    "Route 53 profile": (
        adding("dns_profiles", {"ProfileId": "rp-1"}),
        f"DNS of VPC {VPC} → Route 53 profile rp-1",
    ),
    "DHCP name server": (
        dhcp("domain-name-servers", "10.9.0.2"),
        f"VPC {VPC} → DHCP options dopt-2 → name server 10.9.0.2",
    ),
    "DHCP time server": (
        dhcp("ntp-servers", "10.9.0.3"),
        f"VPC {VPC} → DHCP options dopt-2 → time server 10.9.0.3",
    ),
    "VPC Lattice": (
        adding(
            "lattice_associations",
            {"id": "snva-1", "status": "ACTIVE", "serviceNetworkId": "sn-1", "serviceNetworkName": "shop"},
        ),
        f"VPC {VPC} → VPC Lattice association snva-1 → service network shop",
    ),
    "Lambda": (
        adding(
            "network_interfaces",
            {
                "NetworkInterfaceId": "eni-2",
                "OwnerId": ACCOUNT,
                "InterfaceType": "lambda",
                "RequesterManaged": True,
                "Description": "AWS Lambda VPC ENI-freeze",
            },
        ),
        "network interface eni-2 (AWS Lambda VPC ENI-freeze) → Lambda",
    ),
    "a database": (
        adding(
            "network_interfaces",
            {
                "NetworkInterfaceId": "eni-2",
                "OwnerId": ACCOUNT,
                "RequesterManaged": True,
                "RequesterId": "amazon-rds",
                "Description": "RDSNetworkInterface",
            },
        ),
        "network interface eni-2 (RDSNetworkInterface) → service amazon-rds",
    ),
    "somebody else's interface": (
        adding(
            "network_interfaces", {"NetworkInterfaceId": "eni-2", "OwnerId": "999988887777", "SubnetId": "subnet-a"}
        ),
        "network interface eni-2 → account 999988887777",
    ),
    "an instance in two networks": (
        adding(
            "instances",
            {
                "InstanceId": "i-1",
                "State": {"Name": "running"},
                "NetworkInterfaces": [
                    {"NetworkInterfaceId": "eni-1", "VpcId": VPC},
                    {"NetworkInterfaceId": "eni-9", "VpcId": OTHER},
                ],
            },
        ),
        f"instance i-1 → network interface eni-9 → VPC {OTHER}",
    ),
    "a shared VPC": (
        lambda facts: replace(facts, vpc={**facts.vpc, "OwnerId": "999988887777"}),
        f"VPC {VPC} → account 999988887777",
    ),
}
"""By name: what makes the clean network leak, and the path that has to be named."""

HARMLESS = {
    "nothing": lambda facts: facts,
    "an open security group": adding(
        "security_groups",
        {"GroupId": "sg-2", "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]},
    ),
    "a black hole": routing({**to("pcx-9", "VpcPeeringConnectionId", "10.30.0.0/16"), "State": "blackhole"}),
    "a detour inside": routing(to("eni-1", "NetworkInterfaceId", "10.20.1.0/24")),
    "a route table that nobody uses": _table(table(to("igw-1"), name="rtb-2", main=False)),
    "a gateway endpoint that no route table knows": adding(
        "vpc_endpoints", endpoint("vpce-1", f"{_AWS}.s3", "Gateway", RouteTableIds=[])
    ),
    "a deleted endpoint": adding("vpc_endpoints", {**endpoint("vpce-1", f"{_AWS}.sqs"), "State": "deleted"}),
    "a rejected peering": adding("peerings", {**_PEER, "Status": {"Code": "rejected"}}),
    "a detached internet gateway": adding("internet_gateways", {**_IGW, "Attachments": []}),
    "a private channel of the agent": adding(
        "vpc_endpoints",
        endpoint("vpce-1", f"{_AWS}.ssmmessages", NetworkInterfaceIds=["eni-3"]),
    ),
    "a private endpoint with a policy": adding(
        "vpc_endpoints",
        endpoint(
            "vpce-1",
            f"{_AWS}.ssm",
            PolicyDocument='{"Statement": [{"Effect": "Allow", "Action": ["ssm:GetDocument"]}]}',
        ),
    ),
    "a name server of its own": dhcp("domain-name-servers", "10.20.0.53"),
    "an instance that is gone": adding(
        "instances",
        {
            "InstanceId": "i-1",
            "State": {"Name": "terminated"},
            "NetworkInterfaces": [{"NetworkInterfaceId": "eni-9", "VpcId": OTHER}],
        },
    ),
}
"""By name: what lies in a network and leads nowhere."""
