"""What Airflow's provider registry is told about this package."""

from typing import Any, Final

INTEGRATION: Final = "AWS Elastic Disaster Recovery"


def _modules(kind: str, *names: str) -> list[dict[str, Any]]:
    return [{"integration-name": INTEGRATION, "python-modules": [f"drs_provider.{kind}.{name}" for name in names]}]


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the form of Airflow's ``provider_info`` schema."""
    from drs_provider import __version__

    return {
        "package-name": "airflow-provider-drs",
        "name": INTEGRATION,
        "description": "Recovery plans for AWS Elastic Disaster Recovery (DRS), as Airflow DAGs.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": INTEGRATION,
                "external-doc-url": "https://docs.aws.amazon.com/drs/",
                "logo": "drs_provider/logo.svg",
                "how-to-guide": ["/docs/operators/index.md"],
                "tags": ["aws"],
            }
        ],
        "hooks": _modules(
            "hooks",
            "drs",
            "failback",
            "launch_settings",
            "network_facts",
            "drill_network",
            "drill_resources",
            "tagged_networks",
            "quick",
            "console",
            "session",
        ),
        "operators": _modules(
            "operators",
            "recovery",
            "terminate",
            "launch_settings",
            "protection",
            "drill_network",
            "source_replication",
            "failback",
            "failback_launch",
            "source_instances",
            "approval",
        ),
        "sensors": _modules("sensors", "job", "readiness", "failback"),
        "triggers": _modules(
            "triggers",
            "jobs",
            "instances",
            "readiness",
            "failback",
            "final_sync",
            "dag_runs",
            "one_shot",
            "probes",
            "ssm",
        ),
        "extra-links": [
            "drs_provider.links.console.DrsJobLink",
            "drs_provider.links.console.DrsRecoveryInstanceLink",
            "drs_provider.links.plan_runs.PlanRunLink",
        ],
        "config": {
            "drs": {
                "description": "Recovery plans for AWS Elastic Disaster Recovery.",
                "options": {
                    "plans_folder": {
                        "description": "Folder with plans. DRS_PLANS_FOLDER goes before it.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/opt/airflow/plans",
                        "default": "",
                    },
                    "reports": {
                        "description": "Folder or object storage path for reports. DRS_REPORTS goes before it.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://dr-reports/",
                        "default": "",
                    },
                    "signing_key": {
                        "description": (
                            "Secret that documents between tasks are signed with, the same on every machine of this "
                            "Airflow. Several with commas between, the newest first, replace a key. By default "
                            "[core] fernet_key serves. DRS_SIGNING_KEY goes before it."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "sensitive": True,
                        "example": None,
                        "default": "",
                    },
                    "installation": {
                        "description": (
                            "Id of this Airflow, the same on all its machines and no other Airflow's: it stands in "
                            "the tags of what runs make. By default the Airflow Variable drs_installation_id, which "
                            "is made once. DRS_INSTALLATION goes before it."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "dublin",
                        "default": "",
                    },
                    "allow_loopback": {
                        "description": "Whether steps and notifications may reach the machine that they run on. "
                        "DRS_ALLOW_LOOPBACK goes before it.",
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": "true",
                        "default": "",
                    },
                    "notify": {
                        "description": (
                            "Who is told what the clean-up DAG does, written as a plan's notify. DRS_NOTIFY goes "
                            "before it."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "[{kind: webhook, http_conn_id: chat}]",
                        "default": "",
                    },
                    "prices": {
                        "description": (
                            "File with a table of prices for the estimate of a drill. By default the package's own. "
                            "DRS_PRICES goes before it."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/opt/airflow/prices.yaml",
                        "default": "",
                    },
                    "inventory": {
                        "description": (
                            "Accounts and Regions of the inventory of source servers beside those of the groups: "
                            "connection/region, with commas between. DRS_INVENTORY goes before it."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "aws_default/us-west-2, retail/eu-west-1",
                        "default": "",
                    },
                    "inventory_refresh": {
                        "description": (
                            "Seconds that the console's inventory of source servers may grow old while somebody looks "
                            "at it, before AWS is asked again; 10 to 3600. DRS_INVENTORY_REFRESH goes before it."
                        ),
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": "120",
                        "default": "30",
                    },
                    "edit_plans": {
                        "description": (
                            "Whether the console may change files in the plans folder. No is for folders that come "
                            "from elsewhere, such as a git checkout: changes are then given as a patch. "
                            "branch:PREFIX commits each change on a branch PREFIX/… of its own instead. "
                            "DRS_EDIT_PLANS goes before it."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "branch:drs-console",
                        "default": "true",
                    },
                    "recovery_managers": {
                        "description": (
                            "Who may start recoveries, migrations and failbacks, and roll back: user names and "
                            "role:NAME (a role of the auth manager) with commas between. By default whoever may start "
                            "a run of the plan. DRS_RECOVERY_MANAGERS goes before it."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "ann,role:DRS recovery manager",
                        "default": "",
                    },
                    "answer_links": {
                        "description": (
                            "Whose answer links in mails count: users (whom Airflow knows by name), plan (all whom "
                            "the plan names) or off. By default users. DRS_ANSWER_LINKS goes before it."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "plan",
                        "default": "",
                    },
                },
            },
        },
    }
