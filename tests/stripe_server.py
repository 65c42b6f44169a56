"""A server on loopback that speaks as much of Stripe's protocol as we use, and remembers it, also
by idempotency key. Tests are the customers and their banks.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

Thing = dict[str, Any]


@dataclass
class StripeServer:
    """declines: what the next charges are declined with. loses_answers: so many charges are made,
    and the connection breaks instead of an answer.
    """

    port: int = 0
    things: dict[str, Thing] = field(default_factory=dict[str, Thing])
    declines: list[str] = field(default_factory=list[str])
    loses_answers: int = 0
    answers: dict[str, tuple[str, int, Thing]] = field(
        default_factory=dict[str, tuple[str, int, Thing]]
    )

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def taken(self) -> int:
        """All that was taken, in the smallest units."""
        return sum(one["amount"] for one in self.intents if one["status"] == "succeeded")

    @property
    def intents(self) -> list[Thing]:
        return [one for one in self.things.values() if one["object"] == "payment_intent"]

    def pay(self, session_id: str, method_id: str = "pm_visa") -> Thing:
        """Somebody does what the page asks for."""
        session = self.things[session_id]
        kind = "payment_intent" if session["mode"] == "payment" else "setup_intent"
        intent = self._made(
            kind,
            status="succeeded",
            amount=session["amount_total"],
            currency=session["currency"],
            customer=session["customer"],
            payment_method=method_id,
            metadata=session["intent_metadata"],
            last_payment_error=None,
            latest_charge=None,
        )
        session |= {"status": "complete", kind: intent["id"]}
        return session

    def _made(self, kind: str, **members: Any) -> Thing:
        thing = {"id": f"{kind}_{len(self.things) + 1}", "object": kind, "created": 2**31}
        self.things[thing["id"]] = {**thing, **members}
        return self.things[thing["id"]]

    async def create(self, request: web.Request) -> web.Response:
        """Equal keys are one request; with another body they are refused."""
        body = await request.text()
        key = request.headers["Idempotency-Key"]
        told = hashlib.sha256(f"{request.path}?{body}".encode()).hexdigest()
        known = self.answers.get(key)
        if known is None:
            params = dict(parse_qsl(body, keep_blank_values=True))
            status, answer = self._create(request.path.removeprefix("/v1/"), params)
            self.answers[key] = (told, status, answer)
        elif known[0] != told:
            error = {"type": "idempotency_error", "message": "another request had this key"}
            return web.json_response({"error": error}, status=400)
        if self.loses_answers and request.path == "/v1/payment_intents":
            self.loses_answers -= 1
            assert request.transport is not None
            request.transport.close()
        _, status, answer = self.answers[key]
        return web.json_response(answer, status=status)

    def _create(self, kind: str, params: dict[str, str]) -> tuple[int, Thing]:
        metadata = _under(params, "metadata")
        if kind == "customers":
            return 200, self._made("customer", name=params["name"], metadata=metadata)
        if kind == "checkout/sessions":
            of_intent = (
                "payment_intent_data" if params["mode"] == "payment" else "setup_intent_data"
            )
            price = "line_items[0][price_data]"
            session = self._made(
                "checkout.session",
                mode=params["mode"],
                status="open",
                customer=params["customer"],
                currency=params.get(f"{price}[currency]", params.get("currency")),
                amount_total=int(params.get(f"{price}[unit_amount]", "0")),
                expires_at=int(params.get("expires_at", "1900000000")),
                url="https://checkout.stripe.com/c/pay/cs_1",
                metadata=metadata,
                intent_metadata=_under(params, f"{of_intent}[metadata]"),
                payment_intent=None,
                setup_intent=None,
            )
            return 200, session
        if kind == "refunds":
            charge = self._expanded(self.things[params["payment_intent"]])["latest_charge"]
            charge["amount_refunded"] += int(params["amount"])
            self.things[params["payment_intent"]]["latest_charge"] = charge
            return 200, self._made("refund", status="succeeded", **params)
        assert kind == "payment_intents", kind
        return self._charge(params, metadata)

    def _charge(self, params: dict[str, str], metadata: Thing) -> tuple[int, Thing]:
        intent = self._made(
            "payment_intent",
            status="succeeded",
            amount=int(params["amount"]),
            currency=params["currency"],
            customer=params["customer"],
            payment_method=params["payment_method"],
            metadata=metadata,
            last_payment_error=None,
            latest_charge=None,
        )
        if not self.declines:
            return 200, intent
        error: Thing = {
            "type": "card_error",
            "code": "card_declined",
            "decline_code": self.declines.pop(0),
            "message": "Your card was declined.",
        }
        intent |= {"status": "requires_payment_method", "last_payment_error": {**error}}
        return 402, {"error": {**error, "payment_intent": intent}}

    async def retrieve(self, request: web.Request) -> web.Response:
        thing = self.things.get(request.match_info["id"])
        if thing is None:
            error = {"type": "invalid_request_error", "code": "resource_missing", "message": "No."}
            return web.json_response({"error": error}, status=404)
        return web.json_response(self._expanded(thing))

    async def expire(self, request: web.Request) -> web.Response:
        session = self.things[request.match_info["id"]]
        if session["status"] != "open":
            error = {"type": "invalid_request_error", "message": "It is not open."}
            return web.json_response({"error": error}, status=400)
        session["status"] = "expired"
        return web.json_response(session)

    async def list_intents(self, request: web.Request) -> web.Response:
        own = [one for one in self.intents if one["customer"] == request.query["customer"]]
        page = {"object": "list", "data": own[::-1], "has_more": False, "url": request.path}
        return web.json_response(page)

    def _expanded(self, thing: Thing) -> Thing:
        """As if everything that we ever expand was asked for."""
        copy = json.loads(json.dumps(thing))
        for name in ("payment_intent", "setup_intent"):
            if isinstance(copy.get(name), str) and thing["object"] == "checkout.session":
                copy[name] = self._expanded(self.things[copy[name]])
        if copy["object"] == "payment_intent" and copy["latest_charge"] is None:
            copy["latest_charge"] = {"id": "ch_1", "object": "charge", "amount_refunded": 0}
        return copy


@asynccontextmanager
async def stripe_server() -> AsyncIterator[StripeServer]:
    served = StripeServer()
    app = web.Application()
    app.router.add_get("/v1/payment_intents", served.list_intents)
    app.router.add_post("/v1/checkout/sessions/{id}/expire", served.expire)
    app.router.add_post("/v1/{kind:.+}", served.create)
    app.router.add_get("/v1/{kind:.+}/{id}", served.retrieve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.port = runner.addresses[0][1]
    try:
        yield served
    finally:
        await runner.cleanup()


def _under(params: dict[str, str], prefix: str) -> Thing:
    return {
        name.removeprefix(prefix)[1:-1]: value
        for name, value in params.items()
        if name.startswith(f"{prefix}[")
    }
