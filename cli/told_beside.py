"""What a process tells others beside its work: what models are saying, and which roles it has."""

from infra.postgres import Role
from infra.roles_seen import say_which_run
from infra.runtime import Runtime


def exchange_live_text(runtime: Runtime, role: Role) -> None:
    """Not needed when all roles are in this process. role: whose keys it is sealed with."""
    conninfo = runtime.conninfo("tail")
    exchange = runtime.live_text.exchange(conninfo, lambda: runtime.data_keys(role))
    runtime.in_background("live text", exchange)


def tell_roles(runtime: Runtime, *roles: str) -> None:
    """Every few seconds, for who looks at the installation."""
    saying = say_which_run(runtime.conninfo("tail"), runtime.process_id, roles)
    runtime.in_background("roles", saying)
