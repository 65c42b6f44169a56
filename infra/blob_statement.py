"""Storing the blobs of a batch of appends, in their transaction."""

from collections.abc import Sequence
from typing import LiteralString

from psycopg import AsyncConnection

from infra.append_statement import Append

# The order keeps two writers that store the same blobs from waiting for each other in a circle.
# A blob that is there already says when it was used last: whoever is about to remove it waits for
# this row, and then finds that it must not.
STORE: LiteralString = """
WITH stored AS (
  INSERT INTO blobs (tenant_id, sha256, bytes, content)
  SELECT tenant_id, sha256, octet_length(content), content
    FROM unnest(%b::uuid[], %b::bytea[], %b::bytea[]) AS row (tenant_id, sha256, content)
   ORDER BY tenant_id, sha256
  ON CONFLICT (tenant_id, sha256) DO UPDATE SET used_at = now()
  RETURNING tenant_id, bytes, used_at = stored_at AS is_new
), used AS (
  INSERT INTO blob_uses (tenant_id, stream_id, sha256)
  SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::bytea[])
  ON CONFLICT DO NOTHING
)
INSERT INTO blob_totals (tenant_id, bytes)
SELECT tenant_id, sum(bytes) FROM stored WHERE is_new GROUP BY tenant_id ORDER BY tenant_id
ON CONFLICT (tenant_id) DO UPDATE SET bytes = blob_totals.bytes + EXCLUDED.bytes
"""


async def store_blobs(conn: AsyncConnection, batch: Sequence[Append]) -> None:
    """In the transaction that stores the batch, after its events."""
    pairs = [(append.envelope.tenant_id, blob) for append in batch for blob in append.blobs]
    if not pairs:
        return
    contents = {(tenant_id, blob.sha256): blob.content for tenant_id, blob in pairs}
    uses = {(tenant_id, blob.stream_id, blob.sha256): None for tenant_id, blob in pairs}
    params = (
        [key[0] for key in contents],
        [key[1] for key in contents],
        list(contents.values()),
        [use[0] for use in uses],
        [use[1] for use in uses],
        [use[2] for use in uses],
    )
    await conn.execute(STORE, params)
