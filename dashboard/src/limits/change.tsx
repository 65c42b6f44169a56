import { useState } from "react";
import { CommandDialog } from "../parts/command-dialog";
import { Line } from "../parts/fields";

/** By the names of REST; what is left out is not limited. */
export interface Told {
  concurrent_calls?: number | null;
  tokens_per_min?: number | null;
  cost_usd_per_min?: string | null;
}

/** All limits of calls at once: an empty field is no limit. */
export function ChangeLimits({
  title,
  does,
  path,
  told,
  again,
  onClose,
}: {
  title: string;
  does: string;
  path: string;
  told: Told;
  again: () => void;
  onClose: () => void;
}) {
  const [calls, setCalls] = useState(told.concurrent_calls?.toString() ?? "");
  const [tokens, setTokens] = useState(told.tokens_per_min?.toString() ?? "");
  const [cost, setCost] = useState(told.cost_usd_per_min ?? "");
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
      }}
      onDone={again}
      onClose={onClose}
    >
      <Line label="Calls at once" value={calls} onChange={setCalls} type="number" />
      <Line label="Tokens a minute" value={tokens} onChange={setTokens} type="number" />
      <Line label="USD a minute" value={cost} onChange={setCost} />
    </CommandDialog>
  );
}
