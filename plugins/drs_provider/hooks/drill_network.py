"""Drill networks in EC2: made once however often it is tried, found by their tags, and removed to the last part."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from botocore.config import Config

from drs_provider.exceptions import AccessDenied, AwsError, QuotaExceeded
from drs_provider.hooks.drs import in_batches
from drs_provider.hooks.error_mapping import translated
from drs_provider.hooks.network_facts import NetworkFactsHook
from drs_provider.hooks.session import NeighbourHook
from drs_provider.rules.answers import Answer
from drs_provider.rules.isolation.blueprint import Blueprint, GroupCopy, SubnetCopy
from drs_provider.rules.isolation.removal import named_by, untouchable
from drs_provider.rules.launch.tags import COPY_OF, EXPIRES, INSTALLATION, MODE, PLAN, RUN, RUN_ID, TAKER
from drs_provider.rules.purpose import DRILL

ENDPOINTS: Final = ("ssm", "ssmmessages", "ec2messages", "logs")
"""The private endpoints that steps on instances need."""

_AGENT: Final = (
    "ssm:DescribeAssociation",
    "ssm:DescribeDocument",
    "ssm:GetDeployablePatchSnapshotForInstance",
    "ssm:GetDocument",
    "ssm:GetManifest",
    "ssm:ListAssociations",
    "ssm:ListInstanceAssociations",
    "ssm:PutComplianceItems",
    "ssm:PutConfigurePackageResult",
    "ssm:PutInventory",
    "ssm:UpdateAssociationStatus",
    "ssm:UpdateInstanceAssociationStatus",
    "ssm:UpdateInstanceInformation",
)
"""What the SSM agent does (AmazonSSMManagedInstanceCore, without reading parameters)."""

_WRITE_LOGS: Final = (
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
)

_ENDPOINT_GROUP: Final = "endpoints"
_HOLDS: Final = frozenset({"DependencyViolation", "InvalidParameterValue", "InvalidGroup.InUse", "ResourceInUse"})
_THERE_ALREADY: Final = frozenset({"InvalidSubnet.Conflict", "InvalidGroup.Duplicate", "InvalidPermission.Duplicate"})


def policy_of_endpoint(service: str) -> str | None:
    """Return the policy of a private endpoint: what steps need, and nothing that reaches production; None: AWS's."""
    actions = {"ssm": _AGENT, "logs": _WRITE_LOGS}.get(service)
    if actions is None:
        return None
    resource = "arn:*:logs:*:*:log-group:/aws/ssm/*" if service == "logs" else "*"
    statement = {"Effect": "Allow", "Principal": "*", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)


@dataclass(frozen=True)
class NetworkParts:
    """What one run has in EC2 for its drill networks; each a tuple of EC2's answers."""

    vpcs: tuple[Answer, ...] = ()
    subnets: tuple[Answer, ...] = ()
    groups: tuple[Answer, ...] = ()
    endpoints: tuple[Answer, ...] = ()

    def without(self, names: Collection[str]) -> "NetworkParts":
        """Return the parts that have none of these ids."""
        return NetworkParts(
            vpcs=tuple(vpc for vpc in self.vpcs if vpc["VpcId"] not in names),
            subnets=tuple(subnet for subnet in self.subnets if subnet["SubnetId"] not in names),
            groups=tuple(group for group in self.groups if group["GroupId"] not in names),
            endpoints=tuple(endpoint for endpoint in self.endpoints if endpoint["VpcEndpointId"] not in names),
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all parts."""
        return (
            *(endpoint["VpcEndpointId"] for endpoint in self.endpoints),
            *(group["GroupId"] for group in self.groups),
            *(subnet["SubnetId"] for subnet in self.subnets),
            *(vpc["VpcId"] for vpc in self.vpcs),
        )


class DrillNetworkHook(NetworkFactsHook):
    """A :class:`NetworkFactsHook` that also makes drill networks and removes them.

    Everything is tagged when it is made. EC2 takes no client token for VPCs, subnets and groups, so nothing is made
    before it was looked for, botocore repeats no such call, and of two that were made at once one goes again.
    """

    def parts_of(self, run: str) -> NetworkParts:
        """Return everything of a run (its key: ``rules.launch.tags.run_key``) that is still there.

        What it made to go on with another run bears that one's key, and its own as the taker's.
        """
        return NetworkParts(
            vpcs=tuple(self._made_by(run, "describe_vpcs")),
            subnets=tuple(self._made_by(run, "describe_subnets")),
            groups=tuple(self._made_by(run, "describe_security_groups")),
            endpoints=tuple(
                endpoint
                for endpoint in self._made_by(run, "describe_vpc_endpoints")
                if str(endpoint.get("State", "")).lower() != "deleted"
            ),
        )

    def make(
        self, plan: Blueprint, tags: Mapping[str, str], *, endpoints: Sequence[str] = ()
    ) -> tuple[str, dict[str, str], dict[str, str]]:
        """Make an isolated network, or what is missing of it.

        :return: its VPC, its subnets and its groups, both by the id of production that they stand for
        :param endpoints: AWS services that get a private endpoint
        """
        vpc = self._vpc(plan, tags)
        self._give_ranges(vpc, plan.cidrs)
        wanted = [*plan.subnets, *([plan.endpoint_subnet] if plan.endpoint_subnet else [])]
        subnets = self._subnets(vpc, wanted, tags)
        groups = self.make_groups(vpc, plan.groups, tags)
        self._empty_default_group(vpc)
        if endpoints and plan.endpoint_subnet:
            self._endpoints(vpc, subnets["endpoints"], plan.cidrs, endpoints, tags)
        return vpc, {copy_of: name for copy_of, name in subnets.items() if copy_of != "endpoints"}, groups

    def prolong(self, tags: Mapping[str, str]) -> None:
        """Let everything of a run that is there live until a later expiry, and name the run that goes on with it.

        :param tags: of what is made now; ``RUN`` is the key of the run that is continued
        """
        ids = self.parts_of(tags[RUN]).ids
        new = [{"Key": key, "Value": tags[key]} for key in (EXPIRES, RUN_ID, INSTALLATION) if key in tags]
        if ids:
            with translated("ec2:CreateTags"):
                self._beside("ec2").create_tags(Resources=list(ids), Tags=new)

    def make_groups(self, vpc: str, groups: Sequence[GroupCopy], tags: Mapping[str, str]) -> dict[str, str]:
        """Make security groups in a VPC, or what is missing of them; return their ids by what they stand for."""
        made = self._groups_of(vpc, tags[RUN])
        for group in groups:
            if group.copy_of not in made:
                made[group.copy_of] = self._group(vpc, group, tags)
        found = {
            group["GroupId"]: group for group in self._named("describe_security_groups", "group-id", made.values())
        }
        for group in groups:
            name = made[group.copy_of]
            self._set_rules(found.get(name) or {"GroupId": name}, group, made)
        return {group.copy_of: made[group.copy_of] for group in groups}

    def remove(self, run: str) -> tuple[tuple[str, ...], dict[str, str]]:
        """Remove what can be removed now of everything that a run made; may be called any number of times.

        It looks first: what is in use, or only carries a drill's tags, is not changed at all.

        :return: the ids that went, and by id why what is left is left
        """
        everything = self.parts_of(run)
        untouched = self._untouchable(run, everything)
        parts, why = everything.without(untouched), dict(untouched)
        why |= self._delete_endpoints([endpoint["VpcEndpointId"] for endpoint in parts.endpoints])
        for group in parts.groups:
            self._revoke_all(group)
        deletes: list[tuple[str, str, Callable[[], object]]] = []
        ec2 = self._beside("ec2")
        deletes += [
            ("ec2:DeleteSecurityGroup", group["GroupId"], _call(ec2.delete_security_group, GroupId=group["GroupId"]))
            for group in parts.groups
        ]
        deletes += [
            ("ec2:DeleteSubnet", subnet["SubnetId"], _call(ec2.delete_subnet, SubnetId=subnet["SubnetId"]))
            for subnet in parts.subnets
        ]
        for action, name, delete in deletes:
            why |= self._delete(action, name, delete)
        for vpc in parts.vpcs:
            if not any(_vpc_of(everything, name) == vpc["VpcId"] for name in why):
                why |= self._delete("ec2:DeleteVpc", vpc["VpcId"], _call(ec2.delete_vpc, VpcId=vpc["VpcId"]))
            else:
                why[vpc["VpcId"]] = "parts of it are still there"
        left = self.parts_of(run)
        words = {name: why.get(name, "EC2 accepted the deletion, and it is still there") for name in left.ids}
        for name, interfaces in self._held_by(left).items():
            if name not in untouched:
                words[name] = f"in use by {', '.join(interfaces)}"
        return tuple(name for name in parts.ids if name not in words), words

    def _untouchable(self, run: str, parts: NetworkParts) -> dict[str, str]:
        """Ask who uses the parts, before anything is changed. Raises where EC2 does not answer."""
        ours = [str(group["GroupId"]) for group in parts.groups]
        referring = [
            group
            for by in ("ip-permission.group-id", "egress.ip-permission.group-id")
            for group in (self._named("describe_security_groups", by, ours) if ours else ())
        ]
        others = {str(group["GroupId"]): group for group in referring}
        return untouchable(
            run,
            vpcs=parts.vpcs,
            subnets=parts.subnets,
            groups=parts.groups,
            endpoints=parts.endpoints,
            used_by=self._held_by(parts),
            named_by=named_by(others.values(), ours),
        )

    def _vpc(self, plan: Blueprint, tags: Mapping[str, str]) -> str:
        known = self._copies_of(plan.production_vpc, tags[RUN])
        if known:
            return known[0]
        with _worded(), translated("ec2:CreateVpc"):
            answer = self._once.create_vpc(
                CidrBlock=plan.cidrs[0], TagSpecifications=_tags("vpc", tags, plan.production_vpc)
            )
        made = str(answer["Vpc"]["VpcId"])
        self._wait("vpc_exists", VpcIds=[made])
        self._wait("vpc_available", VpcIds=[made])
        # Two tries at once: both see both, both keep the same one, and each takes away what it made for nothing.
        kept = next(iter(self._copies_of(plan.production_vpc, tags[RUN])), made)
        if kept != made:
            with translated("ec2:DeleteVpc"):
                self._beside("ec2").delete_vpc(VpcId=made)
        return kept

    def _copies_of(self, production_vpc: str, run: str) -> list[str]:
        found = self._tagged("describe_vpcs", run)
        return sorted(vpc["VpcId"] for vpc in found if tags_of(vpc).get(COPY_OF) == production_vpc)

    def _give_ranges(self, vpc: str, cidrs: Sequence[str]) -> None:
        described = self.vpcs([vpc]).get(vpc) or {}
        known = {association["CidrBlock"] for association in described.get("CidrBlockAssociationSet") or ()}
        for cidr in cidrs[1:]:
            if cidr not in known:
                with translated("ec2:AssociateVpcCidrBlock"):
                    self._beside("ec2").associate_vpc_cidr_block(VpcId=vpc, CidrBlock=cidr)

    def _subnets(self, vpc: str, wanted: Sequence[SubnetCopy], tags: Mapping[str, str]) -> dict[str, str]:
        def known() -> dict[str, str]:
            return {
                tags_of(subnet)[COPY_OF]: subnet["SubnetId"]
                for subnet in self._tagged("describe_subnets", tags[RUN])
                if subnet["VpcId"] == vpc and COPY_OF in tags_of(subnet)
            }

        made = known()
        for subnet in wanted:
            if subnet.copy_of in made:
                continue
            try:
                with translated("ec2:CreateSubnet"):
                    answer = self._once.create_subnet(
                        VpcId=vpc,
                        CidrBlock=subnet.cidr,
                        AvailabilityZone=subnet.zone,
                        TagSpecifications=_tags("subnet", tags, subnet.copy_of),
                    )
                made[subnet.copy_of] = answer["Subnet"]["SubnetId"]
            except AwsError as error:
                if error.code not in _THERE_ALREADY or subnet.copy_of not in (made := known()):
                    raise
        return made

    def _groups_of(self, vpc: str, run: str) -> dict[str, str]:
        return {
            tags_of(group)[COPY_OF]: group["GroupId"]
            for group in self._tagged("describe_security_groups", run)
            if group["VpcId"] == vpc and COPY_OF in tags_of(group)
        }

    def _group(self, vpc: str, group: GroupCopy, tags: Mapping[str, str]) -> str:
        try:
            with translated("ec2:CreateSecurityGroup"):
                answer = self._once.create_security_group(
                    VpcId=vpc,
                    GroupName=group.name,
                    Description=group.description,
                    TagSpecifications=_tags("security-group", tags, group.copy_of),
                )
            made = str(answer["GroupId"])
        except AwsError as error:
            known = self._groups_of(vpc, tags[RUN])
            if error.code not in _THERE_ALREADY or group.copy_of not in known:
                raise
            return known[group.copy_of]
        self._wait("security_group_exists", GroupIds=[made])
        return made

    def _set_rules(self, found: Answer, group: GroupCopy, made: Mapping[str, str]) -> None:
        """Give a group its rules; what it has besides, as EC2's rule that lets everything out, is taken away."""
        ec2, name = self._beside("ec2"), found["GroupId"]
        for direction, key, rules in (
            ("ingress", "IpPermissions", group.ingress),
            ("egress", "IpPermissionsEgress", group.egress),
        ):
            wanted = {_rule(single): single for rule in rules for single in _single(_translated(rule, made))}
            present = {_rule(single): single for rule in found.get(key) or () for single in _single(rule)}
            for what, missing, verb in (
                ("Authorize", [single for text, single in wanted.items() if text not in present], "authorize"),
                ("Revoke", [single for text, single in present.items() if text not in wanted], "revoke"),
            ):
                call = getattr(ec2, f"{verb}_security_group_{direction}")
                for batch in _batches(missing):
                    try:
                        with translated(f"ec2:{what}SecurityGroup{direction.capitalize()}"):
                            call(GroupId=name, IpPermissions=batch)
                    except AwsError as error:
                        if error.code not in _THERE_ALREADY and not error.code.endswith("NotFound"):
                            raise

    def _empty_default_group(self, vpc: str) -> None:
        """Nobody is told to use the VPC's own default group; whoever does by mistake reaches nobody.

        EC2 makes that group without tags, so a role that may change only what carries a drill's tags is refused. It is
        left as it is then: its members reach one another, and what leaves it finds no way out of the network.
        """
        for group in self._named("describe_security_groups", "vpc-id", [vpc]):
            if group["GroupName"] == "default":
                try:
                    self._set_rules(group, GroupCopy("", "default", ""), {})
                except AccessDenied as refusal:
                    self.log.info("The default group %s of %s keeps its rules: %s", group["GroupId"], vpc, refusal)

    def _endpoints(
        self, vpc: str, subnet: str, cidrs: Sequence[str], services: Sequence[str], tags: Mapping[str, str]
    ) -> None:
        ec2 = self._beside("ec2")
        for name in ("EnableDnsSupport", "EnableDnsHostnames"):
            with translated("ec2:ModifyVpcAttribute"):
                ec2.modify_vpc_attribute(VpcId=vpc, **{name: {"Value": True}})
        https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": cidr} for cidr in cidrs]}
        what = "Private endpoints of a drill network: HTTPS from inside"
        group = self.make_groups(vpc, [GroupCopy(_ENDPOINT_GROUP, "drill-endpoints", what, ingress=(https,))], tags)
        known = {
            endpoint["ServiceName"]
            for endpoint in self._tagged("describe_vpc_endpoints", tags[RUN])
            if endpoint["VpcId"] == vpc
        }
        for service in services:
            full = f"com.amazonaws.{self.region}.{service}"
            if full in known:
                continue
            policy = policy_of_endpoint(service)
            token = hashlib.sha256(f"{tags[RUN]}|{vpc}|{service}".encode()).hexdigest()[:32]
            with translated("ec2:CreateVpcEndpoint"):
                ec2.create_vpc_endpoint(
                    VpcId=vpc,
                    ServiceName=full,
                    VpcEndpointType="Interface",
                    SubnetIds=[subnet],
                    SecurityGroupIds=[group[_ENDPOINT_GROUP]],
                    PrivateDnsEnabled=True,
                    ClientToken=token,
                    TagSpecifications=_tags("vpc-endpoint", tags, service),
                    **({"PolicyDocument": policy} if policy else {}),
                )

    def _delete_endpoints(self, names: Sequence[str]) -> dict[str, str]:
        why = dict.fromkeys(names, "EC2 deletes it, which takes some minutes")
        for batch in in_batches(names, size=25):
            with translated("ec2:DeleteVpcEndpoints"):
                answer = self._beside("ec2").delete_vpc_endpoints(VpcEndpointIds=batch)
            for failure in answer.get("Unsuccessful") or ():
                why[failure["ResourceId"]] = str((failure.get("Error") or {}).get("Message") or "EC2 did not say why")
        return why

    def _revoke_all(self, group: Answer) -> None:
        """Groups that name each other can only go once they do not."""
        with suppress(_Gone):
            self._unless_gone(lambda: self._set_rules(group, GroupCopy("", "", ""), {}))

    def _delete(self, action: str, name: str, delete: Callable[[], object]) -> dict[str, str]:
        try:
            with translated(action):
                delete()
        except AwsError as error:
            if error.code.endswith("NotFound"):
                return {}
            if error.code in _HOLDS:
                return {name: f"{error.code}: {error.message}"}
            raise
        return {}

    @staticmethod
    def _unless_gone(do: Callable[[], object]) -> None:
        try:
            do()
        except AwsError as error:
            if error.code.endswith("NotFound"):
                raise _Gone from error
            raise

    def _held_by(self, parts: NetworkParts) -> dict[str, list[str]]:
        """Return the interfaces, with whose they are, that stand in subnets and groups that are left."""
        found: dict[str, list[str]] = {}
        for name, key, answers in (
            ("subnet-id", "SubnetId", parts.subnets),
            ("group-id", "GroupId", parts.groups),
        ):
            ids = [answer[key] for answer in answers]
            for interface in self._named("describe_network_interfaces", name, ids):
                owner = (interface.get("Attachment") or {}).get("InstanceId") or interface.get("Description")
                said = f"{interface['NetworkInterfaceId']} of {owner or 'an unknown owner'}"
                holders = [interface.get("SubnetId"), *(group["GroupId"] for group in interface.get("Groups") or ())]
                for held in ids:
                    if held in holders:
                        found.setdefault(held, []).append(said)
        return {name: sorted(set(said)) for name, said in found.items()}

    def _made_by(self, run: str, operation: str) -> list[Answer]:
        as_taker = self._tagged(operation, run, key=TAKER)
        return self._tagged(operation, run) + [answer for answer in as_taker if tags_of(answer).get(RUN) != run]

    def _tagged(self, operation: str, run: str, *, key: str = RUN) -> list[Answer]:
        """Return what carries a run's tag; only what a drill made, whatever else may carry it."""
        return [
            answer for answer in self._named(operation, f"tag:{key}", [run]) if tags_of(answer).get(MODE) == DRILL.name
        ]

    def _wait(self, waiter: str, **arguments: Any) -> None:
        """EC2 takes some seconds until all of it knows what it has made."""
        with translated(f"ec2:{waiter}"):
            self._beside("ec2").get_waiter(waiter).wait(**arguments, WaiterConfig={"Delay": 1, "MaxAttempts": 30})

    @cached_property
    def _once(self) -> Any:
        """Return an EC2 client that sends a request exactly once: a repeated CreateVpc makes a second VPC."""
        config = self.config.merge(Config(retries={"total_max_attempts": 1, "mode": "standard"}))
        hook = NeighbourHook(
            aws_conn_id=self.aws_conn_id,
            region_name=self._region_name,
            verify=self._verify,
            config=config,
            client_type="ec2",
        )
        return hook.conn


class _Gone(Exception):
    """What was to be changed is not there any more."""


@contextmanager
def _worded() -> Iterator[None]:
    """Say what to do where the account has no room for another VPC."""
    try:
        yield
    except AwsError as error:
        if error.code != "VpcLimitExceeded":
            raise
        advice = (
            "A drill needs a VPC for each network that it copies: raise the quota of VPCs, remove old ones, or name a "
        )
        message = f"{error.message} {advice}standing drill network (drill: {{network: {{vpc: vpc-…}}}})"
        raise QuotaExceeded(error.operation, error.code, message) from error


def tags_of(answer: Answer) -> dict[str, str]:
    """Return the tags of an answer of EC2's as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in answer.get("Tags") or ()}


def _tags(kind: str, tags: Mapping[str, str], copy_of: str) -> list[Any]:
    plan = tags.get(PLAN, "").removeprefix("drs.")
    everything = {"Name": f"drill {plan}".strip(), **tags, COPY_OF: copy_of}
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in everything.items()]}]


def _call(function: Callable[..., object], **arguments: str) -> Callable[[], object]:
    return lambda: function(**arguments)


def _vpc_of(parts: NetworkParts, name: str) -> str | None:
    for part in (*parts.subnets, *parts.groups, *parts.endpoints):
        if name in (part.get("SubnetId"), part.get("GroupId"), part.get("VpcEndpointId")):
            return str(part["VpcId"])
    return None


def _translated(rule: Answer, made: Mapping[str, str]) -> dict[str, Any]:
    """Let a rule name the copies of the groups that it names."""
    if not rule.get("UserIdGroupPairs"):
        return dict(rule)
    return {**rule, "UserIdGroupPairs": [{"GroupId": made[pair["GroupId"]]} for pair in rule["UserIdGroupPairs"]]}


def _single(rule: Answer) -> Iterable[dict[str, Any]]:
    """Cut a rule into rules of one source each, without what people wrote beside it."""
    common = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if rule.get(key) is not None}
    for key, names in (
        ("IpRanges", ("CidrIp",)),
        ("Ipv6Ranges", ("CidrIpv6",)),
        ("PrefixListIds", ("PrefixListId",)),
        ("UserIdGroupPairs", ("GroupId",)),
    ):
        for source in rule.get(key) or ():
            yield {**common, key: [{name: source[name] for name in names if source.get(name)}]}


def _rule(single: Answer) -> str:
    ports = {key: value for key, value in single.items() if not (key in ("FromPort", "ToPort") and value == -1)}
    return json.dumps(ports, sort_keys=True)


def _batches(rules: Sequence[Any]) -> Iterable[list[Any]]:
    """One rule a call: EC2 refuses a whole call for one rule that is there already."""
    return ([single] for single in rules)
