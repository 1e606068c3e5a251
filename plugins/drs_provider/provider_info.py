"""What Airflow's provider registry is told about this package."""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the form of Airflow's ``provider_info`` schema."""
    from drs_provider import __version__

    return {
        "package-name": "airflow-provider-drs",
        "name": "AWS Elastic Disaster Recovery",
        "description": "Recovery plans for AWS Elastic Disaster Recovery (DRS), as Airflow DAGs.",
        "versions": [__version__],
        "hooks": [
            {
                "integration-name": "AWS Elastic Disaster Recovery",
                "python-modules": ["drs_provider.hooks.drs", "drs_provider.hooks.failback"],
            },
        ],
        "operators": [
            {
                "integration-name": "AWS Elastic Disaster Recovery",
                "python-modules": [
                    "drs_provider.operators.recovery",
                    "drs_provider.operators.terminate",
                    "drs_provider.operators.launch_settings",
                    "drs_provider.operators.protection",
                    "drs_provider.operators.drill_network",
                    "drs_provider.operators.source_replication",
                    "drs_provider.operators.failback",
                    "drs_provider.operators.failback_launch",
                    "drs_provider.operators.source_instances",
                    "drs_provider.operators.approval",
                ],
            },
        ],
        "sensors": [
            {
                "integration-name": "AWS Elastic Disaster Recovery",
                "python-modules": [
                    "drs_provider.sensors.job",
                    "drs_provider.sensors.readiness",
                    "drs_provider.sensors.failback",
                ],
            },
        ],
        "triggers": [
            {
                "integration-name": "AWS Elastic Disaster Recovery",
                "python-modules": [
                    "drs_provider.triggers.jobs",
                    "drs_provider.triggers.instances",
                    "drs_provider.triggers.readiness",
                    "drs_provider.triggers.failback",
                    "drs_provider.triggers.final_sync",
                ],
            },
        ],
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
                        "description": "Folder with plans. The environment variable DRS_PLANS_FOLDER goes before it.",
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
                },
            },
        },
    }
