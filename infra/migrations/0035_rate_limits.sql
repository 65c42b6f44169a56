-- How much of each rate limit is used up, over all API processes: the instant at which all past calls are paid for
-- (the generic cell rate algorithm). A bucket is a keyed hash of who is limited, so no address of anybody lies here.
-- UNLOGGED: after a crash of the server everybody begins with a full allowance.
CREATE UNLOGGED TABLE agentledger.rate_limit_buckets (
  bucket     bytea            PRIMARY KEY,
  paid_until double precision NOT NULL
) WITH (fillfactor = 50);

-- Adds seconds to buckets, and tells how far each is paid ahead of now. A bucket is never more than ahead_max_s ahead,
-- so that neither a burst that is already over nor a clock that jumps shuts anybody out for longer.
-- In the order of the buckets, for two processes settle the same ones.
CREATE FUNCTION agentledger.settle_rate_limits(buckets bytea[], costs_s double precision[], ahead_max_s double precision)
  RETURNS TABLE (bucket bytea, ahead_s double precision)
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
  WITH clock AS MATERIALIZED (SELECT extract(epoch FROM pg_catalog.clock_timestamp())::double precision AS now_s),
  spent AS MATERIALIZED (
    SELECT s.bucket, s.cost_s FROM unnest(buckets, costs_s) AS s(bucket, cost_s) ORDER BY s.bucket),
  settled AS (
    INSERT INTO agentledger.rate_limit_buckets AS b (bucket, paid_until)
    SELECT spent.bucket, clock.now_s + spent.cost_s FROM spent CROSS JOIN clock
    ON CONFLICT (bucket) DO UPDATE SET paid_until = EXCLUDED.paid_until
      + greatest(0, least(b.paid_until - (SELECT now_s FROM clock), ahead_max_s))
    RETURNING b.bucket, b.paid_until)
  SELECT settled.bucket, settled.paid_until - clock.now_s FROM settled CROSS JOIN clock
$$;
REVOKE EXECUTE ON FUNCTION agentledger.settle_rate_limits FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.settle_rate_limits TO agentledger_api;

-- Buckets that are paid for say nothing.
CREATE FUNCTION agentledger.forget_rate_limits() RETURNS void
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS
$$
  DELETE FROM agentledger.rate_limit_buckets
   WHERE ctid = ANY (ARRAY(
     SELECT b.ctid FROM agentledger.rate_limit_buckets AS b
      WHERE b.paid_until < extract(epoch FROM pg_catalog.clock_timestamp()) - 60
      FOR UPDATE SKIP LOCKED))
$$;
REVOKE EXECUTE ON FUNCTION agentledger.forget_rate_limits FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.forget_rate_limits TO agentledger_api;
