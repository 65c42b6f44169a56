"""The mistakes of a definition, collected while it is read: one FieldError per mistake, not only
the first.
"""

from pydantic import ValidationError

from domain.errors import FieldError
from domain.templates import TemplateRefused, pointer_step

# More would help nobody, and the answer has to have a size.
MISTAKES_MAX = 100


class Mistakes:
    """errors: at most MISTAKES_MAX, in the order of discovery. Paths are JSON pointers relative to
    the definition.
    """

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def add(self, path: str, code: str, message: str) -> None:
        if len(self.errors) < MISTAKES_MAX:
            self.errors.append(FieldError(path, code, message))

    def add_refusal(self, path: str, code: str, refusal: ValidationError) -> None:
        """What pydantic found in the value at `path`. code: for whatever is neither a field too
        many nor an expression.
        """
        for mistake in refusal.errors():
            place = path + "".join(f"/{pointer_step(str(step))}" for step in mistake["loc"])
            reason = mistake.get("ctx", {}).get("error")
            if isinstance(reason, TemplateRefused):
                for inner in reason.mistakes:
                    self.add(f"{place}{inner.place}", "invalid_expression", inner.reason)
            elif mistake["type"] == "extra_forbidden":
                self.add(place, "unknown_field", "there is no such field")
            else:
                self.add(place, code, mistake["msg"])
