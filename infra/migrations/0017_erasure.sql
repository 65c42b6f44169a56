-- Erasing a tenant: its key is destroyed with the event that says so, and what lies beside the log is removed afterwards, a
-- page at a time. sweep_at: when to look for rows next; NULL is never again. The second look comes when no process can have
-- the key in memory any more, for what one of them may still have written.
ALTER TABLE agentledger.destroyed_keys
  ADD COLUMN sweep_at timestamptz DEFAULT clock_timestamp(),
  ADD COLUMN sweeps_left smallint NOT NULL DEFAULT 2;
CREATE INDEX destroyed_keys_to_sweep ON agentledger.destroyed_keys (sweep_at) WHERE sweep_at IS NOT NULL;

-- As before, and the owner may find and remove rows, which erase_rows does. Not those of the log and of the audit trail,
-- which nobody removes.
CREATE OR REPLACE FUNCTION agentledger.isolate(tenant_table regclass, VARIADIC bound text[]) RETURNS void LANGUAGE plpgsql
  SET search_path = '' AS
$$
DECLARE
  roles text := (SELECT string_agg(pg_catalog.quote_ident('agentledger_' || role_name), ', ') FROM unnest(bound) AS role_name);
  rule text := 'tenant_id = (SELECT agentledger.current_tenant())';
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
  EXECUTE format('CREATE POLICY tenant_only ON %s FOR ALL TO %s USING (%s) WITH CHECK (%s)',
                 tenant_table, roles, rule, rule);
  EXECUTE format('CREATE POLICY tenant_floor ON %s AS RESTRICTIVE FOR ALL TO %s USING (%s) WITH CHECK (%s)',
                 tenant_table, roles, rule, rule);
  PERFORM agentledger.let_erase(tenant_table);
END $$;

CREATE FUNCTION agentledger.let_erase(tenant_table regclass) RETURNS void LANGUAGE plpgsql SET search_path = '' AS
$$
BEGIN
  IF tenant_table NOT IN (SELECT agentledger.never_erased()) THEN
    EXECUTE format('CREATE POLICY owner_finds ON %s FOR SELECT TO agentledger_owner USING (true)', tenant_table);
    EXECUTE format('CREATE POLICY owner_erases ON %s FOR DELETE TO agentledger_owner USING (true)', tenant_table);
  END IF;
END $$;

-- The log, the audit trail, and what says that a key is gone.
CREATE FUNCTION agentledger.never_erased() RETURNS SETOF regclass LANGUAGE sql STABLE SET search_path = '' AS
$$ SELECT c.oid::regclass FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'agentledger'::regnamespace AND c.relkind IN ('r', 'p')
      AND c.relname IN ('events', 'audit_entries', 'data_keys', 'subject_keys', 'destroyed_keys', 'dead_letters') $$;

DO $$
DECLARE one regclass;
BEGIN
  FOR one IN SELECT c.oid::regclass FROM pg_class AS c
              WHERE c.relnamespace = 'agentledger'::regnamespace AND c.relkind = 'r' AND c.relforcerowsecurity LOOP
    PERFORM agentledger.let_erase(one);
  END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION agentledger.let_erase, agentledger.never_erased FROM PUBLIC;

-- With the event of the proof, in its transaction.
CREATE FUNCTION agentledger.destroy_tenant_key(tenant uuid) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER
  SET search_path = '' AS
$$
BEGIN
  INSERT INTO agentledger.destroyed_keys (tenant_id, subject_id)
    SELECT tenant, '00000000-0000-0000-0000-000000000000' WHERE tenant <> '00000000-0000-0000-0000-000000000000'
    ON CONFLICT DO NOTHING;
  DELETE FROM agentledger.data_keys AS k USING agentledger.destroyed_keys AS d
    WHERE k.tenant_id = tenant AND d.tenant_id = tenant AND d.subject_id = '00000000-0000-0000-0000-000000000000';
END $$;
REVOKE EXECUTE ON FUNCTION agentledger.destroy_tenant_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.destroy_tenant_key TO agentledger_writer;

-- The destroyed tenant whose turn it is, for so long nobody else's.
CREATE FUNCTION agentledger.claim_erasure(lease_s double precision) RETURNS uuid LANGUAGE sql VOLATILE SECURITY DEFINER
  SET search_path = '' AS
$$
  UPDATE agentledger.destroyed_keys AS d SET sweep_at = clock_timestamp() + make_interval(secs => lease_s)
   WHERE (d.tenant_id, d.subject_id) = (
     SELECT o.tenant_id, o.subject_id FROM agentledger.destroyed_keys AS o
      WHERE o.sweep_at <= clock_timestamp() AND o.subject_id = '00000000-0000-0000-0000-000000000000'
      ORDER BY o.sweep_at LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING d.tenant_id
$$;

-- Nothing was left; look again after a while, as often as is left.
CREATE FUNCTION agentledger.end_sweep(tenant uuid, again_s double precision) RETURNS void LANGUAGE sql VOLATILE
  SECURITY DEFINER SET search_path = '' AS
$$
  UPDATE agentledger.destroyed_keys AS d SET sweeps_left = greatest(d.sweeps_left - 1, 0),
    sweep_at = CASE WHEN d.sweeps_left > 1 THEN clock_timestamp() + make_interval(secs => again_s) END
   WHERE d.tenant_id = tenant AND d.subject_id = '00000000-0000-0000-0000-000000000000'
$$;

-- Removes at most rows_max rows of a destroyed tenant, whatever table they are in, and returns how many. Read models keep
-- which events they have applied (<projection>_streams), and dead letters their place; neither says what was in an event.
CREATE FUNCTION agentledger.erase_rows(tenant uuid, rows_max integer) RETURNS integer LANGUAGE plpgsql VOLATILE
  SECURITY DEFINER SET search_path = '' AS
$$
DECLARE
  one regclass;
  removed integer;
  total integer := 0;
BEGIN
  IF NOT EXISTS (SELECT FROM agentledger.destroyed_keys AS d
                  WHERE d.tenant_id = tenant AND d.subject_id = '00000000-0000-0000-0000-000000000000') THEN
    RETURN 0;
  END IF;
  IF to_regclass('agentledger.dead_letters') IS NOT NULL THEN
    UPDATE agentledger.dead_letters AS l SET error = 'erased' WHERE l.tenant_id = tenant AND l.error <> 'erased';
  END IF;
  FOR one IN
    SELECT c.oid::regclass FROM pg_catalog.pg_class AS c
     WHERE c.relnamespace = 'agentledger'::regnamespace AND c.relkind = 'r' AND c.relforcerowsecurity
       AND c.oid NOT IN (SELECT agentledger.never_erased())
       AND EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                    WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                        WHERE a.attrelid = c.oid AND a.attname = 'is_parked' AND NOT a.attisdropped)
     ORDER BY c.relname
  LOOP
    EXECUTE format('DELETE FROM %1$s WHERE ctid = ANY(ARRAY(SELECT ctid FROM %1$s WHERE tenant_id = $1 LIMIT $2))', one)
      USING tenant, rows_max - total;
    GET DIAGNOSTICS removed = ROW_COUNT;
    total := total + removed;
    EXIT WHEN total >= rows_max;
  END LOOP;
  RETURN total;
END $$;
REVOKE EXECUTE ON FUNCTION agentledger.claim_erasure, agentledger.end_sweep, agentledger.erase_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.claim_erasure, agentledger.end_sweep, agentledger.erase_rows TO agentledger_worker;
