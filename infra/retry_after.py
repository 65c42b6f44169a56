"""When a server wants to be asked again."""

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

RETRY_AFTER_S_MAX = 24 * 3600.0


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks us to wait (RFC 9110 section 10.2.3, both forms),
    0..RETRY_AFTER_S_MAX.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        if "retry-after-ms" in lower:
            seconds = float(lower["retry-after-ms"]) / 1000
        elif lower.get("retry-after", "").strip()[:1].isdigit():
            seconds = float(lower["retry-after"])
        elif "retry-after" in lower:
            seconds = parsedate_to_datetime(lower["retry-after"]).timestamp() - time.time()
        else:
            return None
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_S_MAX)
