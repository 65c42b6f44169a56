-- A duration as sums of many keep it: below 64 ms as it is, else the middle of one of 32 equal parts of its power of two, so
-- within 1/64 of what it was. Whole numbers only, so the same everywhere and for ever.
CREATE FUNCTION agentledger.about_ms(ms bigint) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$
  SELECT CASE WHEN ms < 64 THEN greatest(ms, 0)
              ELSE ((ms >> (59 - pg_catalog.strpos(ms::bit(64)::text, '1'))) << (59 - pg_catalog.strpos(ms::bit(64)::text, '1')))
                   + (1::bigint << (58 - pg_catalog.strpos(ms::bit(64)::text, '1'))) END
$$;
