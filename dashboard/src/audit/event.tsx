/** One event: what it says, what it came from and led to, and the proof that it is sealed. */
import { Download } from "lucide-react";
import { Link } from "wouter";
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { saveAs } from "../api/rest";
import { Actor } from "../execution/history";
import { Card, Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { Json } from "../parts/json";
import { Problem } from "../parts/problem";
import { Time } from "../parts/time";
import { useMay } from "../session/permissions";

const EVENT = graphql(`
  query AuditEvent($id: ID!, $version: Int!) {
    event(streamId: $id, version: $version) {
      topic version position recordedAt actor commandId correlationId isErased data
      causes { streamId version topic causes { streamId version topic } }
      effects { streamId version topic effects { streamId version topic } }
    }
  }
`);
type Near = NonNullable<ResultOf<typeof EVENT>["event"]>["causes"][number];

const PROOF = graphql(`
  query ProofOfEvent($id: ID!, $version: Int!) {
    inclusionProof(streamId: $id, version: $version) {
      index record commitment blinding path headPath
      head { size root }
      seal { number sealedAt keyId root text signature }
    }
  }
`);

export function EventCard({ id, version }: { id: string; version: number }) {
  const { data, error, isLoading, again } = useRead(EVENT, { id, version });
  const event = data?.event;
  return (
    <Card title={event ? `Event ${version}: ${event.topic}` : `Event ${version}`}>
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {event && (
        <div className="stack">
          <dl className="facts">
            <div>
              <dt>Recorded</dt>
              <dd>
                <Time at={event.recordedAt} exact />
              </dd>
            </div>
            <div>
              <dt>By</dt>
              <dd>
                <Actor actor={event.actor} />
              </dd>
            </div>
            <div>
              <dt>Place in the log</dt>
              <dd className="mono">{event.position}</dd>
            </div>
            <div>
              <dt>Belongs to</dt>
              <dd>
                {event.correlationId ? (
                  <CopyId id={event.correlationId} to={`/audit?range=90d&correlation=${event.correlationId}`} />
                ) : (
                  "–"
                )}
              </dd>
            </div>
          </dl>
          {event.isErased ? (
            <p className="muted">What was personal in it is erased.</p>
          ) : (
            <Json value={event.data} label={`Event ${version}`} />
          )}
          <Tree title="Came from" events={event.causes} beyond={(near) => near.causes ?? []} />
          <Tree title="Led to" events={event.effects} beyond={(near) => near.effects ?? []} />
        </div>
      )}
    </Card>
  );
}

interface Node {
  streamId: string;
  version: number;
  topic: string;
  causes?: Near["causes"];
  effects?: Near["causes"];
}

function Tree({
  title,
  events,
  beyond,
}: {
  title: string;
  events: readonly Node[];
  beyond: (node: Node) => readonly Node[];
}) {
  return (
    <section className="stack-small">
      <h3>{title}</h3>
      {events.length === 0 ? <p className="muted">nothing recorded</p> : <Branch nodes={events} beyond={beyond} />}
    </section>
  );
}

function Branch({ nodes, beyond }: { nodes: readonly Node[]; beyond: (node: Node) => readonly Node[] }) {
  return (
    <ul className="tree">
      {nodes.map((node) => (
        <li key={`${node.streamId}/${node.version}`}>
          <Link href={`/audit/${node.streamId}?version=${node.version}`}>{node.topic}</Link>{" "}
          <span className="muted">
            …{node.streamId.slice(-8)} · {node.version}
          </span>
          {beyond(node).length > 0 && <Branch nodes={beyond(node)} beyond={() => []} />}
        </li>
      ))}
    </ul>
  );
}

/** For whoever may read the audit trail: anybody can check it, without us. */
export function ProofCard({ id, version }: { id: string; version: number }) {
  const may = useMay();
  return may("audit:read") ? <Proof id={id} version={version} /> : null;
}

function Proof({ id, version }: { id: string; version: number }) {
  const { data, error, isLoading, again } = useRead(PROOF, { id, version });
  const proof = data?.inclusionProof;
  return (
    <Card
      title="Sealed"
      actions={
        proof && (
          <button
            type="button"
            className="button"
            onClick={() => saveAs(JSON.stringify(proof, null, 2), `proof-${id}-${version}.json`)}
          >
            <Download size={14} aria-hidden /> Proof
          </button>
        )
      }
    >
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && !proof && <p className="muted">Not yet: the next seal covers it.</p>}
      {proof && (
        <dl className="facts">
          <div>
            <dt>Seal</dt>
            <dd>
              {proof.seal.number}, <Time at={proof.seal.sealedAt} />
            </dd>
          </div>
          <div>
            <dt>Place among the tenant's events</dt>
            <dd className="number">{proof.index}</dd>
          </div>
          <div>
            <dt>Signed with</dt>
            <dd>
              <CopyId id={proof.seal.keyId} />
            </dd>
          </div>
          <div>
            <dt>Root of the seal</dt>
            <dd>
              <CopyId id={proof.seal.root} />
            </dd>
          </div>
        </dl>
      )}
    </Card>
  );
}
