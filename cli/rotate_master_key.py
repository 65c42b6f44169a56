"""`agentledger rotate-master-key`: wraps every data key again by the master key of the environment,
while everything goes on.
"""

import orjson
import typer
from rich.console import Console

from cli.complaints import complain
from cli.session import installation, owner_connection, run, settings_or_complain
from infra.master_key_rotation import rotate


def rotate_master_key(*, is_json: bool) -> int:
    async def work() -> int:
        async with installation(settings_or_complain()) as settings:
            new, old = settings.master_key, settings.master_key_previous
            if new is None or old is None:
                complain(
                    "AGENTLEDGER_MASTER_KEY must be the new key and AGENTLEDGER_MASTER_KEY_PREVIOUS"
                    " the one before."
                )
            if new.get_secret_value() == old.get_secret_value():
                complain("the new master key is the one before.")
            with Console(stderr=True).status("wrapping data keys ...") as status:
                async with owner_connection(settings) as conn:
                    rewrapped = await rotate(
                        conn,
                        new.get_secret_value(),
                        old.get_secret_value(),
                        scrypt_n=settings.scrypt_n,
                        on_progress=lambda count: status.update(f"{count:,} data keys wrapped"),
                    )
        if is_json:
            typer.echo(orjson.dumps({"rewrapped": rewrapped}).decode())
        else:
            typer.echo(f"{rewrapped} data keys are wrapped by the new master key")
        return 0

    return run(work)
