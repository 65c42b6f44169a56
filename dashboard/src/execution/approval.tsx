import { useState } from "react";
import { command } from "../api/rest";
import { Problem } from "../parts/problem";
import { useMay } from "../session/permissions";
import { SchemaForm } from "./form";
import type { NodeRun } from "./read";

interface Request {
  title?: string;
  form_schema?: unknown;
  assignees?: string[];
}

/** An approval that the run waits for, to be decided here. */
export function Approval({
  executionId,
  node,
  again,
}: {
  executionId: string;
  node: NodeRun;
  again: () => void;
}) {
  const may = useMay();
  const { title, form_schema: schema = null, assignees = [] } = (node.input ?? {}) as Request;
  const [comment, setComment] = useState("");
  const [edits, setEdits] = useState<unknown>(null);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);
  const decide = async (decision: "approve" | "reject") => {
    setIsBusy(true);
    setError(null);
    try {
      const path = `/executions/${executionId}/approvals/${encodeURIComponent(node.path)}`;
      await command("POST", path, {
        decision,
        comment: comment === "" ? null : comment,
        edits: decision === "approve" ? edits : null,
      });
      again();
    } catch (reason) {
      setError(reason);
      setIsBusy(false);
    }
  };
  return (
    <section className="decide" aria-label={`Approval ${node.path}`}>
      <h2>{title ?? `Approval of ${node.path}`}</h2>
      {assignees.length > 0 && <p className="muted">Asked of {assignees.join(", ")}</p>}
      {may("approvals:decide") ? (
        <>
          {schema !== null && <SchemaForm schema={schema} onChange={setEdits} />}
          <label className="field">
            <span>Comment, for the record</span>
            <input
              className="input"
              value={comment}
              onChange={(event) => setComment(event.target.value)}
            />
          </label>
          {error !== null && <Problem error={error} />}
          <div className="buttons">
            <button
              type="button"
              className="button primary"
              disabled={isBusy || edits === undefined}
              onClick={() => void decide("approve")}
            >
              Approve
            </button>
            <button
              type="button"
              className="button danger"
              disabled={isBusy}
              onClick={() => void decide("reject")}
            >
              Reject
            </button>
          </div>
        </>
      ) : (
        <p className="muted">Your role may not decide it.</p>
      )}
    </section>
  );
}
