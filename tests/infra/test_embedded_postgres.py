"""The server of `agentledger up` survives what happens to it on a person's machine."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psutil
import psycopg
import pytest

from infra.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError

ROOT = Path(__file__).parents[2]
WAIT_S = 60


@pytest.fixture
def directory(tmp_path: Path) -> Generator[Path]:
    yield tmp_path
    for process in servers_in(tmp_path):
        process.kill()


def servers_in(directory: Path) -> list[psutil.Process]:
    """Every process of a PostgreSQL that works in the directory."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.name().startswith("postgres") and directory in Path(process.cwd()).parents:
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=WAIT_S)
    assert alive == []


def answer(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def remember(url: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE memory AS SELECT %s AS text", (text,))


def test_it_keeps_its_data_and_leaves_no_process(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    remember(server.start(), "kept")
    server.stop()
    assert servers_in(directory) == []

    url = server.start()
    assert answer(url, "SELECT text FROM memory") == "kept"
    server.stop()
    assert servers_in(directory) == []


def test_it_is_durable_and_listens_on_no_network(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    url = server.start()
    settings = ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses")
    assert [answer(url, f"SHOW {name}") for name in settings] == ["on", "on", "on", ""]
    server.stop()


def test_a_second_start_uses_the_server_and_the_last_user_stops_it(directory: Path) -> None:
    first, second = EmbeddedPostgres(directory), EmbeddedPostgres(directory)
    assert first.start() == second.start()

    first.stop()
    assert answer(second.start(), "SELECT 1") == 1
    second.stop()
    assert servers_in(directory) == []


def test_after_every_process_was_killed_it_recovers(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    remember(server.start(), "committed")
    processes = servers_in(directory)
    for process in processes:
        process.kill()
    wait_until_gone(processes)

    again = EmbeddedPostgres(directory)
    assert answer(again.start(), "SELECT text FROM memory") == "committed"
    again.stop()
    server.stop()
    assert servers_in(directory) == []


def test_a_server_left_by_a_killed_owner_is_taken_over(directory: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; "
        "from infra.embedded_postgres import EmbeddedPostgres; "
        "print(EmbeddedPostgres(Path(sys.argv[1])).start(), flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script, str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        url = owner.stdout.readline().strip()
        owner.kill()

    server = EmbeddedPostgres(directory)
    assert server.start() == url
    server.stop()
    assert servers_in(directory) == []


def test_a_stranger_with_the_old_process_number_is_not_taken_for_a_server(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    server.start()
    pid_file = directory / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    server.stop()
    # What a power cut leaves, after which the number went to somebody else: to us.
    pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
    owner = pid_file.parent.stat()
    os.chown(pid_file, owner.st_uid, owner.st_gid)

    assert answer(server.start(), "SELECT 1") == 1
    server.stop()


def test_a_server_that_is_still_recovering_is_waited_for(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    url = server.start()
    remember(url, "committed")
    server.pg_ctl("stop", "-m", "immediate")
    server.pg_ctl("start", "-W", "-l", str(directory / "postgres" / "server.log"))

    assert EmbeddedPostgres(directory).start() == url
    assert answer(url, "SELECT text FROM memory") == "committed"
    server.stop()


def test_a_path_too_long_for_a_socket_and_with_spaces_works(directory: Path) -> None:
    server = EmbeddedPostgres(directory / "a directory's name" / ("long" * 30))
    assert answer(server.start(), "SELECT 1") == 1
    server.stop()


def test_an_interrupted_initdb_leaves_nothing_half_made(directory: Path) -> None:
    (directory / "postgres.new").mkdir(parents=True)
    (directory / "postgres.new" / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(directory)
    assert answer(server.start(), "SELECT 1") == 1
    server.stop()


def test_data_of_another_major_version_is_refused_in_one_sentence(directory: Path) -> None:
    (directory / "postgres").mkdir(parents=True)
    (directory / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match=r"was made by PostgreSQL 16, this is 18"):
        EmbeddedPostgres(directory).start()


def test_a_server_that_cannot_start_says_why(directory: Path) -> None:
    server = EmbeddedPostgres(directory, settings={"max_connections": "none"})
    with pytest.raises(EmbeddedPostgresError, match=r"did not start: .*max_connections"):
        server.start()
