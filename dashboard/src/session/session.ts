/** Who is signed in here, and the header that says so.
 *
 * The access token is only in memory. What outlives a reload is the refresh token, in localStorage,
 * so that all tabs share one session and a link opens signed in; it counts once, so tabs take turns
 * (Web Locks). An API key lasts as long as its tab. Nothing is a cookie, so no other website can
 * send a request in somebody's name; and scripts are only the page's own (Content-Security-Policy).
 */
import { useSyncExternalStore } from "react";
import { ProblemError, problemOf } from "../api/problem";
import { comeBack } from "./sso";

export interface User {
  id: string;
  tenant_id: string;
  email: string;
  role: string;
}
interface Tokens {
  access_token: string;
  refresh_token: string;
  expires_in: number;
  user: User;
}
type Credential =
  | { kind: "session"; access: string; expiresMs: number; user: User }
  | { kind: "key"; key: string };

export type Session =
  | { state: "starting" }
  /** step, error: of a login that began elsewhere and is not done. */
  | { state: "out"; step?: LoginStep; error?: unknown }
  | { state: "in"; user: User | null };

/** What a login answers with, apart from tokens. */
export type LoginStep =
  | { step: "done" }
  | { step: "code"; token: string }
  | { step: "tenant"; ids: string[] }
  | { step: "setup"; token: string };

export interface Setup {
  secret: string;
  uri: string;
}
/** enter: goes on signed in, once the codes were kept. */
export interface SetupDone {
  codes: string[];
  enter: () => void;
}

const REFRESH_TOKEN = "agentledger.refresh-token";
const API_KEY = "agentledger.api-key";
const LOCK = "agentledger.refresh";
/** A token this near to its end is not sent any more. */
const MARGIN_MS = 30_000;

let credential: Credential | null = null;
let session: Session = { state: "starting" };
const listeners = new Set<() => void>();

function become(next: Credential | null): void {
  credential = next;
  session = next ? { state: "in", user: next.kind === "session" ? next.user : null } : { state: "out" };
  for (const tell of listeners) tell();
}

function becomeOut(why: { step?: LoginStep; error?: unknown }): void {
  credential = null;
  session = { state: "out", ...why };
  for (const tell of listeners) tell();
}

export function useSession(): Session {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => session,
  );
}

/** At the start of the page: goes on with what was left. */
export async function resume(): Promise<void> {
  addEventListener("storage", (event) => {
    const isMine = event.key === REFRESH_TOKEN && credential?.kind !== "key";
    if (isMine && event.newValue === null) become(null);
    else if (isMine && credential === null) void refresh().catch(() => undefined);
  });
  let refusal: unknown;
  try {
    const step = await comeBack();
    if (step?.step === "done") return;
    if (step !== null) return becomeOut({ step });
  } catch (error) {
    refusal = error;
  }
  // Who is signed in here already stays so: anybody can send somebody to an address of a refusal.
  const key = sessionStorage.getItem(API_KEY);
  if (key !== null) become({ kind: "key", key });
  else if (localStorage.getItem(REFRESH_TOKEN) !== null) await refresh().catch(() => become(null));
  else if (refusal !== undefined) becomeOut({ error: refusal });
  else become(null);
}

/** The Authorization header. Throws ProblemError when nobody is signed in any more. */
export async function authorization(): Promise<string> {
  if (credential?.kind === "key") return `Bearer ${credential.key}`;
  if (credential?.kind === "session" && Date.now() < credential.expiresMs - MARGIN_MS) {
    return `Bearer ${credential.access}`;
  }
  return `Bearer ${await refresh()}`;
}

/** The server does not take the access token any more; the next one is asked for before it is used. */
export function accessExpired(): void {
  if (credential?.kind === "session") credential = { ...credential, expiresMs: 0 };
}

/** A request with the credential. After a 401 it is tried once more with a fresh one. */
export async function authorizedFetch(
  input: RequestInfo | URL,
  init: RequestInit = {},
): Promise<Response> {
  const answer = await fetch(input, await withCredential(init));
  if (answer.status !== 401) return answer;
  if (credential?.kind !== "session") {
    signOutHere();
    return answer;
  }
  accessExpired();
  return fetch(input, await withCredential(init));
}

async function withCredential(init: RequestInit): Promise<RequestInit> {
  const headers = new Headers(init.headers);
  headers.set("Authorization", await authorization());
  return { ...init, headers };
}

export async function logIn(email: string, password: string, tenantId?: string): Promise<LoginStep> {
  const body = tenantId ? { email, password, tenant_id: tenantId } : { email, password };
  return went(await post("/api/v1/auth/login", body));
}

export async function giveCode(token: string, code: string): Promise<LoginStep> {
  return went(await post("/api/v1/auth/login/totp", { mfa_token: token, code }));
}

/** code: that an identity provider's login was left under; see sso.ts. */
export async function signInWithCode(code: string, verifier: string): Promise<LoginStep> {
  return went(await post("/api/v1/auth/oauth/exchange", { code, code_verifier: verifier }));
}

/** Of a second factor that the tenant asks for. token: of the login. */
export async function beginSetup(token: string): Promise<Setup> {
  const made = await post("/api/v1/auth/login/totp/enrol", { mfa_token: token });
  return { secret: String(made.secret), uri: String(made.otpauth_uri) };
}

export async function finishSetup(token: string, code: string): Promise<SetupDone> {
  const made = await post("/api/v1/auth/login/totp/confirm", { mfa_token: token, code });
  const codes = made.recovery_codes as string[];
  return { codes, enter: () => void keep(made as unknown as Tokens) };
}

/** Throws ProblemError when the key does not hold. */
export async function useKey(key: string): Promise<void> {
  const answer = await fetch("/graphql", {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ query: "{ me { actor } }" }),
  });
  if (!answer.ok) throw new ProblemError(await problemOf(answer));
  sessionStorage.setItem(API_KEY, key);
  become({ kind: "key", key });
}

/** Out here first, so that no page asks with a session that is just being ended. On the server it
 * ends after that, even when the page goes away; if it cannot be reached, it ends by itself.
 */
export async function signOut(): Promise<void> {
  const ended = credential?.kind === "session" ? await authorization().catch(() => null) : null;
  signOutHere();
  if (ended === null) return;
  const headers = { Authorization: ended };
  await fetch("/api/v1/auth/logout", { method: "POST", headers, keepalive: true }).catch(() => undefined);
}

function signOutHere(): void {
  localStorage.removeItem(REFRESH_TOKEN);
  sessionStorage.removeItem(API_KEY);
  become(null);
}

let underWay: Promise<string> | null = null;

/** The next access token. One at a time, here and in other tabs. */
function refresh(): Promise<string> {
  underWay ??= inTurn(refreshed).finally(() => {
    underWay = null;
  });
  return underWay;
}

async function refreshed(): Promise<string> {
  const token = localStorage.getItem(REFRESH_TOKEN);
  if (token === null) {
    become(null);
    throw new ProblemError({ status: 401, detail: "You are not signed in.", code: "signed_out" });
  }
  const answer = await fetch("/api/v1/auth/refresh", jsonPost({ refresh_token: token }));
  if (!answer.ok) {
    if (answer.status < 500 && answer.status !== 429) signOutHere();
    throw new ProblemError(await problemOf(answer));
  }
  return keep((await answer.json()).data as Tokens);
}

/** Web Locks are there on https and on this machine; elsewhere two tabs may end their session. */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  return "locks" in navigator ? await navigator.locks.request(LOCK, work) : work();
}

function keep(tokens: Tokens): string {
  localStorage.setItem(REFRESH_TOKEN, tokens.refresh_token);
  const expiresMs = Date.now() + tokens.expires_in * 1000;
  const isSame = credential?.kind === "session" && credential.user.id === tokens.user.id;
  if (isSame && credential?.kind === "session") {
    credential = { ...credential, access: tokens.access_token, expiresMs };
  } else {
    become({ kind: "session", access: tokens.access_token, expiresMs, user: tokens.user });
  }
  return tokens.access_token;
}

async function post(path: string, body: unknown): Promise<Record<string, unknown>> {
  const answer = await fetch(path, jsonPost(body));
  if (!answer.ok) throw new ProblemError(await problemOf(answer));
  return (await answer.json()).data as Record<string, unknown>;
}

function jsonPost(body: unknown): RequestInit {
  return {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
}

function went(data: Record<string, unknown>): LoginStep {
  if (data.mfa_required) return { step: "code", token: String(data.mfa_token) };
  if (data.mfa_setup_required) return { step: "setup", token: String(data.mfa_token) };
  if (data.tenant_required) return { step: "tenant", ids: data.tenant_ids as string[] };
  keep(data as unknown as Tokens);
  return { step: "done" };
}
