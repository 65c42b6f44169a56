"""Statements of members of a group and their leases of partitions. Parameters: group, member,
ttl_s, lock_class, partitions.
"""

from typing import LiteralString

LOCK_CLASS = 0x6167_6C6D  # "aglm": the advisory locks of members.

# fmt: off
# A member holds this lock as long as its session lives: a process that was killed is known to be
# dead at once, and only one that stands still has to be waited for.
LIVE: LiteralString = "SELECT pg_advisory_lock_shared(%(lock_class)s, hashtext(%(member)s))"
LIVE_NO_MORE: LiteralString = (
    "SELECT pg_advisory_unlock_shared(%(lock_class)s, hashtext(%(member)s))"
)
LIVES: LiteralString = (
    "EXISTS (SELECT FROM pg_locks AS k WHERE k.locktype = 'advisory' AND k.objsubid = 2"
    " AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND k.classid::bigint = %(lock_class)s AND k.objid = hashtext("
)
LIVES_END: LiteralString = ")::oid)"
JOIN: LiteralString = (
    "INSERT INTO group_members (consumer_group, member, expires_at)"
    " VALUES (%(group)s, %(member)s, clock_timestamp() + make_interval(secs => %(ttl_s)s))"
    " ON CONFLICT (consumer_group, member) DO UPDATE SET expires_at = EXCLUDED.expires_at"
)
LIVE_MEMBERS: LiteralString = (
    "SELECT member FROM group_members WHERE consumer_group = %(group)s AND expires_at >"
    " clock_timestamp()"
    " ORDER BY member"
)
FORGET_DEAD: LiteralString = (
    "DELETE FROM group_members WHERE consumer_group = %(group)s"
    " AND (expires_at < clock_timestamp() OR NOT " + LIVES + "member" + LIVES_END + ")"
)
LEAVE: LiteralString = (
    "DELETE FROM group_members WHERE consumer_group = %(group)s AND member = %(member)s"
)
CLAIM: LiteralString = (
    "INSERT INTO partition_leases AS l (consumer_group, partition, owner, epoch, expires_at)"
    " SELECT %(group)s, p, %(member)s, 1, clock_timestamp() + make_interval(secs => %(ttl_s)s)"
    "   FROM unnest(%(partitions)s::smallint[]) AS p"
    " ON CONFLICT (consumer_group, partition) DO UPDATE"
    "   SET owner = EXCLUDED.owner, expires_at = EXCLUDED.expires_at,"
    "       epoch = l.epoch + CASE WHEN l.owner = EXCLUDED.owner THEN 0 ELSE 1 END"
    " WHERE l.owner = EXCLUDED.owner OR l.owner IS NULL OR l.expires_at < clock_timestamp()"
    "    OR NOT " + LIVES + "l.owner" + LIVES_END +
    " RETURNING l.partition"
)
RELEASE: LiteralString = (
    "UPDATE partition_leases SET owner = NULL, expires_at = '-infinity'"
    " WHERE consumer_group = %(group)s AND owner = %(member)s AND partition = ANY(%(partitions)s)"
)
# fmt: on
