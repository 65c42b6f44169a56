from tests.simulation.world import World


async def violations(world: World) -> list[str]:
    found = [*world.environment.defects]
    found += [f"run {one} never ends" for one in world.lost]
    return found
