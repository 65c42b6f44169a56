/** What a page shows is in its address: it can be sent to somebody, and Back goes back. */
import { useCallback } from "react";
import { useSearchParams } from "wouter";

/** A parameter of the address, "" when it is not there. Others named in `resets` go with a change. */
export function useParam(
  name: string,
  resets: readonly string[] = [],
): [string, (value: string) => void] {
  const [params, setParams] = useSearchParams();
  const set = useCallback(
    (value: string) =>
      setParams((before) => {
        const next = new URLSearchParams(before);
        for (const other of resets) next.delete(other);
        if (value === "") next.delete(name);
        else next.set(name, value);
        return next;
      }),
    // The names are literals of the page.
    [name, setParams],
  );
  return [params.get(name) ?? "", set];
}
