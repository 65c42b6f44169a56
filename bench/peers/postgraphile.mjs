// PostGraphile v5 as its manual shows it, on one schema, for one tenant: each request sets the role and
// the tenant, and row security decides. Prints its address. node postgraphile.mjs URL SCHEMA ROLE TENANT
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages are where this is started, not where it lies.
const require = createRequire(`${process.cwd()}/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { postgraphile } = await load("postgraphile");
const { grafserv } = await load("postgraphile/grafserv/node");
const { makePgService } = await load("postgraphile/adaptors/pg");
const { PostGraphileAmberPreset } = await load("postgraphile/presets/amber");

const [url, schema, role, tenant] = process.argv.slice(2);
const served = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ connectionString: url, schemas: [schema], poolConfig: { max: 10 } })],
  grafserv: { graphiql: false, watch: false },
  grafast: { explain: false, context: () => ({ pgSettings: { role, "app.tenant_id": tenant } }) },
});
const server = createServer();
await served.createServ(grafserv).addTo(server);
server.listen(0, "127.0.0.1", () => {
  console.log(`postgraphile on http://127.0.0.1:${server.address().port}`);
});
