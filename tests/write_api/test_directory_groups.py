"""/scim/v2/Groups: who is in a group has the role that the provider's configuration gives it."""

import pytest

from tests.write_api.api import Api
from tests.write_api.directory import Directory, a_group, a_user, scim_error


@pytest.fixture
async def directory(api: Api) -> Directory:
    return await Directory(api).open()


async def some_users(directory: Directory, *names: str) -> list[str]:
    return [(await directory.created("/Users", a_user(name)))["id"] for name in names]


async def roles(directory: Directory, *user_ids: str) -> list[str]:
    return [(await directory.person(user_id)).role for user_id in user_ids]


async def test_members_of_a_group_have_its_role_from_then_on_and_until_they_leave(
    directory: Directory,
) -> None:
    ada, bob = await some_users(directory, "ada", "bob")
    group = await directory.group("platform", ada)
    assert [member["value"] for member in group["members"]] == [ada]
    assert await roles(directory, ada, bob) == ["ADMIN", "USER"]
    path = f"/Groups/{group['id']}"
    await directory.patched(path, {"op": "add", "path": "members", "value": [{"value": bob}]})
    assert await roles(directory, ada, bob) == ["ADMIN", "ADMIN"]
    await directory.patched(path, {"op": "remove", "path": f'members[value eq "{ada}"]'})
    assert await roles(directory, ada, bob) == ["USER", "ADMIN"]
    removal = {"op": "Remove", "path": "members", "value": [{"value": bob}]}
    assert "members" not in await directory.patched(path, removal)
    assert await roles(directory, ada, bob) == ["USER", "USER"]


async def test_a_user_says_which_groups_they_are_in(directory: Directory) -> None:
    (ada,) = await some_users(directory, "ada")
    group = await directory.group("makers", ada)
    user = (await directory.send("GET", f"/Users/{ada}")).json()
    assert user["groups"] == [{"value": group["id"], "display": "makers"}]


async def test_a_group_that_is_renamed_or_removed_gives_and_takes_its_role(
    directory: Directory,
) -> None:
    (ada,) = await some_users(directory, "ada")
    group = await directory.group("makers", ada)
    path = f"/Groups/{group['id']}"
    assert (await directory.send("PUT", path, a_group("platform", ada))).status_code == 200
    assert await roles(directory, ada) == ["ADMIN"]
    assert (await directory.send("DELETE", path)).status_code == 204
    assert await roles(directory, ada) == ["USER"]
    scim_error(await directory.send("GET", path), 404)
    assert "groups" not in (await directory.send("GET", f"/Users/{ada}")).json()


async def test_a_role_stays_while_another_group_gives_it(directory: Directory) -> None:
    (ada,) = await some_users(directory, "ada")
    await directory.api.send("PUT", "/identity-providers/acme", {**PROVIDER, "group_roles": BOTH})
    first = await directory.group("platform", ada)
    await directory.group("security", ada)
    assert (await directory.send("DELETE", f"/Groups/{first['id']}")).status_code == 204
    assert await roles(directory, ada) == ["ADMIN"]


async def test_a_removed_user_is_in_no_group_any_more(directory: Directory) -> None:
    ada, bob = await some_users(directory, "ada", "bob")
    group = await directory.group("platform", ada, bob)
    await directory.send("DELETE", f"/Users/{ada}")
    read = (await directory.send("GET", f"/Groups/{group['id']}")).json()
    assert [member["value"] for member in read["members"]] == [bob]
    again = (await directory.created("/Users", a_user("ada")))["id"]
    assert (again, await roles(directory, again)) == (ada, ["USER"])


async def test_members_are_users_of_the_directory(directory: Directory) -> None:
    (ada,) = await some_users(directory, "ada")
    for stranger in ("019a0000-0000-7000-8000-000000000000", "ada"):
        body = a_group("makers", ada, stranger)
        scim_error(await directory.send("POST", "/Groups", body), 400, "invalidValue")
    assert (await directory.send("GET", "/Groups")).json()["totalResults"] == 0


async def test_two_groups_do_not_have_one_name(directory: Directory) -> None:
    await directory.group("makers")
    scim_error(await directory.send("POST", "/Groups", a_group("MAKERS")), 409, "uniqueness")
    found = (await directory.send("GET", '/Groups?filter=displayName eq "Makers"')).json()
    assert found["totalResults"] == 1


PROVIDER = {
    "kind": "oidc",
    "issuer": "https://login.acme.example",
    "client_id": "ledger",
    "default_role": "USER",
    "scim": True,
}
BOTH = {"platform": "ADMIN", "security": "ADMIN"}


async def test_whoever_is_in_a_group_gets_its_new_role_when_the_provider_is_configured_anew(
    directory: Directory,
) -> None:
    ada, bob, cleo = await some_users(directory, "ada", "bob", "cleo")
    await directory.group("platform", ada)
    await directory.group("makers", bob)
    assert await roles(directory, ada, bob, cleo) == ["ADMIN", "USER", "USER"]
    body = {
        "kind": "oidc",
        "issuer": "https://login.acme.example",
        "client_id": "ledger",
        "allowed_domains": ["acme.example"],
        "default_role": "USER",
        "group_roles": {"makers": "VIEWER"},
        "scim": True,
    }
    put = await directory.api.send("PUT", "/identity-providers/acme", body)
    assert (put.status_code, put.json()["data"]["roles_changed"]) == (200, 2), put.text
    assert await roles(directory, ada, bob, cleo) == ["USER", "VIEWER", "USER"]
    again = await directory.api.send("PUT", "/identity-providers/acme", body)
    assert again.json()["data"]["roles_changed"] == 0


async def test_a_group_has_a_bounded_number_of_members(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("write_api.scim_resources.MEMBERS_MAX", 1)
    ids = await some_users(directory, "ada", "bob")
    refused = await directory.send("POST", "/Groups", a_group("makers", *ids))
    scim_error(refused, 400, "invalidValue")
