-- What was asked for (ids, and names that tenants gave) is sealed with where it was asked from, so that it goes with the
-- tenant's key.
ALTER TABLE agentledger.audit_entries DROP COLUMN target;
ALTER TABLE agentledger.audit_entries RENAME COLUMN source TO sealed;
