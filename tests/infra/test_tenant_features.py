"""What is switched on, on a real database: known from memory until the log tells otherwise."""

from uuid import UUID

from commands.feature_flags import DefineFlag, OverrideFlag, OverrideOwnFlag, RemoveFlag
from domain.feature_flags import SCIM, FlagText, Override, flag_id
from infra.tenant_features import PostgresFeatures
from tests.infra.conftest import Parts
from tests.infra.test_tenant_plans import Process, Tenant

OFF = FlagText("by invitation", is_enabled=False, is_for_tenants=True)


async def test_a_flag_and_its_overrides_decide_for_their_tenant_only(parts: Parts) -> None:
    process = await Process.begun(parts)
    ours, theirs = [await Tenant.on_a_plan([process]) for _ in range(2)]
    features = PostgresFeatures(await parts.database("worker"), monotonic_s=lambda: 0.0)
    assert (await features.of(ours.id)).decided(SCIM, None) == (True, "default")
    await process.when(DefineFlag(SCIM, OFF))
    await process.when(DefineFlag("beta", OFF))
    assert (await features.of(ours.id)).is_on(SCIM, None)
    features.forget(flag_id(SCIM))
    assert (await features.of(ours.id)).decided(SCIM, None) == (False, "default")
    assert (await features.defined()).texts["beta"] == OFF

    ada = ours.admin.user_id
    await process.when(OverrideFlag(ours.id, "beta", is_enabled=True, user_id=ada))
    await ours.when(OverrideOwnFlag(SCIM, is_enabled=True))
    features.forget(ours.id)
    known = await features.of(ours.id)
    assert known.decided(SCIM, None) == (True, "tenant")
    assert known.decided("beta", ada) == (True, "operator")
    assert known.decided("beta", UUID(int=5)) == (False, "default")
    assert known.overrides["beta"] == {Override(ada, is_by_operator=True): True}
    other = await features.of(theirs.id)
    assert (other.overrides, other.is_on(SCIM, None)) == ({}, False)

    await process.when(OverrideFlag(ours.id, "beta", is_enabled=None, user_id=ada))
    await process.when(RemoveFlag(SCIM))
    features.forget(flag_id(SCIM))
    known = await features.of(ours.id)
    assert (known.is_on("beta", ada), known.is_on(SCIM, None)) == (False, True)
