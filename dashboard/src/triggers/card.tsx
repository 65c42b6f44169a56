import type { FragmentOf } from "gql.tada";
import { Plus } from "lucide-react";
import { useState } from "react";
import { Card } from "../parts/card";
import { Empty } from "../parts/empty";
import { NewTrigger } from "./new";
import { type TRIGGER_ROW, TriggerTable } from "./table";

/** What begins runs of a workflow by itself. mayAdd: somebody who may run it looks at it. */
export function Triggers({
  workflowId,
  rows,
  mayAdd,
  again,
}: {
  workflowId: string;
  rows: readonly FragmentOf<typeof TRIGGER_ROW>[];
  mayAdd: boolean;
  again: () => void;
}) {
  const [isAdding, setIsAdding] = useState(false);
  return (
    <Card
      title="Triggers"
      isBare
      actions={
        mayAdd && (
          <button type="button" className="button" onClick={() => setIsAdding(true)}>
            <Plus size={14} aria-hidden /> New trigger
          </button>
        )
      }
    >
      {rows.length === 0 ? (
        <Empty title="Nothing begins it by itself">A trigger does so at times, or when its webhook is called.</Empty>
      ) : (
        <TriggerTable rows={rows} again={again} />
      )}
      {isAdding && (
        <NewTrigger workflowId={workflowId} onDone={again} onClose={() => setIsAdding(false)} />
      )}
    </Card>
  );
}
