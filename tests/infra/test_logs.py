"""What is written to standard error, for people and for machines."""

import logging
from collections.abc import Iterator
from uuid import UUID

import orjson
import psycopg
import pytest

from infra import logs
from infra.logs import JsonFormatter, TextFormatter, begin_execution, begin_logging, begin_request
from infra.settings import Settings

REQUEST, TENANT, RUN = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, slow = list(root.handlers), root.level, (logs.SLOW.query_s, logs.SLOW.step_s)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logs.SLOW.query_s, logs.SLOW.step_s = slow
    logs._place.set(logs.NOWHERE)


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    logger = logging.getLogger("infra.test")
    return logger.makeRecord(
        "infra.test", logging.WARNING, __file__, 1, message, arguments, None, extra=extra
    )


def as_json(message: str, *arguments: object, **extra: object) -> dict[str, object]:
    line = JsonFormatter("worker").format(record(message, *arguments, **extra))
    assert "\n" not in line
    return orjson.loads(line)


def test_a_line_says_whose_request_it_is_about() -> None:
    begin_request(REQUEST)
    logs.note_tenant(TENANT)
    told = as_json("it took %d s", 3, **logs.told("slow_query", seconds=3.0))
    assert told["request_id"] == str(REQUEST)
    assert told["tenant_id"] == str(TENANT)
    assert told["message"] == "it took 3 s"
    assert (told["event"], told["seconds"], told["role"]) == ("slow_query", 3.0, "worker")
    assert (told["level"], told["logger"]) == ("WARNING", "infra.test")


def test_a_run_is_no_part_of_the_request_that_began_it() -> None:
    begin_request(REQUEST)
    begin_execution(TENANT, RUN)
    told = as_json("on")
    assert "request_id" not in told
    assert (told["tenant_id"], told["execution_id"]) == (str(TENANT), str(RUN))


def test_what_postgresql_quotes_of_a_row_is_in_no_line(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TEMP TABLE people (email text PRIMARY KEY)")
        with pytest.raises(psycopg.errors.UniqueViolation) as refused:
            connection.execute("INSERT INTO people VALUES ('canary@x.test'), ('canary@x.test')")
    assert "canary" in str(refused.value)
    told = record("refused: %s", refused.value)
    told.exc_info = (type(refused.value), refused.value, None)
    for formatter in (TextFormatter(), JsonFormatter("api")):
        line = formatter.format(told)
        assert "canary" not in line
        assert "duplicate key" in line


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_settings_choose_the_form_and_the_level(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {"log_format": log_format, "log_level": "INFO", "slow_step_s": 5.0}
    begin_logging(Settings().model_copy(update=changed), "relay")
    logging.getLogger("infra.test").info("relay is active")
    logging.getLogger("access").info("nobody asked for this")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("{") is (log_format == "json")
    assert "relay is active" in line
    assert logs.SLOW.step_s == 5.0


def test_the_access_log_is_written_where_it_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begin_logging(Settings().model_copy(update={"is_access_logged": True}), "api")
    logging.getLogger("access").info("GET /api/v1/agents 200 0.010 s")
    assert "/api/v1/agents" in capsys.readouterr().err
