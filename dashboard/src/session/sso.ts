/** Signing in at an identity provider of the tenant: there and back, with nothing in an address that
 * anybody else could use (RFC 7636).
 */
import { ProblemError, problemOf } from "../api/problem";
import { type LoginStep, signInWithCode } from "./session";

export interface Provider {
  name: string;
  kind: string;
}

/** Where the server sends the browser back to; the operator's list has it by itself. */
const RETURN_PATH = "/dashboard/signed-in";
const VERIFIER = "agentledger.code-verifier";
const CAME_FROM = "agentledger.came-from";
/** Of whom it was signed in last, to ask for it once. */
const TENANT = "agentledger.tenant";

/** By a link that names it, or as it was last time. */
export function knownTenant(): string {
  return new URLSearchParams(location.search).get("tenant") ?? localStorage.getItem(TENANT) ?? "";
}

/** Throws ProblemError. */
export async function providersOf(tenantId: string): Promise<Provider[]> {
  const answer = await fetch(`${pathOf(tenantId)}/providers`);
  if (!answer.ok) throw new ProblemError(await problemOf(answer));
  return (await answer.json()).data.providers as Provider[];
}

/** Leaves the page. Throws ProblemError. */
export async function goTo(tenantId: string, provider: string): Promise<void> {
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const query = new URLSearchParams({
    return_to: location.origin + RETURN_PATH,
    code_challenge: base64url(new Uint8Array(digest)),
  });
  const path = `${pathOf(tenantId)}/${encodeURIComponent(provider)}/start?${query}`;
  // A refusal is told here, and not on a page of its own.
  const answer = await fetch(path, { redirect: "manual" });
  if (answer.type !== "opaqueredirect") throw new ProblemError(await problemOf(answer));
  localStorage.setItem(TENANT, tenantId);
  sessionStorage.setItem(VERIFIER, verifier);
  sessionStorage.setItem(CAME_FROM, location.pathname + location.search);
  location.assign(path);
}

/** At the start of the page: what came of it; null where nobody comes back. Throws ProblemError. */
export async function comeBack(): Promise<LoginStep | null> {
  if (location.pathname !== RETURN_PATH) return null;
  const told = new URLSearchParams(location.search);
  const code = told.get("code");
  const verifier = sessionStorage.getItem(VERIFIER);
  history.replaceState(null, "", sessionStorage.getItem(CAME_FROM) ?? "/dashboard/");
  sessionStorage.removeItem(VERIFIER);
  sessionStorage.removeItem(CAME_FROM);
  // Anybody may write an address: what it says is not repeated, and why is for the audit trail.
  if (told.has("error")) throw new ProblemError(REFUSED);
  return code === null || verifier === null ? null : signInWithCode(code, verifier);
}

const REFUSED = {
  status: 401,
  code: "login_refused",
  detail:
    "Signing in did not succeed: the identity provider or the rules of your tenant did not let you" +
    " in, or it took too long. Try again; your administrator finds the reason in the audit trail.",
};

/** Where digests are not to be had, the page did not come encrypted. */
export const CAN_SIGN_IN_ELSEWHERE = "subtle" in crypto;

function pathOf(tenantId: string): string {
  return `/api/v1/auth/oauth/${encodeURIComponent(tenantId)}`;
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
