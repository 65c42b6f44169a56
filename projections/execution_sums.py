"""Sums over the runs that have ended, by when they were created: how many, how long they took, what
they cost. A row has the runs of about one duration, so that the rows are a histogram, from which
any percentile can be read for any time and group (infra/migrations/0076_about_ms.sql). What they
took together is exact.

Runs that have not ended are not in them: they are few, and change often.
"""

from typing import LiteralString

from projections.table import Rollup

# In place of a workflow or an agent where there is none, and of a duration.
NOBODY: LiteralString = "'00000000-0000-0000-0000-000000000000'::uuid"
ABOUT_MS: LiteralString = "coalesce(agentledger.about_ms({row}.duration_ms), -1)"

# fmt: off
SUMS: LiteralString = (
    " AS start,"
    " coalesce(f.workflow_id, " + NOBODY + ") AS workflow_id,"
    " coalesce(f.agent_id, " + NOBODY + ") AS agent_id,"
    " f.created_by, f.status, " + ABOUT_MS.replace("{row}", "f") + " AS about_ms,"
    " sum(f.sign) AS runs, sum(f.sign * coalesce(f.duration_ms, 0)) AS duration_ms,"
    " sum(f.sign * f.cost_usd_pico) AS cost_usd_pico,"
    " sum(f.sign * f.unpriced) AS unpriced,"
    " sum(f.sign * f.tokens_in) AS tokens_in, sum(f.sign * f.tokens_out) AS tokens_out"
    " FROM {facts} AS f WHERE f.completed_at IS NOT NULL"
    " GROUP BY 1, 2, 3, 4, 5, 6, 7"
    # What changes after the end is mostly none of this.
    " HAVING sum(f.sign) <> 0 OR sum(f.sign * coalesce(f.duration_ms, 0)) <> 0"
    "     OR sum(f.sign * f.cost_usd_pico) <> 0"
    "     OR sum(f.sign * f.unpriced) <> 0"
    "     OR sum(f.sign * f.tokens_in) <> 0 OR sum(f.sign * f.tokens_out) <> 0"
)
# fmt: on


def _rollup(suffix: LiteralString, length: LiteralString) -> Rollup:
    start: LiteralString = "date_bin('" + length + "', f.created_at, 'epoch'::timestamptz)"
    return Rollup(
        suffix=suffix,
        key=(
            *("tenant_id uuid", "start timestamptz", "workflow_id uuid", "agent_id uuid"),
            *("created_by text", "status text", "about_ms bigint"),
        ),
        sums=("runs", "duration_ms", "cost_usd_pico", "unpriced", "tokens_in", "tokens_out"),
        count="runs",
        select="SELECT f.tenant_id, " + start + SUMS,
    )


BY_QUARTER = _rollup("by_quarter", "15 minutes")
# Of UTC.
BY_DAY = _rollup("by_day", "1 day")
