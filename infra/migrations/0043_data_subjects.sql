-- One person's data inside a tenant: a key of its own beside the tenant's, in the same table, so that whatever is true of
-- the one is true of the other. The nil subject is the tenant itself, as in the ledger of destroyed keys.
ALTER TABLE agentledger.data_keys
  ADD COLUMN subject_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  DROP CONSTRAINT data_keys_pkey,
  ADD PRIMARY KEY (tenant_id, subject_id);

CREATE FUNCTION agentledger.is_destroyed(tenant uuid, subject uuid) RETURNS boolean LANGUAGE sql STABLE
  SET search_path = '' AS
$$
  SELECT EXISTS (SELECT FROM agentledger.destroyed_keys AS d WHERE d.tenant_id = tenant
                    AND d.subject_id IN (subject, '00000000-0000-0000-0000-000000000000'))
$$;

-- The wrapped keys of some scopes; those of destroyed ones without a key, those that have none yet not at all. Who loses
-- the tenant's key loses every key inside it.
DROP FUNCTION agentledger.data_keys_of(uuid[]);
CREATE FUNCTION agentledger.data_keys_of(tenants uuid[], subjects uuid[])
  RETURNS TABLE (tenant_id uuid, subject_id uuid, encrypted_key bytea, iv bytea, auth_tag bytea, key_version integer)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT w.tenant_id, w.subject_id, k.encrypted_key, k.iv, k.auth_tag, k.key_version
    FROM unnest(tenants, subjects) AS w (tenant_id, subject_id)
    LEFT JOIN agentledger.data_keys AS k ON k.tenant_id = w.tenant_id AND k.subject_id = w.subject_id
     AND NOT agentledger.is_destroyed(w.tenant_id, w.subject_id)
   WHERE k.tenant_id IS NOT NULL OR agentledger.is_destroyed(w.tenant_id, w.subject_id)
$$;

-- As before, for any scope.
DROP FUNCTION agentledger.keep_data_key(uuid, bytea, bytea, bytea, integer);
CREATE FUNCTION agentledger.keep_data_key(
    tenant uuid, subject uuid, wrapped bytea, wrap_iv bytea, wrap_tag bytea, wrapped_by integer)
  RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
  INSERT INTO agentledger.data_keys (tenant_id, subject_id, encrypted_key, salt, iv, auth_tag, key_version)
  SELECT tenant, subject, wrapped, k.salt, wrap_iv, wrap_tag, k.key_version
    FROM agentledger.key_encryption_keys AS k
   WHERE k.key_version = wrapped_by AND NOT agentledger.is_destroyed(tenant, subject)
     FOR KEY SHARE OF k
  ON CONFLICT DO NOTHING
$$;

-- With the event that says so, in its transaction.
CREATE FUNCTION agentledger.destroy_subject_key(tenant uuid, subject uuid) RETURNS void LANGUAGE plpgsql VOLATILE
  SECURITY DEFINER SET search_path = '' AS
$$
BEGIN
  IF subject = '00000000-0000-0000-0000-000000000000' THEN
    RAISE EXCEPTION 'a tenant is erased by destroy_tenant_key';
  END IF;
  INSERT INTO agentledger.destroyed_keys (tenant_id, subject_id) VALUES (tenant, subject) ON CONFLICT DO NOTHING;
  DELETE FROM agentledger.data_keys AS k WHERE k.tenant_id = tenant AND k.subject_id = subject;
END $$;

-- The streams in which something lies sealed with a subject's key, until they say that it is erased. kind: the aggregate's
-- topic. Written with the first event of each.
CREATE TABLE agentledger.subject_streams (
  tenant_id  uuid NOT NULL,
  subject_id uuid NOT NULL,
  stream_id  uuid NOT NULL,
  kind       text NOT NULL,
  PRIMARY KEY (tenant_id, subject_id, stream_id)
);
SELECT agentledger.isolate('agentledger.subject_streams', 'api');
-- A worker serves all tenants.
CREATE POLICY worker_reads ON agentledger.subject_streams FOR SELECT TO agentledger_worker USING (true);
CREATE POLICY writer_keeps ON agentledger.subject_streams FOR ALL TO agentledger_writer USING (true) WITH CHECK (true);
GRANT SELECT ON agentledger.subject_streams TO agentledger_api, agentledger_worker;
GRANT INSERT ON agentledger.subject_streams TO agentledger_writer;

-- A stream of somebody who is erased says so now, or has nothing to say.
CREATE FUNCTION agentledger.forget_subject_stream(tenant uuid, subject uuid, stream uuid) RETURNS void LANGUAGE sql VOLATILE
  SECURITY DEFINER SET search_path = '' AS
$$
  DELETE FROM agentledger.subject_streams AS s
   WHERE s.tenant_id = tenant AND s.subject_id = subject AND s.stream_id = stream
     AND agentledger.is_destroyed(tenant, subject)
$$;

-- To whom a mail goes that waits: it goes with them.
ALTER TABLE agentledger.mail_outbox ADD COLUMN user_id uuid;

-- The destroyed subject whose turn it is, for so long nobody else's. Of a tenant that is gone itself nothing is left to do.
CREATE FUNCTION agentledger.claim_subject_erasure(lease_s double precision)
  RETURNS TABLE (tenant_id uuid, subject_id uuid) LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
  UPDATE agentledger.destroyed_keys AS d SET sweep_at = clock_timestamp() + make_interval(secs => lease_s)
   WHERE (d.tenant_id, d.subject_id) = (
     SELECT o.tenant_id, o.subject_id FROM agentledger.destroyed_keys AS o
      WHERE o.sweep_at <= clock_timestamp() AND o.subject_id <> '00000000-0000-0000-0000-000000000000'
        AND NOT EXISTS (SELECT FROM agentledger.destroyed_keys AS t WHERE t.tenant_id = o.tenant_id
                           AND t.subject_id = '00000000-0000-0000-0000-000000000000')
      ORDER BY o.sweep_at LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING d.tenant_id, d.subject_id
$$;

-- Nothing was left. A key that was being made while it was destroyed goes too: nobody could have used it, for readers ask
-- the ledger first.
CREATE FUNCTION agentledger.end_subject_sweep(tenant uuid, subject uuid, again_s double precision) RETURNS void
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
  DELETE FROM agentledger.data_keys AS k USING agentledger.destroyed_keys AS d
   WHERE k.tenant_id = tenant AND k.subject_id = subject AND d.tenant_id = tenant AND d.subject_id = subject
     AND subject <> '00000000-0000-0000-0000-000000000000';
  UPDATE agentledger.destroyed_keys AS d SET sweeps_left = greatest(d.sweeps_left - 1, 0),
    sweep_at = CASE WHEN d.sweeps_left > 1 THEN clock_timestamp() + make_interval(secs => again_s) END
   WHERE d.tenant_id = tenant AND d.subject_id = subject AND subject <> '00000000-0000-0000-0000-000000000000'
$$;

-- Removes what lies beside the log of a person who is erased: every row that says whose it is, whatever table it is in, so
-- that a table that is added tomorrow is covered without being listed. Not what they may do (nothing, by then), and not
-- read models, which follow the log.
CREATE FUNCTION agentledger.erase_person_rows(tenant uuid, person uuid) RETURNS integer LANGUAGE plpgsql VOLATILE
  SECURITY DEFINER SET search_path = '' AS
$$
DECLARE
  one regclass;
  removed integer;
  total integer := 0;
BEGIN
  IF NOT EXISTS (SELECT FROM agentledger.destroyed_keys AS d WHERE d.tenant_id = tenant AND d.subject_id = person
                    AND person <> '00000000-0000-0000-0000-000000000000') THEN
    RETURN 0;
  END IF;
  FOR one IN
    SELECT c.oid::regclass FROM pg_catalog.pg_class AS c
     WHERE c.relnamespace = 'agentledger'::regnamespace AND c.relkind = 'r' AND c.relforcerowsecurity
       AND c.oid NOT IN (SELECT agentledger.never_erased()) AND c.relname <> 'user_access'
       AND to_regclass(format('agentledger.%I', c.relname || '_streams')) IS NULL
       AND (SELECT count(*) FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND NOT a.attisdropped
               AND a.attname IN ('tenant_id', 'user_id')) = 2
     ORDER BY c.relname
  LOOP
    EXECUTE format('DELETE FROM %s WHERE tenant_id = $1 AND user_id = $2', one) USING tenant, person;
    GET DIAGNOSTICS removed = ROW_COUNT;
    total := total + removed;
  END LOOP;
  RETURN total;
END $$;

REVOKE EXECUTE ON FUNCTION agentledger.data_keys_of, agentledger.keep_data_key, agentledger.is_destroyed,
  agentledger.destroy_subject_key, agentledger.claim_subject_erasure, agentledger.end_subject_sweep,
  agentledger.erase_person_rows, agentledger.forget_subject_stream FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.data_keys_of, agentledger.keep_data_key
  TO agentledger_api, agentledger_worker, agentledger_projector;
GRANT EXECUTE ON FUNCTION agentledger.destroy_subject_key TO agentledger_writer;
GRANT EXECUTE ON FUNCTION agentledger.claim_subject_erasure, agentledger.end_subject_sweep, agentledger.erase_person_rows,
  agentledger.forget_subject_stream TO agentledger_worker;
