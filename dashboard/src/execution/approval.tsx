import { type ReactNode, useState } from "react";
import { command } from "../api/rest";
import { Problem } from "../parts/problem";
import { useMay } from "../session/permissions";
import { SchemaForm } from "./form";

/** One that waits. schema: of its form, null without one. */
export interface Waiting {
  executionId: string;
  path: string;
  title: string;
  schema: unknown;
  assignees: readonly string[];
}

/** What a node waits for, as its request says it. */
export function waitingOf(executionId: string, node: { path: string; input: unknown }): Waiting {
  const request = (node.input ?? {}) as {
    title?: string;
    form_schema?: unknown;
    assignees?: string[];
  };
  return {
    executionId,
    path: node.path,
    title: request.title ?? `Approval of ${node.path}`,
    schema: request.form_schema ?? null,
    assignees: request.assignees ?? [],
  };
}

/** An approval that the run waits for, to be decided here. */
export function Approval({
  waiting,
  again,
  isForMe = true,
  children,
}: {
  waiting: Waiting;
  again: () => void;
  isForMe?: boolean;
  children?: ReactNode;
}) {
  const may = useMay();
  const { executionId, path, title, schema, assignees } = waiting;
  const [comment, setComment] = useState("");
  const [edits, setEdits] = useState<unknown>(null);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);
  const decide = async (decision: "approve" | "reject") => {
    setIsBusy(true);
    setError(null);
    try {
      await command("POST", `/executions/${executionId}/approvals/${encodeURIComponent(path)}`, {
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
    <section className="decide" aria-label={`Approval ${path}`}>
      <h2>{title}</h2>
      {children}
      {assignees.length > 0 && <p className="muted">Asked of {assignees.join(", ")}</p>}
      {!isForMe ? (
        <p className="muted">Others were asked to decide it.</p>
      ) : may("approvals:decide") ? (
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
