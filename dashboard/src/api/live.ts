/** Following what happens, without a gap: each connection goes on after the last thing that the one
 * before has told.
 */
import { print } from "graphql";
import { type Client, createClient } from "graphql-ws";
import { useEffect, useEffectEvent, useSyncExternalStore } from "react";
import type { TypedDocumentNode } from "urql";
import { accessExpired, authorization } from "../session/session";
import { graphql } from "./graphql";

const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 15_000;
/** A socket that ends so is begun anew with the next access token. */
const EXPIRED = 4401;
/** For who may not follow the whole tenant. */
const POLL_MS = 10_000;
/** Until a read model has what was told, and until a subscription has begun. */
const ROUND_PAUSE_MS = 200;

let client: Client | null = null;
/** Followers that lost their connection, and what they do once there is one again. */
const broken = new Map<symbol, () => void>();
const listeners = new Set<() => void>();

/** Whether something that is being followed has lost its connection. */
export function useIsCutOff(): boolean {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => broken.size > 0,
  );
}

function isCutOff(follower: symbol, whenBack: () => void): void {
  broken.set(follower, whenBack);
  for (const tell of listeners) tell();
}

function isBack(): void {
  const waiting = [...broken.values()];
  broken.clear();
  for (const whenBack of waiting) whenBack();
  for (const tell of listeners) tell();
}

function forget(follower: symbol): void {
  if (broken.delete(follower)) for (const tell of listeners) tell();
}

/** When somebody signs out, what they followed ends with them. */
export function disconnect(): void {
  void client?.dispose();
  client = null;
}

function socket(): Client {
  client ??= createClient({
    url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`,
    connectionParams: async () => ({ Authorization: await authorization() }),
    lazyCloseTimeout: 2_000,
    keepAlive: 20_000,
    // We begin again ourselves, from where we were.
    retryAttempts: 0,
    on: { connected: isBack },
  });
  return client;
}

/** Until the server completes it or the returned function is called. variables: asked anew for each
 * connection. back: after a connection was lost and there is one again.
 */
export function follow<Data, Variables extends Record<string, unknown>>(
  query: TypedDocumentNode<Data, Variables>,
  variables: () => Variables,
  on: { next: (data: Data) => void; end?: () => void; back?: () => void; refused?: () => void },
): () => void {
  const follower = Symbol("follower");
  const text = print(query);
  let pauseMs = PAUSE_MIN_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  let leave: () => void = () => undefined;

  const begin = () => {
    leave = socket().subscribe<Data>(
      { query: text, variables: variables() },
      {
        next: (message) => {
          pauseMs = PAUSE_MIN_MS;
          if (message.data) on.next(message.data as Data);
        },
        error: (error) => {
          // A list of GraphQL errors is an answer: asking again would bring the same.
          if (isStopped) return;
          if (Array.isArray(error)) {
            on.refused?.();
            return;
          }
          if ((error as { code?: number }).code === EXPIRED) accessExpired();
          else isCutOff(follower, () => on.back?.());
          timer = setTimeout(begin, pauseMs * (0.75 + Math.random() / 2));
          pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS);
        },
        complete: () => {
          forget(follower);
          if (!isStopped) on.end?.();
        },
      },
    );
  };
  begin();
  return () => {
    isStopped = true;
    clearTimeout(timer);
    leave();
    forget(follower);
  };
}

const TENANT_UPDATES = graphql(`
  subscription TenantUpdates {
    tenantUpdates { position topic streamId }
  }
`);

/** Calls `changed` after something of the tenant happened, at most once in `everyMs`.
 *
 * A busy tenant has thousands of events a second: after the first notice of a round nobody listens
 * until the next begins, and each round begins with a call, for what happened in between.
 */
export function useTenantChanges(
  changed: () => void,
  options: { isOf?: (topic: string) => boolean; everyMs?: number } = {},
): void {
  const { everyMs = 1_500 } = options;
  const tell = useEffectEvent(changed);
  const isOf = useEffectEvent((topic: string) => options.isOf?.(topic) ?? true);
  useEffect(() => {
    let stop: () => void = () => undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let poll: ReturnType<typeof setInterval> | undefined;
    let isFirst = true;
    const round = () => {
      const beganMs = Date.now();
      stop = follow(TENANT_UPDATES, () => ({}), {
        next: ({ tenantUpdates }) => {
          if (!isOf(tenantUpdates.topic)) return;
          stop();
          clearTimeout(timer);
          timer = setTimeout(round, Math.max(everyMs - (Date.now() - beganMs), ROUND_PAUSE_MS));
        },
        back: () => tell(),
        refused: () => {
          poll ??= setInterval(() => document.hidden || tell(), POLL_MS);
        },
      });
      // What was read before the first one may have changed until it began.
      timer = setTimeout(() => tell(), isFirst ? everyMs : ROUND_PAUSE_MS);
      isFirst = false;
    };
    round();
    return () => {
      clearTimeout(timer);
      clearInterval(poll);
      stop();
    };
  }, [everyMs]);
}
