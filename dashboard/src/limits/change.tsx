import { useState } from "react";
import { CommandDialog } from "../parts/command-dialog";
import { Line } from "../parts/fields";

/** By the names of REST; what is left out is not limited. */
export interface Told {
  concurrent_calls?: number | null;
  tokens_per_min?: number | null;
  cost_usd_per_min?: string | null;
  concurrent_http_calls?: number | null;
}

/** All limits of calls at once: an empty field is no limit. */
export function ChangeLimits({
  title,
  does,
  path,
  told,
  hasRequests = false,
  again,
  onClose,
}: {
  title: string;
  does: string;
  path: string;
  told: Told;
  /** Whether requests of `http` nodes are limited there too. */
  hasRequests?: boolean;
  again: () => void;
  onClose: () => void;
}) {
  const [calls, setCalls] = useState(told.concurrent_calls?.toString() ?? "");
  const [tokens, setTokens] = useState(told.tokens_per_min?.toString() ?? "");
  const [cost, setCost] = useState(told.cost_usd_per_min ?? "");
  const [requests, setRequests] = useState(told.concurrent_http_calls?.toString() ?? "");
  const count = (text: string) => (text === "" ? null : Number(text));
  return (
    <CommandDialog
      title={title}
      does={`${does} An empty field is no limit.`}
      verb="Set them"
      method="PUT"
      path={path}
      body={{
        concurrent_calls: count(calls),
        tokens_per_min: count(tokens),
        cost_usd_per_min: cost === "" ? null : cost,
        ...(hasRequests && { concurrent_http_calls: count(requests) }),
      }}
      onDone={again}
      onClose={onClose}
    >
      <Line label="Calls at once" value={calls} onChange={setCalls} type="number" />
      <Line label="Tokens a minute" value={tokens} onChange={setTokens} type="number" />
      <Line label="USD a minute" value={cost} onChange={setCost} />
      {hasRequests && (
        <Line label="Requests at once" value={requests} onChange={setRequests} type="number" />
      )}
    </CommandDialog>
  );
}
