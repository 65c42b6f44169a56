/** Commands: the REST routes that any program uses, with an idempotency key for each intention. */
import { authorizedFetch } from "../session/session";
import { problemOf, ProblemError } from "./problem";

/** For how long queries wait for what a command has just stored. */
const OWN_WRITE_MS = 10_000;

let lastWrite: { position: string; atMs: number } | null = null;

export function positionToWaitFor(): string | null {
  return lastWrite !== null && Date.now() - lastWrite.atMs < OWN_WRITE_MS
    ? lastWrite.position
    : null;
}

/** The `data` of the answer. path: after /api/v1. Throws ProblemError. */
export async function command<Data = Record<string, unknown>>(
  method: "POST" | "PATCH" | "PUT" | "DELETE",
  path: string,
  body?: unknown,
): Promise<Data> {
  const headers: Record<string, string> = { "Idempotency-Key": newKey() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await authorizedFetch(`/api/v1${path}`, {
    method,
    headers,
    body: body === undefined ? null : JSON.stringify(body),
  });
  if (!answer.ok) throw new ProblemError(await problemOf(answer));
  const document = await answer.json();
  const position: unknown = document.meta?.position;
  if (typeof position === "string") lastWrite = { position, atMs: Date.now() };
  return document.data as Data;
}

/** Saves the answer under a name. path: after /api/v1. Throws ProblemError. */
export async function download(path: string, name: string): Promise<void> {
  const answer = await authorizedFetch(`/api/v1${path}`);
  if (!answer.ok) throw new ProblemError(await problemOf(answer));
  saveAs(await answer.blob(), name);
}

export function saveAs(content: Blob | string, name: string): void {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content]));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

/** Not randomUUID, which browsers have only where the page came encrypted. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
