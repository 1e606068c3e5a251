"""DAGs as text, for golden files."""


def as_text(dag):
    """A DAG as lines: params, then every task with its class, trigger rule and what it waits for."""
    lines = [f"{dag.dag_id} {dag.dag_display_name!r} owner={dag.owner} tags={sorted(dag.tags)}"]
    lines += [f"param {name} = {param.value!r}" for name, param in dag.params.items()]
    for group in sorted(dag.task_group.get_task_group_dict(), key=str):
        if group:
            found = dag.task_group.get_task_group_dict()[group]
            tooltip = found.tooltip.replace("\n", " / ")
            lines.append(f"group {group} {found.group_display_name!r}: {tooltip}")
    for task in sorted(dag.tasks, key=lambda task: task.task_id):
        kind = getattr(task, "operator_class", type(task))
        name = kind["task_type"] if isinstance(kind, dict) else kind.__name__
        rule = f"{task.trigger_rule}{' teardown' if task.is_teardown else ''}"
        waits = ", ".join(sorted(task.upstream_task_ids)) or "nothing"
        lines.append(f"task {task.task_id} {name} [{rule}] after {waits}")
    return "\n".join(lines) + "\n"
