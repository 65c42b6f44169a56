"""`agentledger signing-keys`: what the operator does about the keys of access tokens."""

import orjson
import typer

from cli.logins import build_signing_keys
from cli.session import installation, run, settings_or_complain
from infra.runtime import build_runtime
from infra.signing_keys import OVERLAP


def rotate_signing_keys(*, revoke_others: bool, is_json: bool) -> int:
    """A new key signs from now on, in every process. revoke_others: of a key that leaked; whoever
    has a token of it has to refresh.
    """

    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            build_runtime(settings) as runtime,
        ):
            keys = await build_signing_keys(runtime)
            key_id = await keys.rotate(revoke_others=revoke_others)
        if is_json:
            typer.echo(orjson.dumps({"key_id": key_id}).decode())
        elif revoke_others:
            typer.echo(f"{key_id} signs from now on; no other key counts any more.")
        else:
            hours = OVERLAP.total_seconds() / 3600
            typer.echo(f"{key_id} signs from now on; the old key counts for {hours:.0f} h more.")
        return 0

    return run(work)
