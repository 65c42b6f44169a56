"""The seals of the log, and the proofs that whoever has the public keys can verify without us."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import strawberry

from infra.event_log import TenantId
from infra.log_seals import Head, SignedSeal, place_text
from infra.seal_proofs import ConsistencyProof as FoundConsistency
from infra.seal_proofs import EventProof
from read_api.connections import Connection, Edge, connection, uuid_or_none
from read_api.context import ReadContext, ReadInfo
from read_api.errors import refuse
from read_api.limits import PAGE_SIZE_DEFAULT, ReadLimits
from read_api.scalars import Instant, instant_of

NUMBER_MAX = (1 << 31) - 1


@strawberry.type(description="The tree of the tenant's own events, as of a seal.")
class TenantHead:
    found: strawberry.Private[Head]

    @strawberry.field(description="The seal that has it.")
    def number(self) -> int:
        return self.found.number

    @strawberry.field(description="How many events of the tenant are sealed.")
    def size(self) -> int:
        return self.found.size

    @strawberry.field
    def root(self) -> str:
        return self.found.root.hex()

    @strawberry.field(description="The seal before it that has a head of the tenant, or 0.")
    def previous(self) -> int:
        return self.found.previous

    @strawberry.field(description="Its place in the tree of heads.")
    def leaf_index(self) -> int:
        return self.found.leaf_index


@strawberry.type(
    description="Signed with Ed25519 over the log up to a place. Hashes are hexadecimal."
)
class Seal:
    signed: strawberry.Private[SignedSeal]
    own_head: strawberry.Private[Head | None]

    @strawberry.field
    def number(self) -> int:
        return self.signed.seal.number

    @strawberry.field(description="Leaves of the tree of heads.")
    def heads(self) -> int:
        return self.signed.seal.tree_size

    @strawberry.field(description="Of the tree of heads.")
    def root(self) -> str:
        return self.signed.seal.root.hex()

    @strawberry.field(description="It covers what stands in the log after this place,")
    def after(self) -> str:
        return place_text(self.signed.seal.after)

    @strawberry.field(description="and up to this one.")
    def until(self) -> str:
        return place_text(self.signed.seal.until)

    @strawberry.field
    def sealed_at(self) -> Instant:
        return instant_of(self.signed.seal.sealed_at)

    @strawberry.field(description="The hash of the text of the seal before.")
    def previous(self) -> str:
        return self.signed.seal.previous.hex()

    @strawberry.field(description="Its public half is at `/.well-known/seal-keys.json`.")
    def key_id(self) -> str:
        return self.signed.seal.key_id

    @strawberry.field(description="What is signed, as UTF-8.")
    def text(self) -> str:
        return self.signed.seal.text.decode()

    @strawberry.field
    def signature(self) -> str:
        return self.signed.signature.hex()

    @strawberry.field(description="Null while nothing of the tenant is sealed.")
    def head(self) -> TenantHead | None:
        return None if self.own_head is None else TenantHead(found=self.own_head)


@strawberry.type(
    description="That an event is sealed: RFC 9162, 2.1.3. The leaf is the SHA-256 of a zero byte"
    " and the record; `path` leads from it to the root of `head`, and `headPath` from that to the"
    " root of `seal`."
)
class InclusionProof:
    proof: strawberry.Private[EventProof]

    @strawberry.field(description="Its place among the events of the tenant.")
    def index(self) -> int:
        return self.proof.index

    @strawberry.field(description="All that is stored of the event, of its content a commitment.")
    def record(self) -> str:
        return self.proof.record.hex()

    @strawberry.field(description="The SHA-256 of `blinding` and the JSON of the event.")
    def commitment(self) -> str:
        return self.proof.commitment.hex()

    @strawberry.field(description="Null for what was erased.")
    def blinding(self) -> str | None:
        return None if self.proof.blinding is None else self.proof.blinding.hex()

    @strawberry.field
    def path(self) -> list[str]:
        return [one.hex() for one in self.proof.path]

    @strawberry.field
    def head(self) -> TenantHead:
        return TenantHead(found=self.proof.head_proof.head)

    @strawberry.field
    def head_path(self) -> list[str]:
        return [one.hex() for one in self.proof.head_proof.path]

    @strawberry.field
    def seal(self) -> Seal:
        found = self.proof.head_proof
        return Seal(signed=found.signed, own_head=found.head)


@strawberry.type(
    description="That a seal only adds to an earlier one: RFC 9162, 2.1.4, for the tree of heads"
    " and for the tenant's own."
)
class ConsistencyProof:
    proof: strawberry.Private[FoundConsistency]

    @strawberry.field
    def older(self) -> Seal:
        return Seal(signed=self.proof.first, own_head=self.proof.first_head)

    @strawberry.field
    def newer(self) -> Seal:
        return Seal(signed=self.proof.second, own_head=self.proof.second_head)

    @strawberry.field(description="Between the roots of the two seals.")
    def path(self) -> list[str]:
        return [one.hex() for one in self.proof.path]

    @strawberry.field(description="Between the roots of their heads.")
    def tenant_path(self) -> list[str]:
        return [one.hex() for one in self.proof.tenant_path]


async def seals(
    info: ReadInfo, first: int | None = PAGE_SIZE_DEFAULT, after: str | None = None
) -> Connection[Seal]:
    size = first or PAGE_SIZE_DEFAULT
    found = await info.context.sources.seal_proofs.seals(
        _tenant(info.context),
        before=NUMBER_MAX if after is None else cursor_number(after),
        limit=size + 1,
    )
    edges = [
        Edge(cursor=number_cursor(signed.seal.number), node=Seal(signed=signed, own_head=head))
        for signed, head in found
    ]
    return connection(edges, size=size, is_after=after is not None)


async def inclusion_proof(
    info: ReadInfo, stream_id: strawberry.ID, version: int, seal: int | None = None
) -> InclusionProof | None:
    """As of a seal, or of the newest."""
    stream = uuid_or_none(stream_id)
    if stream is None or version < 1:
        return None
    proof = await info.context.sources.seal_proofs.of_event(
        _tenant(info.context), stream, version, number=seal
    )
    return None if proof is None else InclusionProof(proof=proof)


async def consistency_proof(info: ReadInfo, older: int, newer: int) -> ConsistencyProof | None:
    proofs = info.context.sources.seal_proofs
    proof = await proofs.consistency(_tenant(info.context), older, newer)
    return None if proof is None else ConsistencyProof(proof=proof)


def check_seal_page(arguments: Mapping[str, Any], _limits: ReadLimits) -> None:
    """Raises RequestRefused when `after` is no cursor."""
    if arguments.get("after") is not None:
        cursor_number(arguments["after"])


def check_seal_order(arguments: Mapping[str, Any], _limits: ReadLimits) -> None:
    """Raises RequestRefused when the older one is none, or comes after the newer."""
    if not 1 <= arguments["older"] <= arguments["newer"]:
        raise refuse("bad_seals", "`older` must be a seal, and not come after `newer`.")


def cursor_number(cursor: str) -> int:
    """Raises RequestRefused."""
    try:
        number = int(base64.urlsafe_b64decode(cursor + "==").decode("ascii"))
    except (binascii.Error, ValueError):
        number = -1
    if not 0 <= number <= NUMBER_MAX:
        raise refuse("bad_cursor", "`after` is not a cursor of this list.")
    return number


def number_cursor(number: int) -> str:
    return base64.urlsafe_b64encode(str(number).encode()).decode().rstrip("=")


def _tenant(context: ReadContext) -> TenantId:
    assert context.caller.tenant_id is not None  # read_api/root_fields.py
    return context.caller.tenant_id
