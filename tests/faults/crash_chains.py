"""Which crash points one installation passes through, one after the other, before everything must
hold.

A chain costs one installation and one check instead of one each, and the next crash finds what the
last one left.
"""

from collections.abc import Sequence

from infra.crash_points import CRASH_POINTS, CrashPoint
from tests.faults.broken import Broken

LINKS = 8

ON_KAFKA: frozenset[CrashPoint] = frozenset(
    {
        "relay.after_lock",
        "relay.before_send",
        "relay.after_send",
        "relay.after_acknowledgement",
        "relay.after_position",
        "kafka_log.after_assignment",
        "kafka_log.before_handling",
        "kafka_log.after_handling",
        "kafka_log.before_acknowledgement",
        "kafka_log.after_acknowledgement",
    }
)
ON_POSTGRES: frozenset[CrashPoint] = frozenset(
    {
        "lease.before_claim",
        "lease.after_claim",
        "lease.before_release",
        "lease.after_release",
        "lease.before_leave",
        "lease.after_leave",
        "postgres_log.after_assignment",
        "postgres_log.before_handling",
        "postgres_log.after_handling",
    }
)
# Points of commands, which no role passes: test_crashing_commands.py.
OF_COMMANDS: frozenset[CrashPoint] = frozenset(
    {
        "rebuild.after_create",
        "rebuild.before_page",
        "rebuild.after_page",
        "rebuild.before_swap",
        "rebuild.after_swap",
        "replay.before_commit",
        "replay.after_commit",
        "erasure.before_page",
        "erasure.after_page",
        "rotation.before_commit",
        "rotation.after_commit",
        "migration.before_commit",
        "migration.after_commit",
        "schema.before_commit",
        "schema.after_commit",
    }
)
# Passed once in the life of a tenant: test_crashing_offboarding.py.
OF_LEAVING: frozenset[CrashPoint] = frozenset(
    {
        "offboarding.after_claim",
        "offboarding.after_cancel",
        "offboarding.before_end",
        "offboarding.after_end",
    }
)
# Passed once in a month of a tenant: test_crashing_billing.py.
OF_BILLING: frozenset[CrashPoint] = frozenset(
    {"billing.after_claim", "billing.before_append", "billing.after_append"}
)
# Passed by what a tenant pays: test_crashing_payments.py.
OF_PAYMENTS: frozenset[CrashPoint] = frozenset(
    {"deadlines.after_claim", "deadlines.before_release", "payments.after_charge"}
)
# Passed by triggers: test_crashing_triggers.py.
OF_TRIGGERS: frozenset[CrashPoint] = frozenset(
    {"triggers.after_claim", "triggers.after_fire", "triggers.after_miss"}
)
# Passed by texts that are paid for, and others by all: test_crashing_embeddings.py.
OF_EMBEDDINGS: frozenset[CrashPoint] = frozenset(
    {"embeddings.before_call", "embeddings.after_call", "embeddings.after_outcome"}
)
# Passed by calls under limits: test_crashing_limits.py.
OF_LIMITS: frozenset[CrashPoint] = frozenset(
    {
        "limits.before_take",
        "limits.after_take",
        "limits.before_settle",
        "limits.after_settle",
    }
)
# Passed by every run many times: also when some of it is done, such as in a compensation.
ALSO_LATER: dict[CrashPoint, int] = {
    "append.before_statement": 8,
    "append.after_commit": 9,
    "saga.after_append": 7,
    "saga.before_effect": 6,
    "saga.after_effect": 7,
    "saga.after_outcome": 8,
    "http.after_request": 5,
    "projector.before_commit": 4,
    "projector.after_commit": 5,
}


def chains(other_log: frozenset[CrashPoint]) -> list[list[str]]:
    """Every point that an installation comes by, in the order of the registry. other_log: the
    points of the log that it does not have.
    """
    points: list[str] = []
    elsewhere = OF_COMMANDS | OF_LEAVING | OF_BILLING | OF_PAYMENTS | OF_TRIGGERS | OF_LIMITS
    elsewhere |= OF_EMBEDDINGS
    for point in CRASH_POINTS:
        if point not in other_log | elsewhere:
            points.append(point)
            if point in ALSO_LATER:
                points.append(f"{point}:{ALSO_LATER[point]}")
    return [points[start : start + LINKS] for start in range(0, len(points), LINKS)]


def name_of(chain: Sequence[str]) -> str:
    return f"{chain[0]}..{chain[-1]}"


async def live_through(chain: Sequence[str], broken: Broken) -> None:
    for point in chain:
        await broken.crash(point)
    broken.installation.start("all")
    broken.begin_runs()
    await broken.require_everything_holds()
