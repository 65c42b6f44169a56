"""Every setting, from environment variables `AGENTLEDGER_*`; units in names, and the named limits
of the platform.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveInt,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.networks import Network
from infra.client_addresses import parsed_networks
from infra.http_addresses import Origin, allowed_origins


def _allowed(text: object) -> object:
    try:
        return allowed_origins(text) if isinstance(text, str) else text
    except ValueError as error:
        raise PydanticCustomError("http_allow", "{error}", {"error": str(error)}) from None


def _networks(text: object) -> object:
    try:
        return parsed_networks(text) if isinstance(text, str) else text
    except ValueError as error:
        raise PydanticCustomError("networks", "{error}", {"error": str(error)}) from None


def _websites(given: object) -> object:
    """Exact origins; `*` and `null` are not among them, for they are everybody."""
    if not isinstance(given, str):
        return given
    origins = tuple(part.strip() for part in given.split(",") if part.strip())
    for origin in origins:
        if _WEBSITE.fullmatch(origin) is None:
            message = f"{origin!r} is no origin such as https://app.example.com, without a slash"
            raise PydanticCustomError("origin", "{error}", {"error": message})
    return origins


def _pairs(given: object) -> object:
    """`a=1,b=2` as a mapping; what is no text is left to pydantic."""
    if not isinstance(given, str):
        return given
    pairs = [pair.partition("=") for pair in given.split(",") if pair.strip()]
    return {name.strip(): number.strip() for name, _, number in pairs}


def _names(given: object) -> object:
    """`a,b` as names; what is no text is left to pydantic."""
    if not isinstance(given, str):
        return given
    return tuple(name.strip() for name in given.split(",") if name.strip())


def _power_of_two(number: int) -> int:
    if number & (number - 1):
        raise PydanticCustomError("power_of_two", "must be a power of two")
    return number


_WEBSITE = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


def _texts(given: object) -> object:
    """`a,b` as a set; what is no text is left to pydantic."""
    if not isinstance(given, str):
        return given
    return frozenset(text.strip() for text in given.split(",") if text.strip())


Pairs = BeforeValidator(_pairs)
Texts = BeforeValidator(_texts)
HttpBase = Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+[^\s?#/]$")]
Names = BeforeValidator(_names)
# Beyond these a tenant would hardly be served, or hardly anybody else.
Weight = Annotated[float, Field(ge=0.01, le=100)]


class Settings(BaseSettings):
    """Defaults suit `agentledger up` on one machine; a deployment sets at least the URL and the
    master key.
    """

    model_config = SettingsConfigDict(env_prefix="AGENTLEDGER_", extra="ignore")

    data_dir: Path = Path(".agentledger")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)

    # libpq URL. `migrate` needs an owner that may create roles; the roles' processes take host and
    # database from it and log in as agentledger_<role> with a password derived from the master key.
    database_url: str | None = None
    # Absent: the log port is PostgreSQL itself.
    kafka_bootstrap_servers: str | None = None
    kafka_topic: str = "agentledger.events"
    log_partitions: int = Field(default=8, ge=1, le=64)

    master_key: SecretStr | None = None
    # While the master key is being changed: what was made with it stays readable.
    master_key_previous: SecretStr | None = None
    # What hashes for look-ups are made with; absent: the master key. Stays when that is changed.
    lookup_key: SecretStr | None = Field(default=None, validate_default=True)
    # For the first key that is derived from a master key; 128 * 8 * N bytes, 128 MiB by default.
    scrypt_n: Annotated[int, AfterValidator(_power_of_two)] = Field(
        default=2**17, ge=2**14, le=2**21
    )
    operator_key: SecretStr | None = None

    # Of `up`. 1: all roles in one process. 2: the read models and the seals in one of their own.
    up_processes: int = Field(default_factory=lambda: min(2, os.cpu_count() or 1), ge=1, le=2)

    pool_size_max: int = Field(default=20, ge=1, le=200)
    statement_timeout_s: float = Field(default=30, gt=0)

    # Group commit: how much one transaction may carry, and how much may wait for it.
    append_writers: int = Field(default=2, ge=1, le=8)
    append_batch_events_max: int = Field(default=1000, ge=1)
    append_batch_bytes_max: int = Field(default=4 * 1024 * 1024, ge=1)
    append_queue_max: int = Field(default=20_000, ge=1)
    append_timeout_s: float = Field(default=15, gt=0)
    # The answer to an append that is the only one under way is polled for so long, instead of slept
    # for: a seventh less time of a run alone for two fifths more processor time.
    # 0 where a processor's time is limited or paid for.
    append_poll_s: float = Field(
        default_factory=lambda: 0.001 if (os.cpu_count() or 1) > 1 else 0.0, ge=0, le=0.1
    )
    stream_page_events: int = Field(default=1000, ge=1)
    aggregate_cache_max: int = Field(default=20_000, ge=0)

    # Payloads over 64 KiB, which lie beside the log.
    tenant_blob_bytes_max: int = Field(default=10 * 1024**3, ge=0)
    blob_cache_bytes_max: int = Field(default=64 * 1024 * 1024, ge=0)
    # Definitions that runs pin, and a server with the Redis protocol through which all processes
    # share them.
    definition_cache_max: int = Field(default=2000, ge=1)
    definition_cache_bytes_max: int = Field(default=32 * 1024 * 1024, ge=0)
    redis_url: SecretStr | None = None

    # Events of a run between two snapshots of it; 0 takes none.
    snapshot_every: int = Field(default=500, ge=0)

    # Reading the log.
    log_batch_events_max: int = Field(default=1000, ge=1)
    poll_min_s: float = Field(default=0.005, gt=0)
    poll_max_s: float = Field(default=0.25, gt=0)
    # Batches begin at most this often: an event after a pause goes at once, a stream of them goes
    # in batches, which cost far less than one transaction each.
    log_pace_s: float = Field(default=0.008, ge=0)
    relay_pace_s: float = Field(default=0.004, ge=0)
    lease_ttl_s: float = Field(default=10, gt=0)
    consumer_restart_max_s: float = Field(default=30, gt=0)

    # Seals of the log. An event waits at most so long for its seal, when sealing keeps up; sealing
    # takes at most this share of one processor, and goes on later with what is left.
    seal_every_s: float = Field(default=5, gt=0, le=20)
    seal_events_max: int = Field(default=10_000, ge=1, le=100_000)
    seal_share_max: float = Field(default=0.1, gt=0, le=1)
    seal_key_days: int = Field(default=90, ge=1, le=3650)

    # Workers.
    worker_attempts_max: int = Field(default=256, ge=1)
    worker_sweep_s: float = Field(default=15, gt=0)
    # Brokers wait for 30 s until everybody has given up what goes to others.
    worker_handover_s: float = Field(default=10, ge=0, le=25)
    worker_bulk_poll_s: float = Field(default=1, gt=0)
    worker_triggers_poll_s: float = Field(default=0.5, gt=0)
    worker_retention_poll_s: float = Field(default=300, gt=0)
    worker_storage_poll_s: float = Field(default=300, gt=0)
    worker_templates_poll_s: float = Field(default=2, gt=0)
    worker_budget_alerts_poll_s: float = Field(default=1, gt=0)
    worker_offboarding_poll_s: float = Field(default=5, gt=0)
    worker_billing_poll_s: float = Field(default=5, gt=0)
    worker_deadlines_poll_s: float = Field(default=5, gt=0)
    worker_erasure_poll_s: float = Field(default=0.5, gt=0)

    # By which templates are compared: offline/hash, or a model of a provider for embeddings. The
    # same in all processes.
    embedding_model: Annotated[str, StringConstraints(min_length=1, max_length=200)] = (
        "offline/hash"
    )

    # Logins. Who we are to those who check our tokens: the URL that people use.
    public_url: HttpBase = "http://127.0.0.1:8000"
    access_token_minutes: int = Field(default=15, ge=1, le=60)
    session_days_max: int = Field(default=30, ge=1, le=365)
    session_idle_days: int = Field(default=7, ge=1, le=365)
    signing_key_days: int = Field(default=30, ge=1, le=365)
    rate_limit_login_per_min: int = Field(default=20, ge=1)
    # Speaks the range protocol of Have I Been Pwned, e.g. https://api.pwnedpasswords.com; absent:
    # nobody is asked.
    breached_passwords_url: HttpBase | None = None

    # Mail. Without a host it waits until there is one.
    smtp_host: str | None = None
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    mail_from: str = "AgentLedger <agentledger@localhost>"
    worker_mail_poll_s: float = Field(default=1, gt=0)

    # Payments. Without a key nobody pays through Stripe. stripe_webhook_secrets: all of them count.
    stripe_api_key: SecretStr | None = None
    stripe_webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode, Names] = ()
    stripe_api_base: HttpBase = "https://api.stripe.com"

    # What the outbound client may reach although it is not public: `host:port,...` as in the URL.
    http_allow: Annotated[frozenset[Origin], NoDecode, BeforeValidator(_allowed)] = frozenset()

    # Logins at identity providers, which send browsers back to public_url. login_return_to: pages
    # of applications that may pick up a login.
    login_return_to: Annotated[frozenset[str], NoDecode, Texts] = frozenset()
    github_url: HttpBase = "https://github.com"
    github_api_url: HttpBase = "https://api.github.com"
    google_issuer: HttpBase = "https://accounts.google.com"
    login_connections_max: int = Field(default=64, ge=1)

    # Fairness. 0: no limit but the total. Mappings are written `name=number,name=number`.
    worker_attempts_per_tenant_max: int = Field(default=0, ge=0)
    worker_attempts_per_workflow_max: int = Field(default=0, ge=0)
    worker_attempts_per_node_type: Annotated[dict[str, PositiveInt], NoDecode, Pairs] = {}
    worker_drives_max: int = Field(default=2000, ge=1)
    worker_drives_per_tenant_max: int = Field(default=0, ge=0)
    worker_starts_queued_max: int = Field(default=10_000, ge=1)
    # Steps in flight: with how many a tenant is quiet, what one that crowds always has, and what
    # such tenants share besides while no quiet tenant is at work.
    worker_steps_quiet_max: int = Field(default=16, ge=1)
    worker_steps_own_max: int = Field(default=1, ge=1)
    worker_steps_spare_max: int = Field(default=256, ge=0)
    tenant_weights: Annotated[dict[UUID, Weight], NoDecode, Pairs] = {}

    # Where tenants may ask their data to be, by the names this installation has for it; the first
    # is the default.
    regions: Annotated[tuple[str, ...], NoDecode, Names, Field(min_length=1)] = ("us", "eu", "ap")

    # Admission.
    tenant_open_executions_max: int = Field(default=100_000, ge=1)
    admission_lag_s_max: float = Field(default=30, gt=0)

    # Watching it. metrics_port: of a listener for /metrics, /healthz and /readyz that any role has
    # beside what it serves; None: none. metrics_allow: who may read /metrics on the API's own port.
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    metrics_allow: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = (
        parsed_networks("127.0.0.0/8,::1/128")
    )
    ready_lag_s_max: float = Field(default=60, gt=0)
    # Between being told to stop, from when on it is not ready, and stopping.
    shutdown_delay_s: float = Field(default=0, ge=0, le=300)
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    is_access_logged: bool = False
    # What takes longer is told in the log; 0: nothing is.
    slow_query_s: float = Field(default=1, ge=0)
    slow_step_s: float = Field(default=60, ge=0)
    # Traces go to `<otlp_endpoint>/v1/traces`; without it, where the variables OTEL_... say.
    otlp_endpoint: HttpBase | None = None
    trace_share: float = Field(default=1, ge=0, le=1)
    trace_queue_max: int = Field(default=4096, ge=512)
    is_caller_trace_continued: bool = False
    is_model_content_traced: bool = False

    # Edge.
    # Proxies whose X-Forwarded-For is believed: `10.0.0.0/8,2001:db8::/32`.
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = ()
    # Websites whose scripts may call us: `https://app.example.com,...`.
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_websites)] = ()
    rate_limit_ip_per_min: int = Field(default=100, ge=1)
    # 0: as much as the tenant. rate_limit_tenants: of those with another plan, by id.
    rate_limit_tenant_per_min: int = Field(default=60_000, ge=1)
    rate_limit_tenants: Annotated[dict[UUID, PositiveInt], NoDecode, Pairs] = {}
    rate_limit_user_per_min: int = Field(default=0, ge=0)
    rate_limit_key_per_min: int = Field(default=0, ge=0)
    rate_limit_operator_per_min: int = Field(default=6000, ge=1)
    body_bytes_max: int = Field(default=1024 * 1024, ge=1024)
    min_position_wait_s: float = 5
    is_introspection_allowed: bool = True
    bcrypt_cost: int = Field(default=12, ge=4, le=16)

    @field_validator("lookup_key")
    @classmethod
    def _told_while_the_master_key_changes(
        cls, lookup_key: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        """Otherwise nobody would be found by their address from this moment on."""
        if lookup_key is None and info.data.get("master_key_previous") is not None:
            message = (
                "while the master key is changed it must be told: the old master key, unless it"
                " had a value of its own"
            )
            raise PydanticCustomError("lookup_key", "{error}", {"error": message})
        return lookup_key
