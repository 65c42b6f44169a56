import { useEffect, useEffectEvent } from "react";
import { graphql } from "../api/graphql";
import { follow } from "../api/live";

const USAGE_UPDATES = graphql(`
  subscription UsageUpdates {
    usageUpdates { position }
  }
`);
/** Until a read model has what was told, and at most once in that time. */
const EVERY_MS = 2_000;

/** Calls `changed` after something was used. Between two calls nobody listens, for a busy tenant has
 * thousands of calls a second; each round begins with a call, for what happened in between.
 */
export function useUsageChanges(changed: () => void): void {
  const tell = useEffectEvent(changed);
  useEffect(() => {
    let stop: () => void = () => undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const round = () => {
      stop = follow(USAGE_UPDATES, () => ({}), {
        next: () => {
          stop();
          clearTimeout(timer);
          timer = setTimeout(() => {
            tell();
            round();
          }, EVERY_MS);
        },
        back: () => tell(),
      });
    };
    round();
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, []);
}
