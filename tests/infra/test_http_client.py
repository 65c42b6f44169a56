"""The guarded client against a real server on loopback: where it goes, and what goes along."""

import socket
from contextlib import AsyncExitStack

import pytest

from commands.http_port import HttpResponse
from infra.http_client import HTTP_REDIRECTS_MAX
from tests.infra.http_steps import LOOPBACK, a_client, a_request, failure_of, to
from tests.web_server import Answer, answer, head, web_server

SECRETS = {
    "Authorization": "Bearer s3cret",
    "Cookie": "id=s3cret",
    "X-Api-Key": "s3cret",
    "X-Our-Own-Token": "s3cret",
}


async def test_an_answer_is_brought_as_it_came() -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/a"] = answer(404, b"no", X_Trace="1", Set_Cookie="a=1")
        response = await client.send(to(server, "/a"))
    headers = {"content-length": "2", "x-trace": "1", "set-cookie": "a=1"}
    url = f"http://{LOOPBACK}:{server.port}/a"
    assert response == HttpResponse(404, headers, b"no", url)


async def test_repeated_headers_are_joined() -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        raw = b"HTTP/1.1 200 OK\r\nLink: <a>\r\nContent-Length: 0\r\nlink: <b>\r\n\r\n"
        server.answers["/"] = Answer(raw)
        assert (await client.send(to(server))).headers["link"] == "<a>, <b>"


async def test_what_is_asked_arrives_whole() -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/p%20q"] = answer()
        await client.send(
            to(
                server,
                "/p q?x=1",
                method="PATCH",
                query=(("x", "ü&"), ("y", "")),
                headers={"Content-Type": "text/plain", "X-A": "b"},
                body=b"hello",
            )
        )
    (received,) = server.requests
    assert received.method == "PATCH"
    assert received.target == "/p%20q?x=1&x=%C3%BC%26&y="
    assert received.body == b"hello"
    assert received.headers["content-type"] == "text/plain"
    assert received.headers["x-a"] == "b"
    assert received.headers["user-agent"] == "AgentLedger"
    assert received.headers["host"] == f"{LOOPBACK}:{server.port}"
    assert "cookie" not in received.headers


@pytest.mark.parametrize(
    ("method", "headers", "key"),
    [
        ("GET", {}, None),
        ("HEAD", {}, None),
        ("OPTIONS", {}, "key-1"),
        ("POST", {}, "key-1"),
        ("PUT", {}, "key-1"),
        ("PATCH", {}, "key-1"),
        ("DELETE", {}, "key-1"),
        ("POST", {"idempotency-key": "mine"}, "mine"),
    ],
)
async def test_the_idempotency_key_is_seen_by_the_server(
    method: str, headers: dict[str, str], key: str | None
) -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = answer()
        await client.send(to(server, method=method, headers=headers))
    assert server.requests[0].headers.get("idempotency-key") == key


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "other.example"},
        {"Connection": "close"},
        {"Transfer-Encoding": "chunked"},
        {"content-length": "5"},
        {"Proxy-Authorization": "s3cret"},
        {"X-A": "s3cret\r\nX-B: c"},
        {"X A": "b"},
        {"X-A": "b", "x-a": "c"},
    ],
)
async def test_headers_that_belong_to_the_connection_are_refused(headers: dict[str, str]) -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        failure = await failure_of(client, to(server, headers=headers))
    assert failure == ("invalid_header", False)
    assert server.connections_count == 0


@pytest.mark.parametrize(
    "url",
    [
        "",
        "//127.0.0.1/",
        "http://",
        "http:///x",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://127.0.0.1/",
        "unix:/run/x.sock",
        "http://user:s3cret@127.0.0.1/",
        "http://user@127.0.0.1/",
        "http://good\\@127.0.0.1/",
        "http://127.0.0.1\t/",
        "http://127.0.0.1\r\nX: y/",
        "ht\ntp://127.0.0.1/",
        "http://a b/",
        "http://%31%32%37.0.0.1/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://[::zz]/",
        f"http://{'a' * 254}/",
        f"http://127.0.0.1/{'a' * 8000}",
    ],
)
async def test_a_url_that_does_not_say_one_thing_is_refused(url: str) -> None:
    async with a_client() as (client, told):
        assert await failure_of(client, a_request(url)) == ("invalid_url", False)
    assert told.asked == []


@pytest.mark.parametrize("host", [LOOPBACK, "①②⑦.0.0.1", "127。0。0。1", "inner.example"])
async def test_nothing_connects_to_an_address_that_is_not_public(host: str) -> None:
    lookup = {"inner.example": [[LOOPBACK]]}
    async with web_server() as server, a_client(lookup=lookup) as (client, _):
        server.answers["/"] = answer()
        assert await failure_of(client, to(server, host=host)) == ("forbidden_address", False)
    assert server.connections_count == 0


async def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A resolver that rebinds is not asked again, nor is any other one."""

    def resolve(*asked: object, **how: object) -> None:
        raise AssertionError((asked, how))

    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(web_server())
        second = await stack.enter_async_context(web_server(host="127.0.0.2", port=first.port))
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        lookup = {"inner.example": [[LOOPBACK], ["127.0.0.2"]]}
        allowed = ("inner.example", first.port)
        client, told = await stack.enter_async_context(a_client(allowed, lookup=lookup))
        first.answers["/"] = answer()
        await client.send(to(first, host="inner.example"))
    assert told.asked == ["inner.example"]
    assert (first.connections_count, second.connections_count) == (1, 0)
    assert first.requests[0].headers["host"] == f"inner.example:{first.port}"


async def test_an_address_that_does_not_answer_is_passed_over() -> None:
    lookup = {"inner.example": [["127.0.0.2", LOOPBACK]]}
    async with (
        web_server() as server,
        a_client(("inner.example", server.port), lookup=lookup) as (client, _),
    ):
        server.answers["/"] = answer()
        response = await client.send(to(server, host="inner.example", method="POST", body=b"x"))
    assert response.status == 200
    assert len(server.requests) == 1


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = answer()
        assert (await client.send(to(server))).status == 200


async def test_cookies_of_one_answer_are_not_sent_with_the_next_request() -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = answer(Set_Cookie="a=1; Path=/")
        for _ in range(2):
            await client.send(to(server))
    assert all("cookie" not in received.headers for received in server.requests)


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "DELETE", "GET"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (302, "GET", "GET"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
    ],
)
async def test_a_redirect_keeps_or_changes_the_method(status: int, method: str, then: str) -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers = {"/a": answer(status, Location="/b?c=1"), "/b": answer(body=b"here")}
        if method == "HEAD":
            server.answers["/b"] = answer()
        headers = {"Content-Type": "text/plain"}
        sent = to(server, "/a", method=method, body=b"hello", headers=headers)
        response = await client.send(sent)
    _, second = server.requests
    assert response.url == f"http://{LOOPBACK}:{server.port}/b?c=1"
    assert (second.method, second.target) == (then, "/b?c=1")
    is_kept = method == then
    assert second.body == (b"hello" if is_kept else b"")
    assert ("content-type" in second.headers) == is_kept
    assert second.headers.get("idempotency-key") == (
        "key-1" if is_kept and method not in ("GET", "HEAD") else None
    )


async def test_a_redirect_within_the_origin_keeps_credentials() -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers = {"/a": answer(302, Location="b"), "/b": answer()}
        await client.send(to(server, "/a", headers=SECRETS))
    for name in SECRETS:
        assert "s3cret" in server.requests[1].headers[name.lower()]


@pytest.mark.parametrize("location", ["http://other.example:{}/b", "//other.example:{}/b"])
async def test_a_redirect_to_another_origin_drops_whatever_may_be_a_credential(
    location: str,
) -> None:
    lookup = {"other.example": [[LOOPBACK]]}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(web_server())
        allowed = [(LOOPBACK, server.port), ("other.example", server.port)]
        client, _ = await stack.enter_async_context(a_client(*allowed, lookup=lookup))
        url = location.format(server.port)
        server.answers = {"/a": answer(307, Location=url), "/b": answer()}
        sent = to(server, "/a", method="POST", headers={**SECRETS, "Accept": "text/html"})
        await client.send(sent)
    headers = server.requests[1].headers
    assert not {name.lower() for name in SECRETS} & set(headers)
    assert (headers["accept"], headers["idempotency-key"]) == ("text/html", "key-1")


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.2:{}/", "forbidden_address"),
        ("//127.0.0.2:{}/", "forbidden_address"),
        ("http://inner.example:{}/", "forbidden_address"),
        ("http://169.254.169.254/latest/meta-data/", "forbidden_address"),
        ("http://[::ffff:127.0.0.2]:{}/", "forbidden_address"),
        ("file:///etc/passwd", "invalid_url"),
        ("http://user:s3cret@127.0.0.1:{}/", "invalid_url"),
        ("\\\\127.0.0.2:{}/", "invalid_url"),
        ("http://[", "invalid_url"),
    ],
)
async def test_where_a_redirect_leads_is_checked_again(location: str, code: str) -> None:
    lookup = {"inner.example": [["127.0.0.2"]]}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(web_server())
        secret = await stack.enter_async_context(web_server(host="127.0.0.2", port=server.port))
        allowed = (LOOPBACK, server.port)
        client, _ = await stack.enter_async_context(a_client(allowed, lookup=lookup))
        server.answers["/"] = answer(302, Location=location.format(server.port))
        assert await failure_of(client, to(server)) == (code, False)
    assert secret.connections_count == 0


async def test_redirects_end_somewhere() -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = answer(302, Location="/")
        assert await failure_of(client, to(server)) == ("too_many_redirects", False)
    assert len(server.requests) == HTTP_REDIRECTS_MAX + 1


async def test_a_redirect_that_leads_nowhere_is_an_answer() -> None:
    async with web_server() as server, a_client((LOOPBACK, server.port)) as (client, _):
        server.answers["/"] = Answer(head(302, {"Content-Length": "0"}))
        assert (await client.send(to(server))).status == 302
