import { type FormEvent, useEffect, useState } from "react";
import { Problem } from "../parts/problem";
import { CAN_SIGN_IN_ELSEWHERE, goTo, knownTenant, type Provider, providersOf } from "./sso";

const KINDS: Record<string, string> = { oidc: "OpenID Connect", google: "Google", github: "GitHub" };

/** The tenant's providers; of which tenant is known from a link or from last time, or is asked. */
export function SingleSignOn() {
  const [tenant, setTenant] = useState(knownTenant);
  const [providers, setProviders] = useState<Provider[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const find = (id: string) => {
    setError(null);
    providersOf(id.trim()).then(setProviders, setError);
  };
  useEffect(() => {
    const known = knownTenant();
    if (known !== "") find(known);
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    find(tenant);
  };
  if (!CAN_SIGN_IN_ELSEWHERE) {
    return <p className="muted">This needs an encrypted connection (https).</p>;
  }
  return (
    <form onSubmit={submit}>
      {providers?.map(({ name, kind }) => (
        <button
          key={name}
          type="button"
          className="button primary"
          onClick={() => void goTo(tenant.trim(), name).catch(setError)}
        >
          Continue with {name} ({KINDS[kind] ?? kind})
        </button>
      ))}
      {providers?.length === 0 && (
        <p role="status">This tenant has no identity provider, or there is no such tenant.</p>
      )}
      {error !== null && <Problem error={error} />}
      <label className="field">
        <span>Tenant (its id)</span>
        <input
          className="input"
          required
          spellCheck={false}
          autoComplete="organization"
          value={tenant}
          onChange={(event) => {
            setTenant(event.target.value);
            setProviders(null);
          }}
        />
      </label>
      {!providers?.length && (
        <button type="submit" className="button">
          Show its identity providers
        </button>
      )}
      <p className="muted">
        A link with <code>?tenant=…</code> fills it in; your administrator has it.
      </p>
    </form>
  );
}
