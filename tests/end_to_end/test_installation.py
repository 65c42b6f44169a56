"""The data directory of `up`."""

from pathlib import Path

from cli.installation import sole_process


def test_of_two_processes_on_one_directory_only_the_first_is_alone(tmp_path: Path) -> None:
    with sole_process(tmp_path) as first, sole_process(tmp_path) as second:
        assert (first, second) == (True, False)
    with sole_process(tmp_path) as again:
        assert again
