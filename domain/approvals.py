"""Approvals: whether the edits that come with a decision fit the form that the author of the
definition wrote.

Both the form and the edits come from outside, and JSON Schema can be made to take for ever. So what
a check may cost is counted, regular expressions are matched in linear time, and nothing is fetched.
"""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import (
    extend,  # pyright: ignore[reportUnknownVariableType] # untyped
)
from pydantic_core import SchemaError, SchemaValidator, core_schema
from referencing import Registry
from referencing.exceptions import Unresolvable

from domain.errors import FieldError, Invalid
from domain.identifiers import Json
from domain.nodes.approval import FormUnusable
from domain.templates import pointer_step

MISTAKES_MAX = 100
# One step is one keyword at one place, 30 us with the way to it: the longest check takes 0.3 s.
STEPS_MAX = 10_000
# The first matches with Python's expressions, which may take for ever; the second, further inside,
# would have the library check by its own keywords instead of ours.
UNCHECKED = frozenset({"patternProperties", "$schema"})

Check = Callable[[Any, Any, Any, Any], "Iterator[ValidationError] | None"]

_steps_left: ContextVar[list[int]] = ContextVar("steps_left")


def require_form(form_schema: Json, edits: Json) -> None:
    """Raises Invalid with every mistake, and FormUnusable. Without a form or edits all is well."""
    if not isinstance(form_schema, dict) or edits is None:
        return
    form = {keyword: value for keyword, value in form_schema.items() if keyword != "$schema"}
    if unchecked := _unchecked_in(form):
        raise FormUnusable(f"The form uses {unchecked}, which is not checked.")
    _steps_left.set([STEPS_MAX])
    validator = _FORM(form, registry=_NOTHING_FETCHED)
    mistakes: list[FieldError] = []
    try:
        for error in validator.iter_errors(edits):
            mistakes.append(_field_error(error))
            if len(mistakes) == MISTAKES_MAX:
                break
    except Unresolvable as missing:
        raise FormUnusable(f"The form refers to {missing.ref}, which it does not hold.") from None
    except RecursionError:
        raise FormUnusable("The form refers to itself without end.") from None
    if mistakes:
        raise Invalid("The edits do not fit the form of this approval.", errors=mistakes)


def _field_error(error: ValidationError) -> FieldError:
    place = "".join(f"/{pointer_step(str(step))}" for step in error.absolute_path)
    # The library's messages repeat the value; which rule was broken says enough.
    rule = f"it breaks the rule `{error.validator}` of the form"
    return FieldError(f"/edits{place}", "form_mistake", rule)


def _unchecked_in(schema: Json) -> str | None:
    pending: list[Json] = [schema]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            for keyword in UNCHECKED & value.keys():
                return keyword
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return None


def _matches(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """The keyword `pattern`, in linear time."""
    del schema
    if validator.is_type(instance, "string") and not _compiled(pattern).isinstance_python(instance):
        yield ValidationError(f"it does not match {pattern}")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> SchemaValidator:
    """Raises FormUnusable for what only a backtracking engine can match."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        raise FormUnusable(f"The form has a pattern that is not supported: {pattern}") from None


def _counted(keyword: str, check: Check) -> Check:
    def counted(
        validator: Any, value: Any, instance: Any, schema: Any
    ) -> "Iterator[ValidationError] | None":
        left = _steps_left.get()
        # Items are compared in pairs: 64 KiB of them would take four minutes.
        is_paired = keyword == "uniqueItems" and isinstance(instance, list)
        left[0] -= len(cast("list[object]", instance)) ** 2 + 1 if is_paired else 1
        if left[0] < 0:
            raise FormUnusable("Checking these edits against the form takes too long.")
        return check(validator, value, instance, schema)

    return counted


_CHECKS: Mapping[str, Check] = {**Draft202012Validator.VALIDATORS, "pattern": _matches}
_FORM: Callable[..., Any] = extend(  # pyright: ignore[reportUnknownVariableType] # untyped
    Draft202012Validator, {keyword: _counted(keyword, check) for keyword, check in _CHECKS.items()}
)
_NOTHING_FETCHED: Any = Registry[Any]()
