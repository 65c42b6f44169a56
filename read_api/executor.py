"""Execution of an operation: Strawberry's, except that JSON which PostgreSQL has made is passed on
untouched.
"""

from typing import Any

import orjson
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from typing_extensions import override


class ReadExecutor(StrawberryGraphQLCoreExecutionContext):
    """An orjson.Fragment is a completed value, wherever the schema has an object.

    Completing 50 rows field by field takes longer than everything else together (measured: 10 ms
    instead of 2.6 ms).
    """

    @override
    def complete_value(
        self,
        return_type: Any,
        field_details_list: Any,
        info: Any,
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        if isinstance(result, orjson.Fragment):
            return result
        return super().complete_value(
            return_type, field_details_list, info, path, result, position_context
        )
