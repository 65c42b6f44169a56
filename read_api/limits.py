"""The bounds of reading, each with the code of the error that names it."""

from dataclasses import dataclass

# Of every list; published in the schema.
PAGE_SIZE_DEFAULT = 50


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """The defaults are the platform's limits; a deployment may narrow them."""

    # One document. A fragment is counted where it is used, once per use.
    body_bytes_max: int = 256 * 1024
    tokens_max: int = 2000
    depth_max: int = 12
    aliases_max: int = 30
    root_fields_max: int = 10
    fragments_max: int = 50
    # Selections inside selections of any kind; bounds the recursion of everything that walks a
    # document.
    nesting_max: int = 40
    # Comparing repeated fields is quadratic in validation: 500 equal ones took 0.8 s.
    repeats_max: int = 3
    complexity_max: int = 10_000

    page_size_max: int = 200
    stats_buckets_max: int = 1000
    usage_buckets_max: int = 10_000
    stats_runs_max: int = 50_000
    past_events_max: int = 20_000
    differences_max: int = 1000

    # What is remembered of documents that were parsed and found valid.
    documents_max: int = 500
    document_chars_max: int = 16 * 1024

    min_position_wait_s: float = 5

    # Streams.
    subscriptions_per_connection_max: int = 20
    subscriptions_max: int = 10_000
    connection_init_wait_s: float = 10
    authenticate_again_s: float = 5
    heartbeat_s: float = 15
    poll_s: float = 1
    stream_page_events: int = 200

    # Readiness.
    ready_lag_s_max: float = 60
