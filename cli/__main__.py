"""`agentledger`: the list of commands. Each command's module is imported when it runs, so that help
is instant.
"""

from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import typer

from cli.collections import collect_rarely

app = typer.Typer(
    name="agentledger",
    help="Every decision, step, token and cent of your AI agents, written once, in order.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
dead_letters_app = typer.Typer(
    no_args_is_help=True, help="Streams that a projection could not apply."
)
tenants_app = typer.Typer(no_args_is_help=True, help="Tenants of this installation.")
app.add_typer(dead_letters_app, name="dead-letters")
erasures_app = typer.Typer(no_args_is_help=True, help="Keys that were destroyed.")
app.add_typer(tenants_app, name="tenants")
signing_keys_app = typer.Typer(no_args_is_help=True, help="The keys that sign access tokens.")
app.add_typer(signing_keys_app, name="signing-keys")
app.add_typer(erasures_app, name="erasures")
seal_keys_app = typer.Typer(no_args_is_help=True, help="The keys that sign the seals of the log.")
app.add_typer(seal_keys_app, name="seal-keys")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port; 0 takes any free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the data is kept.")] = None,
) -> None:
    """Run everything on an embedded PostgreSQL."""
    from cli.up import up as run  # see the module docstring

    raise typer.Exit(run(port=port, data_dir=data_dir))


@app.command()
def serve(
    role: Annotated[Literal["api", "relay", "worker", "projector"], typer.Option()],
    port: Annotated[int | None, typer.Option(help="For the API; 0 takes any free one.")] = None,
    end_with_input: Annotated[bool, typer.Option("--end-with-input", hidden=True)] = False,  # noqa: FBT002 # typer's way to say a flag
) -> None:
    """Run one role against the servers that the environment names."""
    from cli.serve import serve as run

    raise typer.Exit(run(role, port=port, ends_with_input=end_with_input))


@app.command()
def migrate(json: Json = False) -> None:  # noqa: FBT002 # typer's way to say a flag
    """Create or update the SQL schema and the database roles."""
    from cli.migrate import migrate as run

    raise typer.Exit(run(is_json=json))


@app.command("rotate-master-key")
def rotate_master_key(json: Json = False) -> None:  # noqa: FBT002
    """Wrap every data key by AGENTLEDGER_MASTER_KEY that AGENTLEDGER_MASTER_KEY_PREVIOUS wraps."""
    from cli.rotate_master_key import rotate_master_key as run

    raise typer.Exit(run(is_json=json))


@app.command()
def verify(json: Json = False) -> None:  # noqa: FBT002
    """Check the promises: the log is whole, every projection is the fold of its events, every run
    is owned.
    """
    from cli.verify import verify as run

    raise typer.Exit(run(is_json=json))


@app.command("verify-export")
def verify_export(
    path: Annotated[Path, typer.Argument(help="An archive of `GET /api/v1/tenant/export`.")],
    public_key: Annotated[
        Path | None,
        typer.Option(help="What `/.well-known/seal-keys.json` said: proves every event."),
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(help="An earlier archive, or its `seals/000001.jsonl`, that it goes on from."),
    ] = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Check that an archive of a tenant is whole and unchanged, and that its events were sealed."""
    from cli.exports import verify_export as run

    raise typer.Exit(run(path, public_key=public_key, since=since, is_json=json))


@app.command("verify-licence")
def verify_licence(  # typer reads the parameters
    path: Annotated[Path, typer.Argument(help="The signed document, or the answer that had it.")],
    public_key: Annotated[
        Path, typer.Option(help="What `/api/v1/licence-issuers/<id>/keys` said.")
    ],
    revocations: Annotated[
        Path | None,
        typer.Option(help="What `/api/v1/licence-issuers/<id>/revocations` said."),
    ] = None,
    at: Annotated[str | None, typer.Option(help="A time (RFC 3339); now without it.")] = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Check that a licence is what its issuer signed, and counts. Needs no installation."""
    from cli.licences import verify as run

    raise typer.Exit(run(path, public_key=public_key, revocations=revocations, at=at, is_json=json))


@app.command()
def rebuild(
    projection: Annotated[str, typer.Argument(help="Its name, or `all`.")],
    json: Json = False,  # noqa: FBT002
) -> None:
    """Build a projection anew beside the old one, then swap them."""
    from cli.rebuild import rebuild as run

    raise typer.Exit(run(projection, is_json=json))


@app.command()
def repair_budgets(json: Json = False) -> None:  # noqa: FBT002
    """Put right what budgets have counted, where `verify` finds that the log says otherwise."""
    from cli.repair_budgets import repair as run

    raise typer.Exit(run(is_json=json))


@app.command()
def replay(
    stream: Annotated[str, typer.Option(help="The id of an aggregate.")],
    as_of: Annotated[
        str | None, typer.Option(help="A version, a position, or a time (RFC 3339).")
    ] = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Print the events of a stream, and the state they add up to."""
    from cli.replay import replay as run

    raise typer.Exit(run(stream, as_of=as_of, is_json=json))


@dead_letters_app.command("list")
def dead_letters_list(json: Json = False) -> None:  # noqa: FBT002
    """Parked streams with the error that parked them."""
    from cli.dead_letters import list_parked

    raise typer.Exit(list_parked(is_json=json))


@dead_letters_app.command("replay")
def dead_letters_replay(
    projection: Annotated[str | None, typer.Option()] = None,
    stream: Annotated[str | None, typer.Option()] = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Apply parked streams again, after the cause is mended."""
    from cli.dead_letters import replay_parked

    raise typer.Exit(replay_parked(projection=projection, stream=stream, is_json=json))


@tenants_app.command("list")
def tenants_list(json: Json = False) -> None:  # noqa: FBT002
    """Every tenant of this installation."""
    from cli.tenants import list_tenants

    raise typer.Exit(list_tenants(is_json=json))


@tenants_app.command("create")
def tenants_create(
    name: Annotated[str, typer.Argument()],
    email: Annotated[str, typer.Option(help="The first administrator's address.")],
    region: Annotated[str | None, typer.Option(help="Where its data is to be.")] = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Provision a tenant with an administrator and a first API key; the password is asked for."""
    from cli.tenants import create_tenant

    password = typer.prompt("Password of the administrator", hide_input=True)
    created = create_tenant(name, email=email, password=password, region=region, is_json=json)
    raise typer.Exit(created)


@tenants_app.command("suspend")
def tenants_suspend(
    tenant: Annotated[UUID, typer.Argument()],
    reason: Annotated[str, typer.Option(help="What the tenant is told.")],
    json: Json = False,  # noqa: FBT002
) -> None:
    """From now on the tenant reads and changes nothing; its executions stand still."""
    from cli.tenants import suspend_tenant

    raise typer.Exit(suspend_tenant(tenant, reason=reason, is_json=json))


@tenants_app.command("resume")
def tenants_resume(
    tenant: Annotated[UUID, typer.Argument()],
    json: Json = False,  # noqa: FBT002
) -> None:
    """A suspended tenant and its executions go on."""
    from cli.tenants import resume_tenant

    raise typer.Exit(resume_tenant(tenant, is_json=json))


@tenants_app.command("offboard")
def tenants_offboard(
    tenant: Annotated[UUID, typer.Argument()],
    grace_days: Annotated[int, typer.Option(min=0, max=90)] = 30,
    json: Json = False,  # noqa: FBT002
) -> None:
    """After the grace the key of the tenant is destroyed: nothing of it can be read any more."""
    from cli.tenants import offboard_tenant

    raise typer.Exit(offboard_tenant(tenant, grace_days=grace_days, is_json=json))


@tenants_app.command("keep")
def tenants_keep(
    tenant: Annotated[UUID, typer.Argument()],
    json: Json = False,  # noqa: FBT002
) -> None:
    """Cancel the offboarding of a tenant, within its grace."""
    from cli.tenants import keep_tenant

    raise typer.Exit(keep_tenant(tenant, is_json=json))


@tenants_app.command("erase")
def tenants_erase(
    tenant: Annotated[str, typer.Argument(help="Its id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002
    json: Json = False,  # noqa: FBT002
) -> None:
    """Destroy the key of a tenant: nothing of it can be read any more, anywhere, by anybody."""
    from cli.tenants import erase_tenant

    if not yes:
        typer.confirm(f"Everything of tenant {tenant} is lost for ever. Go on?", abort=True)
    raise typer.Exit(erase_tenant(tenant, is_json=json))


@erasures_app.command("list")
def erasures_list() -> None:
    """Every key that was destroyed, one JSON document a line. Keep it apart from backups."""
    from cli.erasures import list_erasures

    raise typer.Exit(list_erasures())


@erasures_app.command("replay")
def erasures_replay(
    file: Annotated[Path, typer.Argument(help="What `erasures list` printed; - is stdin.")],
) -> None:
    """After a restore: destroy again the keys that the backup brought back."""
    from cli.erasures import replay_erasures

    raise typer.Exit(replay_erasures(file))


@signing_keys_app.command("rotate")
def signing_keys_rotate(
    revoke_others: Annotated[  # noqa: FBT002 # typer's way to say a flag
        bool, typer.Option("--revoke-others", help="No other key counts any more: one has leaked.")
    ] = False,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Sign with a new key from now on."""
    from cli.signing_keys import rotate_signing_keys

    raise typer.Exit(rotate_signing_keys(revoke_others=revoke_others, is_json=json))


@seal_keys_app.command("list")
def seal_keys_list() -> None:
    """The public keys, for `verify-export --public-key`."""
    from cli.seal_keys import list_seal_keys

    raise typer.Exit(list_seal_keys())


@seal_keys_app.command("rotate")
def seal_keys_rotate(json: Json = False) -> None:  # noqa: FBT002
    """Sign with a new key from the next seal on; old seals keep their keys."""
    from cli.seal_keys import rotate_seal_keys

    raise typer.Exit(rotate_seal_keys(is_json=json))


@app.command()
def demo() -> None:
    """Register two agents and a workflow, run it, follow it live."""
    from cli.demo import demo as run

    raise typer.Exit(run())


@app.command()
def bench(
    only: Annotated[str | None, typer.Option(help="One measurement by name.")] = None,
) -> None:
    """The measurements of the README, peers beside us in one run."""
    from bench.__main__ import bench as run
    from bench.stage import Asked

    raise typer.Exit(run(only, Asked()))


def main() -> None:
    collect_rarely()
    app()


if __name__ == "__main__":
    main()
