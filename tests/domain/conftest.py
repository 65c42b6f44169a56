"""Failures inside the stories show what differs, as they do in tests."""

import pytest

pytest.register_assert_rewrite("tests.domain.given")
