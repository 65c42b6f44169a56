import { useLayoutEffect, useRef } from "react";
import { Link } from "wouter";
import { Card } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { Json } from "../parts/json";
import { compactText, Money } from "../parts/money";
import { isOpen, StatePill } from "../parts/state-pill";
import { Duration, Time } from "../parts/time";
import type { NodeRun, Run } from "./read";

/** All about one node of the run: what came in, what came out, what it cost. */
export function NodePanel({
  node,
  type,
  said,
  isNow,
  onClose,
}: {
  node: NodeRun;
  /** As the definition has it: of a node that has just begun no more is known. */
  type: string | undefined;
  /** Not a state of the past. */
  isNow: boolean;
  /** What its model has said of an answer that is not there yet. */
  said: string;
  /** null: it is shown because it speaks, and goes when it has ended. */
  onClose: (() => void) | null;
}) {
  return (
    <Card
      title={node.path}
      actions={
        <>
          <StatePill state={node.status} />
          {onClose && (
            <button type="button" className="button quiet" onClick={onClose}>
              Close
            </button>
          )}
        </>
      }
    >
      <div className="stack">
        <dl className="facts">
          <Fact name="Type">{node.type ?? type ?? "–"}</Fact>
          <Fact name="Attempt">{node.attempt || "–"}</Fact>
          <Fact name="Duration">
            <Duration
              ms={node.durationMs}
              since={isNow && isOpen(node.status) ? node.startedAt : null}
            />
          </Fact>
          <Fact name="Started">
            <Time at={node.startedAt} />
          </Fact>
          {node.wakeAt && (
            <Fact name="Goes on">
              <Time at={node.wakeAt} />
            </Fact>
          )}
          {node.model && (
            <Fact name="Model">
              <code>{node.model}</code>
            </Fact>
          )}
          {(node.tokensIn > 0 || node.tokensOut > 0) && (
            <Fact name="Tokens in, out">
              {compactText(node.tokensIn)}, {compactText(node.tokensOut)}
            </Fact>
          )}
          <Fact name="Cost">
            <Money usd={node.costUsd} hasUnpriced={node.hasUnpriced} />
          </Fact>
          {node.childId && (
            <Fact name="Started">
              <CopyId id={node.childId} to={`/executions/${node.childId}`} />
            </Fact>
          )}
          {node.isCopied && <Fact name="Copied">done by the execution it was forked from</Fact>}
        </dl>
        {node.error !== null && <Part title="Error" value={node.error} />}
        {said !== "" ? (
          <Saying text={said} />
        ) : (
          <Output of={node.output} isComing={isNow && isOpen(node.status)} />
        )}
        {(node.input !== null || !isOpen(node.status)) && (
          <Part title="Input" value={node.input} />
        )}
      </div>
    </Card>
  );
}

/** The run as a whole. */
export function RunPanel({ run, isNow }: { run: Run; isNow: boolean }) {
  return (
    <Card title="Input and output">
      <div className="stack">
        {run.error !== null && <Part title="Error" value={run.error} />}
        <Output of={run.output} isComing={isNow && isOpen(run.status)} />
        <Part title="Input" value={run.input} />
        {run.payloadsRemovedAt && (
          <p className="muted">
            Its payloads were removed <Time at={run.payloadsRemovedAt} />, as the tenant asked.
          </p>
        )}
      </div>
    </Card>
  );
}

/** Follows its end, unless somebody scrolled away from it. */
function Saying({ text }: { text: string }) {
  const box = useRef<HTMLPreElement>(null);
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    if (box.current && isAtEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  return (
    <div className="stack-small">
      <h3>
        Output <span className="saying-mark">as it comes</span>
      </h3>
      <pre
        ref={box}
        className="saying"
        tabIndex={0}
        role="log"
        aria-label="Output as it comes"
        aria-live="off"
        onScroll={({ currentTarget: at }) => {
          isAtEnd.current = at.scrollHeight - at.scrollTop - at.clientHeight < 24;
        }}
      >
        {text}
      </pre>
    </div>
  );
}

function Output({ of, isComing }: { of: unknown; isComing: boolean }) {
  if (!isComing) return <Part title="Output" value={of} />;
  return (
    <div className="stack-small">
      <h3>Output</h3>
      <p className="muted">not there yet</p>
    </div>
  );
}

function Part({ title, value }: { title: string; value: unknown }) {
  return (
    <div className="stack-small">
      <h3>{title}</h3>
      <Json value={value} label={title} />
    </div>
  );
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function RunFacts({ run, isNow }: { run: Run; isNow: boolean }) {
  return (
    <dl className="facts card card-body">
      <Fact name="Started">
        <Time at={run.startedAt ?? run.createdAt} />
      </Fact>
      <Fact name="Duration">
        <Duration
          ms={run.durationMs}
          since={isNow && isOpen(run.status) ? (run.startedAt ?? run.createdAt) : null}
        />
      </Fact>
      <Fact name="Cost">
        <Money usd={run.costUsd} hasUnpriced={run.hasUnpriced} />
      </Fact>
      <Fact name="Tokens in, out">
        {compactText(run.tokensIn)}, {compactText(run.tokensOut)}
      </Fact>
      <Fact name={run.workflow ? "Workflow" : "Agent"}>
        {run.workflow ? (
          <Link href={`/workflows/${run.workflow.id}?version=${run.workflowVersion}`}>
            {run.workflow.name}, v{run.workflowVersion}
          </Link>
        ) : run.agent ? (
          <Link href={`/agents/${run.agent.id}`}>{run.agent.name}</Link>
        ) : (
          "deleted"
        )}
      </Fact>
      {run.wakeAt && (
        <Fact name="Goes on">
          <Time at={run.wakeAt} />
        </Fact>
      )}
      {run.parentId && (
        <Fact name="Started by">
          <CopyId
            id={run.parentId}
            to={`/executions/${run.parentId}?node=${encodeURIComponent(run.parentPath ?? "")}`}
          />
        </Fact>
      )}
      {run.forkedFromId && (
        <Fact name={`Forked at ${run.forkedFromNode} from`}>
          <CopyId id={run.forkedFromId} to={`/executions/${run.forkedFromId}`} />
        </Fact>
      )}
    </dl>
  );
}
