"""What is switched on for the caller, as it is enforced."""

import strawberry

from read_api.context import ReadInfo


@strawberry.type(description="Something that is switched on or off.")
class FeatureFlag:
    name: str
    description: str
    enabled: bool = strawberry.field(description="For the caller.")
    reason: str = strawberry.field(
        description="Who says so: operator, user, tenant, rollout or default."
    )


async def feature_flags(info: ReadInfo) -> list[FeatureFlag]:
    caller = info.context.caller
    assert caller.tenant_id is not None
    features = await info.context.sources.features.of(caller.tenant_id)
    told: list[FeatureFlag] = []
    for name, text in sorted(features.texts.items()):
        enabled, reason = features.decided(name, caller.user_id)
        told.append(
            FeatureFlag(name=name, description=text.description, enabled=enabled, reason=reason)
        )
    return told
