"""Everything that AWS says about one network, for ``rules.isolation``; a look that is not allowed is an error."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from drs_provider.exceptions import AwsError, NotFound
from drs_provider.hooks.drs import DrsHook, in_batches, side_by_side
from drs_provider.hooks.error_mapping import translated
from drs_provider.rules.answers import Answer
from drs_provider.rules.isolation.blueprint import Production
from drs_provider.rules.isolation.facts import NetworkFacts

NO_SUCH_FEATURE: Final = frozenset({"UnsupportedOperation", "InvalidAction"})
"""What a Region says that has no Outposts, no Wavelength Zones or no Verified Access: then there is none to leak."""


@dataclass(frozen=True)
class Read:
    """One look: the part of the facts that it fills, whom it asks, and what of the answer belongs to the VPC."""

    part: str
    service: str
    operation: str
    key: str
    arguments: Callable[[str], Mapping[str, Any]] = lambda _: {}
    belongs: Callable[[Answer, str], bool] = lambda _one, _vpc: True

    @property
    def action(self) -> str:
        """The permission that it needs: ``ec2:DescribeRouteTables``."""
        name = "".join(part.capitalize() for part in self.operation.split("_"))
        service = {"elbv2": "elasticloadbalancing"}.get(self.service, self.service)
        return f"{service}:{name}"


def _filter(name: str, member: str = "Filters") -> Callable[[str], Mapping[str, Any]]:
    return lambda vpc: {member: [{"Name": name, "Values": [vpc]}]}


def _attached(member: str) -> Callable[[Answer, str], bool]:
    return lambda answer, vpc: any(part.get("VpcId") == vpc for part in answer.get(member) or ())


def _is_peer(peering: Answer, vpc: str) -> bool:
    return vpc in (
        (peering.get("RequesterVpcInfo") or {}).get("VpcId"),
        (peering.get("AccepterVpcInfo") or {}).get("VpcId"),
    )


def _in_vpc(answer: Answer, vpc: str) -> bool:
    return bool(answer.get("VpcId") == vpc)


READS: Final = (
    Read("subnets", "ec2", "describe_subnets", "Subnets", _filter("vpc-id")),
    Read("route_tables", "ec2", "describe_route_tables", "RouteTables", _filter("vpc-id")),
    Read("internet_gateways", "ec2", "describe_internet_gateways", "InternetGateways", _filter("attachment.vpc-id")),
    Read(
        "egress_only_gateways",
        "ec2",
        "describe_egress_only_internet_gateways",
        "EgressOnlyInternetGateways",
        belongs=_attached("Attachments"),
    ),
    Read("carrier_gateways", "ec2", "describe_carrier_gateways", "CarrierGateways", _filter("vpc-id")),
    Read("nat_gateways", "ec2", "describe_nat_gateways", "NatGateways", _filter("vpc-id", "Filter")),
    Read("vpn_gateways", "ec2", "describe_vpn_gateways", "VpnGateways", _filter("attachment.vpc-id")),
    Read("vpn_connections", "ec2", "describe_vpn_connections", "VpnConnections"),
    Read(
        "transit_gateway_attachments",
        "ec2",
        "describe_transit_gateway_vpc_attachments",
        "TransitGatewayVpcAttachments",
        _filter("vpc-id"),
    ),
    Read(
        "peerings",
        "ec2",
        "describe_vpc_peering_connections",
        "VpcPeeringConnections",
        _filter("requester-vpc-info.vpc-id"),
        _is_peer,
    ),
    Read(
        "peerings",
        "ec2",
        "describe_vpc_peering_connections",
        "VpcPeeringConnections",
        _filter("accepter-vpc-info.vpc-id"),
        _is_peer,
    ),
    Read("vpc_endpoints", "ec2", "describe_vpc_endpoints", "VpcEndpoints", _filter("vpc-id")),
    Read("vpc_endpoint_services", "ec2", "describe_vpc_endpoint_service_configurations", "ServiceConfigurations"),
    Read("load_balancers", "elbv2", "describe_load_balancers", "LoadBalancers", belongs=_in_vpc),
    Read("security_groups", "ec2", "describe_security_groups", "SecurityGroups", _filter("vpc-id")),
    Read("network_acls", "ec2", "describe_network_acls", "NetworkAcls", _filter("vpc-id")),
    Read("network_interfaces", "ec2", "describe_network_interfaces", "NetworkInterfaces", _filter("vpc-id")),
    Read(
        "instance_connect_endpoints",
        "ec2",
        "describe_instance_connect_endpoints",
        "InstanceConnectEndpoints",
        _filter("vpc-id"),
    ),
    Read("client_vpn_endpoints", "ec2", "describe_client_vpn_endpoints", "ClientVpnEndpoints", belongs=_in_vpc),
    Read("verified_access_endpoints", "ec2", "describe_verified_access_endpoints", "VerifiedAccessEndpoints"),
    Read(
        "local_gateway_associations",
        "ec2",
        "describe_local_gateway_route_table_vpc_associations",
        "LocalGatewayRouteTableVpcAssociations",
        _filter("vpc-id"),
    ),
    Read(
        "resolver_associations",
        "route53resolver",
        "list_resolver_rule_associations",
        "ResolverRuleAssociations",
        _filter("VPCId"),
    ),
    Read("resolver_rules", "route53resolver", "list_resolver_rules", "ResolverRules"),
    Read(
        "resolver_endpoints",
        "route53resolver",
        "list_resolver_endpoints",
        "ResolverEndpoints",
        _filter("HostVPCId"),
        lambda answer, vpc: answer.get("HostVPCId") == vpc,
    ),
    Read(
        "dns_profiles",
        "route53profiles",
        "list_profile_associations",
        "ProfileAssociations",
        lambda vpc: {"ResourceId": vpc},
    ),
    Read(
        "lattice_associations",
        "vpc-lattice",
        "list_service_network_vpc_associations",
        "items",
        lambda vpc: {"vpcIdentifier": vpc},
    ),
)
"""All looks that take nothing but the VPC's id; the permissions that they need stand in docs/permissions.md."""


class NetworkFactsHook(DrsHook):
    """A :class:`DrsHook` that also looks at networks. Reads only; every one may be repeated."""

    def network_facts(self, vpc_id: str) -> NetworkFacts:
        """Return all that is known about a VPC, some thirty calls at a time by eight.

        :raises NotFound: there is no such VPC in the account and Region
        :raises AccessDenied: one of the looks is not allowed; its message names the permission
        """
        vpc = self.vpcs([vpc_id]).get(vpc_id)
        if vpc is None:
            message = f"there is no VPC {vpc_id} in {self.region}: name a VPC of the recovery account and Region"
            raise NotFound("ec2:DescribeVpcs", "InvalidVpcID.NotFound", message)
        for read in READS:
            self._beside(read.service)  # made once, before threads ask for it
        self._beside("route53")
        parts: dict[str, list[Answer]] = {}
        for read, answers in zip(READS, side_by_side(lambda answer: self._look(answer, vpc_id), READS), strict=True):
            known = parts.setdefault(read.part, [])
            known += [answer for answer in answers if answer not in known]
        associated = {association["ResolverRuleId"] for association in parts.pop("resolver_associations")}
        return NetworkFacts(
            account=self.caller_account(),
            vpc=vpc,
            **{
                name: tuple(answers)
                for name, answers in parts.items()
                if name
                not in ("resolver_rules", "vpn_connections", "verified_access_endpoints", "vpc_endpoint_services")
            },
            resolver_rules=tuple(_associated(parts["resolver_rules"], associated)),
            vpn_connections=_of(parts["vpn_connections"], "VpnGatewayId", _ids(parts["vpn_gateways"], "VpnGatewayId")),
            verified_access_endpoints=tuple(_verified(parts)),
            vpc_endpoint_services=tuple(_served(parts)),
            instances=self._instances_of(parts["network_interfaces"]),
            dhcp_options=tuple(self._named("describe_dhcp_options", "dhcp-options-id", [vpc.get("DhcpOptionsId")])),
            hosted_zones=self._hosted_zones(vpc_id),
            prefix_lists=self.prefix_lists(parts["security_groups"], parts["route_tables"]),
        )

    def vpcs(self, vpc_ids: Iterable[str]) -> dict[str, Answer]:
        """Return these VPCs by id; unknown ones are absent."""
        return {vpc["VpcId"]: vpc for vpc in self._named("describe_vpcs", "vpc-id", vpc_ids)}

    def default_vpc(self) -> str | None:
        """Return the id of the Region's default VPC; None: there is none."""
        return next((vpc["VpcId"] for vpc in self._named("describe_vpcs", "is-default", ["true"])), None)

    def vpc_of_subnets(self, subnet_ids: Iterable[str]) -> dict[str, str]:
        """Return the VPC of each of these subnets; unknown ones are absent."""
        return {
            subnet["SubnetId"]: subnet["VpcId"] for subnet in self._named("describe_subnets", "subnet-id", subnet_ids)
        }

    def cidrs_of_subnets(self, subnet_ids: Iterable[str]) -> dict[str, str]:
        """Return the IPv4 range of each of these subnets."""
        found = self._named("describe_subnets", "subnet-id", subnet_ids)
        return {subnet["SubnetId"]: subnet["CidrBlock"] for subnet in found if subnet.get("CidrBlock")}

    def production(self, vpc_id: str, group_ids: Iterable[str]) -> Production:
        """Return what a network looks like that servers would land in; its default group is among the groups.

        :raises NotFound: there is no such VPC
        """
        vpc = self.vpcs([vpc_id]).get(vpc_id)
        if vpc is None:
            message = f"there is no VPC {vpc_id} in {self.region}: look at the launch settings of the servers"
            raise NotFound("ec2:DescribeVpcs", "InvalidVpcID.NotFound", message)
        wanted = set(group_ids)
        groups = [
            group
            for group in self._named("describe_security_groups", "vpc-id", [vpc_id])
            if group["GroupId"] in wanted or group["GroupName"] == "default"
        ]
        return Production(
            vpc=vpc,
            subnets=tuple(self._named("describe_subnets", "vpc-id", [vpc_id])),
            groups=tuple(groups),
            prefix_lists=self.prefix_lists(groups, ()),
        )

    def prefix_lists(self, groups: Iterable[Answer], tables: Iterable[Answer]) -> dict[str, tuple[str, ...]]:
        """Return the CIDRs of the customer-managed prefix lists that groups and routes name; AWS's own are left out."""
        rules = [
            rule
            for group in groups
            for key in ("IpPermissions", "IpPermissionsEgress")
            for rule in group.get(key) or ()
        ]
        named = {prefix_list["PrefixListId"] for rule in rules for prefix_list in rule.get("PrefixListIds") or ()}
        named |= {
            route["DestinationPrefixListId"]
            for table in tables
            for route in table.get("Routes") or ()
            if route.get("DestinationPrefixListId")
        }
        lists = self._named("describe_managed_prefix_lists", "prefix-list-id", sorted(named))
        found = {}
        for prefix_list in lists:
            if prefix_list.get("OwnerId") != "AWS" and prefix_list["PrefixListId"] in named:
                with translated("ec2:GetManagedPrefixListEntries"):
                    pages = self._beside("ec2").get_paginator("get_managed_prefix_list_entries")
                    entries = [
                        entry
                        for page in pages.paginate(PrefixListId=prefix_list["PrefixListId"])
                        for entry in page["Entries"]
                    ]
                found[prefix_list["PrefixListId"]] = tuple(entry["Cidr"] for entry in entries)
        return found

    def _look(self, read: Read, vpc_id: str) -> list[Answer]:
        client, arguments = self._beside(read.service), read.arguments(vpc_id)
        try:
            with translated(read.action):
                if client.can_paginate(read.operation):
                    pages = client.get_paginator(read.operation).paginate(**arguments)
                    answers = [answer for page in pages for answer in page.get(read.key) or ()]
                else:
                    answers = list(getattr(client, read.operation)(**arguments).get(read.key) or ())
        except AwsError as error:
            if error.code in NO_SUCH_FEATURE:
                return []
            raise
        return [answer for answer in answers if read.belongs(answer, vpc_id)]

    def _named(self, operation: str, name: str, values: Iterable[str | None]) -> list[Answer]:
        """Return all EC2 items with one of these values; no values, no call."""
        ec2, wanted = self._beside("ec2"), [value for value in values if value]
        found: list[Answer] = []
        with translated("ec2:" + "".join(part.capitalize() for part in operation.split("_"))):
            for batch in in_batches(wanted):
                for page in ec2.get_paginator(operation).paginate(Filters=[{"Name": name, "Values": batch}]):
                    found += page[ec2.get_paginator(operation).result_keys[0].expression]
        return found

    def _instances_of(self, interfaces: Iterable[Answer]) -> tuple[Answer, ...]:
        """Return the instances that have an interface here, also those whose first one is in another VPC."""
        ids = sorted({i for interface in interfaces if (i := (interface.get("Attachment") or {}).get("InstanceId"))})
        found = self._named("describe_instances", "instance-id", ids)
        return tuple(instance for reservation in found for instance in reservation["Instances"])

    def _hosted_zones(self, vpc_id: str) -> tuple[Answer, ...]:
        found: list[Answer] = []
        more: dict[str, Any] = {}
        while True:
            with translated("route53:ListHostedZonesByVPC"):
                page = self._beside("route53").list_hosted_zones_by_vpc(VPCId=vpc_id, VPCRegion=self.region, **more)
            found += page["HostedZoneSummaries"]
            if not page.get("NextToken"):
                return tuple(found)
            more = {"NextToken": page["NextToken"]}


def _ids(answers: Iterable[Answer], key: str) -> set[str]:
    return {str(answer[key]) for answer in answers}


def _of(answers: Iterable[Answer], key: str, wanted: set[str]) -> tuple[Answer, ...]:
    """Keep what belongs to one of these, without a VPN's secrets."""
    return tuple(
        {
            name: value
            for name, value in answer.items()
            if name not in ("CustomerGatewayConfiguration", "Options", "VgwTelemetry")
        }
        for answer in answers
        if answer.get(key) in wanted
    )


def _associated(rules: Iterable[Answer], associated: set[str]) -> Iterable[Answer]:
    """Yield the rules that are associated with the VPC; one that cannot be read is there all the same."""
    known = {rule["Id"]: rule for rule in rules}
    return [known.get(name, {"Id": name, "RuleType": "unknown"}) for name in sorted(associated)]


def _served(parts: Mapping[str, list[Answer]]) -> Iterable[Answer]:
    """Yield the endpoint services whose load balancers stand in the VPC."""
    here = _ids(parts["load_balancers"], "LoadBalancerArn")
    for service in parts["vpc_endpoint_services"]:
        if here.intersection(
            [*(service.get("NetworkLoadBalancerArns") or ()), *(service.get("GatewayLoadBalancerArns") or ())]
        ):
            yield service


def _verified(parts: Mapping[str, list[Answer]]) -> Iterable[Answer]:
    """Yield the Verified Access endpoints that lead into subnets of the VPC."""
    subnets, interfaces = _ids(parts["subnets"], "SubnetId"), _ids(parts["network_interfaces"], "NetworkInterfaceId")
    for endpoint in parts["verified_access_endpoints"]:
        options = [endpoint.get(key) or {} for key in ("LoadBalancerOptions", "RdsOptions", "CidrOptions")]
        into = {subnet for each in options for subnet in each.get("SubnetIds") or ()}
        interface = (endpoint.get("NetworkInterfaceOptions") or {}).get("NetworkInterfaceId")
        if into & subnets or interface in interfaces:
            yield endpoint
