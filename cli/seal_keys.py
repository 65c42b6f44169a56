"""`agentledger seal-keys`: the keys that sign the seals of the log."""

import orjson
import typer
from psycopg import AsyncConnection

from cli.session import installation, owner_connection, run, settings_or_complain
from infra.runtime import build_runtime
from infra.seal_keys import read_keys


def list_seal_keys() -> int:
    """The public halves as a set of keys (RFC 7517), for `verify-export --public-key`."""

    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            owner_connection(settings) as conn,
        ):
            keys = [key.jwk for key in await read_keys(conn)]
        typer.echo(orjson.dumps({"keys": keys}, option=orjson.OPT_INDENT_2).decode())
        return 0

    return run(work)


def rotate_seal_keys(*, is_json: bool) -> int:
    """A new key signs from the next seal on; the old ones verify what they signed."""

    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            build_runtime(settings) as runtime,
            await AsyncConnection.connect(runtime.conninfo("projector"), autocommit=True) as conn,
        ):
            key_id = await (await runtime.seal_keys()).rotate(conn)
        if is_json:
            typer.echo(orjson.dumps({"key_id": key_id}).decode())
        else:
            typer.echo(f"{key_id} signs the seals from now on; give it to who verifies them.")
        return 0

    return run(work)
