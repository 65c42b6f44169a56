"""What a tenant may have of something, and what is said when it is used up."""

from domain.errors import OverLimit, Refused


class QuotaReached(Refused):
    """This quota is reached; it has room again when something is given up."""

    code = "quota_reached"


class ExecutionQuotaReached(OverLimit):
    """This tenant has begun as many executions as its plan allows."""

    code = "execution_quota"
