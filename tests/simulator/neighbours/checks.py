"""Functions that the simulated Lambda calls in these tests."""


class DatabaseBusy(Exception):
    pass


def promote(event, context):
    if event.get("busy"):
        raise DatabaseBusy("the replica still applies its log")
    return {"promoted": event["database"], "by": context.function_name}


def unsayable(event, context):
    return {1, 2}
