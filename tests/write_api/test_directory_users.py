"""/scim/v2/Users: who is brought by a directory, and what it cannot do to anybody else."""

import pytest

from tests.write_api.api import Api, problem
from tests.write_api.directory import ADA, Directory, a_patch, a_user, scim_error


@pytest.fixture
async def directory(api: Api) -> Directory:
    return await Directory(api).open()


async def test_a_user_is_brought_and_can_be_found(directory: Directory) -> None:
    created = await directory.created("/Users", ADA)
    person = await directory.person(created["id"])
    assert (person.email, person.name) == ("ada@acme.example", "Ada Lovelace")
    assert (person.role, person.status) == ("USER", "ACTIVE")
    assert created["meta"]["location"] == f"http://ledger/scim/v2/Users/{created['id']}"
    assert "title" not in created
    read = await directory.send("GET", f"/Users/{created['id']}")
    assert read.json() == created
    for wanted in ('userName eq "ADA"', 'externalId eq "00u1"', 'USERNAME EQ "ada"'):
        found = (await directory.send("GET", f"/Users?filter={wanted}")).json()
        assert [one["id"] for one in found["Resources"]] == [created["id"]], wanted
    nobody = (await directory.send("GET", '/Users?filter=userName eq "bob"')).json()
    assert (nobody["totalResults"], nobody["Resources"]) == (0, [])


async def test_users_come_in_pages(directory: Directory) -> None:
    ids = [(await directory.created("/Users", a_user(f"u{n}")))["id"] for n in range(5)]
    page = (await directory.send("GET", "/Users?startIndex=2&count=3")).json()
    assert [one["id"] for one in page["Resources"]] == sorted(ids)[1:4]
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (5, 2, 3)
    behind = (await directory.send("GET", "/Users?startIndex=9")).json()
    assert (behind["totalResults"], behind["Resources"]) == (5, [])
    counted = (await directory.send("GET", "/Users?count=0")).json()
    assert (counted["totalResults"], counted["Resources"]) == (5, [])


@pytest.mark.parametrize("said", [False, "False"])
async def test_a_user_who_is_not_active_any_more_is_deactivated_and_may_come_back(
    directory: Directory, said: object
) -> None:
    path = f"/Users/{(await directory.created('/Users', ADA))['id']}"
    gone = await directory.patched(path, {"op": "Replace", "path": "active", "value": said})
    assert gone["active"] is False
    assert (await directory.person(gone["id"])).status == "DEACTIVATED"
    back = await directory.patched(path, {"op": "replace", "value": {"active": True}})
    assert back["active"] is True
    assert (await directory.person(gone["id"])).is_active


async def test_a_removed_user_is_deactivated_and_gone_until_brought_again(
    directory: Directory,
) -> None:
    created = await directory.created("/Users", ADA)
    path = f"/Users/{created['id']}"
    assert (await directory.send("DELETE", path)).status_code == 204
    for method in ("GET", "DELETE"):
        scim_error(await directory.send(method, path), 404)
    assert (await directory.person(created["id"])).status == "DEACTIVATED"
    again = await directory.created("/Users", ADA)
    assert again["id"] == created["id"]
    assert (await directory.person(created["id"])).is_active


async def test_two_users_have_neither_one_name_nor_one_address(directory: Directory) -> None:
    await directory.created("/Users", ADA)
    other = {**a_user("ADA"), "emails": [{"value": "other@acme.example"}]}
    scim_error(await directory.send("POST", "/Users", other), 409, "uniqueness")
    same_address = {**a_user("bob"), "emails": [{"value": "ADA@acme.example"}]}
    scim_error(await directory.send("POST", "/Users", same_address), 409, "uniqueness")
    bob = await directory.created("/Users", a_user("bob"))
    renamed = await directory.send(
        "PUT", f"/Users/{bob['id']}", {**a_user("bob"), "userName": "ada"}
    )
    scim_error(renamed, 409, "uniqueness")


async def test_takeover_of_somebody_who_is_here_already(directory: Directory) -> None:
    root = {**a_user("root"), "emails": [{"value": "root@acme.example"}]}
    scim_error(await directory.send("POST", "/Users", root), 409, "uniqueness")
    found = (await directory.send("GET", "/Users")).json()
    assert found["totalResults"] == 0


async def test_a_password_of_a_directory_is_kept_nowhere(directory: Directory) -> None:
    created = await directory.created("/Users", {**ADA, "password": "hunter2 hunter2"})
    path = f"/Users/{created['id']}"
    await directory.patched(path, {"op": "replace", "path": "password", "value": "hunter2 again"})
    assert not [event for event in directory.api.store.events if b"hunter2" in event.state]


async def test_a_user_can_be_patched_by_value_paths(directory: Directory) -> None:
    path = f"/Users/{(await directory.created('/Users', ADA))['id']}"
    changed = await directory.patched(
        path,
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "lovelace@acme.example"},
        {"op": "add", "path": "name.givenName", "value": "Augusta"},
    )
    assert changed["emails"][1]["value"] == "lovelace@acme.example"
    assert (await directory.person(changed["id"])).name == "Augusta Lovelace"


@pytest.mark.parametrize(
    ("change", "scim_type"),
    [
        ({"userName": ""}, "invalidValue"),
        ({"userName": 5}, "invalidValue"),
        ({"userName": "x" * 201}, "invalidValue"),
        ({"emails": []}, None),
        ({"emails": [{"value": "no address"}]}, "invalidValue"),
        ({"emails": [{"value": "a@b@acme.example"}]}, "invalidValue"),
        ({"active": "perhaps"}, "invalidValue"),
        ({"schemas": ["urn:x"]}, None),
        ({"name": {"formatted": "x" * 20_000}}, "invalidValue"),
        ({"name": {"givenName": "x" * 257}}, "invalidValue"),
        ({"displayName": "x" * 257}, "invalidValue"),
        ({"externalId": "x" * 257}, "invalidValue"),
        ({"emails": [{"value": "ada@acme.example", "type": "x" * 257}]}, "invalidValue"),
        ({"emails": [{"value": "ada@acme.example"}] * 21}, "invalidValue"),
    ],
)
async def test_a_mistake_is_told_and_nothing_is_stored(
    directory: Directory, change: dict[str, object], scim_type: str | None
) -> None:
    before = len(directory.api.store.events)
    response = await directory.send("POST", "/Users", {**ADA, **change})
    told = response.json().get("scimType")
    scim_error(response, 400, scim_type if scim_type is not None else told)
    assert len(directory.api.store.events) == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/Users?filter=title pr", None, 400),
        ("GET", '/Users?filter=userName eq "a" or userName eq "b"', None, 400),
        ("GET", "/Users?count=many", None, 400),
        ("GET", "/Users/ada", None, 404),
        ("GET", "/Users/019a0000-0000-7000-8000-000000000000", None, 404),
        ("DELETE", "/Users", None, 405),
        ("POST", "/Schemas", {}, 405),
        ("GET", "/Bulk", None, 404),
        ("POST", "/.search", {}, 501),
        ("POST", "/Users", [], 400),
        ("POST", "/Users/.search", [], 400),
        ("PATCH", "/Users/019a0000-0000-7000-8000-000000000000", a_patch(), 400),
        (
            "PATCH",
            "/Users/019a0000-0000-7000-8000-000000000000",
            a_patch({"op": "replace", "path": "active", "value": True}),
            404,
        ),
    ],
)
async def test_what_cannot_be_is_refused_in_the_words_of_the_protocol(
    directory: Directory, method: str, path: str, body: object, status: int
) -> None:
    response = await directory.send(method, path, body)
    scim_error(response, status, response.json().get("scimType"))


async def test_deeply_nested_and_duplicate_json_is_refused(directory: Directory) -> None:
    for raw in (b"[" * 100_000, b'{"userName": "a", "userName": "b"}', b"{"):
        url = "http://ledger/scim/v2/Users"
        headers = {"Authorization": f"Bearer {directory.token}"}
        response = await directory.api.client.post(url, headers=headers, content=raw)
        scim_error(response, 400, response.json().get("scimType"))


async def test_only_the_token_of_a_directory_speaks_for_it(directory: Directory) -> None:
    created = await directory.created("/Users", ADA)
    everything = (await directory.api.created("/api-keys", {"name": "k", "scopes": ["*"]}))[
        "api_key"
    ]
    scim = (await directory.api.created("/api-keys", {"name": "k", "scopes": ["scim"]}))["api_key"]
    reading = (await directory.api.created("/api-keys", {"name": "k", "scopes": ["read"]}))[
        "api_key"
    ]
    for token, status in (("nobody", 401), (everything, 403), (scim, 403), (reading, 403)):
        for path in ("/Users", f"/Users/{created['id']}", "/Schemas"):
            scim_error(await directory.send("GET", path, token=str(token)), status)


async def test_the_token_of_a_directory_opens_nothing_else(directory: Directory) -> None:
    headers = {"Authorization": f"Bearer {directory.token}"}
    made = await directory.api.send(
        "POST", "/api-keys", {"name": "k", "scopes": ["scim"]}, headers=headers
    )
    problem(made, 403, "forbidden")


async def test_a_directory_does_not_see_the_users_of_another(directory: Directory) -> None:
    created = await directory.created("/Users", ADA)
    other = Directory(directory.api)
    await directory.api.send("DELETE", "/identity-providers/nothing")
    other.token = await token_of_another(directory.api)
    path = f"/Users/{created['id']}"
    for method, body in (("GET", None), ("PUT", a_user("ada")), ("DELETE", None)):
        scim_error(await other.send(method, path, body), 404)
    assert (await other.send("GET", "/Users")).json()["totalResults"] == 0
    members = {"schemas": [], "displayName": "g", "members": [{"value": created["id"]}]}
    scim_error(await other.send("POST", "/Groups", members), 400, "invalidValue")


async def test_what_a_directory_asks_is_on_record(directory: Directory) -> None:
    created = await directory.created("/Users", ADA)
    await directory.send("GET", f"/Users/{created['id']}")
    await directory.send("GET", "/Users?filter=title pr")
    await directory.send("GET", "/Users", token="al_unknown")
    await directory.api.audit.close()
    told = [
        (entry.action, entry.outcome, entry.target)
        for entry in directory.api.audit_log.entries
        if entry.action.endswith("Directory")
    ]
    of_her = f"entry_id={created['id']}"
    assert sorted(told, key=str) == sorted(
        [
            ("addToDirectory", "allowed", None),
            ("readDirectory", "allowed", of_her),
            ("readDirectory", "failed", None),
            ("readDirectory", "denied", None),
        ],
        key=str,
    )


async def test_a_provider_that_is_removed_or_closed_silences_its_directory(
    directory: Directory,
) -> None:
    await directory.api.send("DELETE", "/identity-providers/acme")
    scim_error(await directory.send("GET", "/Users"), 404)


async def token_of_another(api: Api) -> str:
    body = {
        "kind": "oidc",
        "issuer": "https://other.example",
        "client_id": "c",
        "client_secret": "s",
        "default_role": "VIEWER",
        "scim": True,
    }
    assert (await api.send("PUT", "/identity-providers/other", body)).status_code == 200
    response = await api.send("POST", "/identity-providers/other/scim-token")
    return response.json()["data"]["api_key"]
