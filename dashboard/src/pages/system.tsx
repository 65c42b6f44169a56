import { graphql, type ResultOf, useRead } from "../api/graphql";
import { Card, Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { Empty } from "../parts/empty";
import { countText } from "../parts/money";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { StatePill, type Tone } from "../parts/state-pill";
import { Table } from "../parts/table";
import { durationText, Time } from "../parts/time";
import { useMay } from "../session/permissions";

const SYSTEM = graphql(`
  query System {
    projections {
      name version eventsBehind isExact secondsBehind parked
      rebuildProgress { eventsDone eventsTotal remainingSeconds }
    }
  }
`);
const STATUS = graphql(`
  query SystemStatus {
    system {
      roles { role processes seenAt }
      lags { name eventsBehind secondsBehind }
    }
  }
`);
const SEALS = graphql(`
  query SystemSeals {
    seals(first: 10) { edges { node { number sealedAt keyId head { size } } } }
  }
`);
type Projection = ResultOf<typeof SYSTEM>["projections"][number];

const LATE_S = 60;
// What is behind catches up without an event of this tenant.
const POLLED = { everyMs: 5_000 };

export default function System() {
  const { data, error, isLoading, again } = useRead(SYSTEM, {}, POLLED);
  const may = useMay();
  return (
    <Page title="System">
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && (
        <>
          <Tiles rows={data.projections} />
          {may("*") && <Status />}
          <Card title="Read models" isBare>
            <Projections rows={data.projections} />
          </Card>
          {may("audit:read") && <Seals />}
        </>
      )}
    </Page>
  );
}

function Tiles({ rows }: { rows: Projection[] }) {
  const seconds = Math.max(0, ...rows.map((row) => row.secondsBehind));
  const events = Math.max(0, ...rows.map((row) => Number(row.eventsBehind)));
  const parked = rows.reduce((sum, row) => sum + Number(row.parked), 0);
  const rebuilding = rows.filter((row) => row.rebuildProgress !== null).length;
  return (
    <div className="tiles">
      <Tile
        label="Furthest behind"
        value={durationText(Math.round(seconds * 1000))}
        note={`${countText(events)} ${events === 1 ? "event" : "events"}`}
      />
      <Tile label="Dead letters" value={countText(parked)} note="streams set aside" />
      <Tile label="Read models" value={countText(rows.length)} note={`${rebuilding} being rebuilt`} />
    </div>
  );
}

function Tile({ label, value, note }: { label: string; value: string; note: string }) {
  return (
    <div className="card tile">
      <span className="label">{label}</span>
      <span className="value">{value}</span>
      <span className="note">{note}</span>
    </div>
  );
}

function stateOf(row: Projection): [string, Tone] {
  if (row.rebuildProgress !== null) return ["rebuilding", "live"];
  if (Number(row.parked) > 0) return ["parked", "bad"];
  if (row.secondsBehind > LATE_S) return ["behind", "odd"];
  return ["current", "good"];
}

function Projections({ rows }: { rows: Projection[] }) {
  return (
    <Table
      label="Read models"
      rows={rows}
      keyOf={(row) => row.name}
      columns={[
        { head: "Read model", className: "wide", cell: (row) => <code>{row.name}</code> },
        {
          head: "State",
          cell: (row) => {
            const [state, tone] = stateOf(row);
            return <StatePill state={state} tone={tone} />;
          },
        },
        {
          head: "Events behind",
          className: "right",
          cell: (row) => `${row.isExact ? "" : "at least "}${countText(Number(row.eventsBehind))}`,
        },
        {
          head: "Time behind",
          className: "right",
          cell: (row) => durationText(Math.round(row.secondsBehind * 1000)),
        },
        { head: "Parked", className: "right", cell: (row) => countText(Number(row.parked)) },
        { head: "Rebuild", className: "right", cell: (row) => progressOf(row) },
      ]}
    />
  );
}

function progressOf(row: Projection): string {
  const progress = row.rebuildProgress;
  if (progress === null) return "–";
  const total = Number(progress.eventsTotal);
  const done = total === 0 ? 100 : Math.round((Number(progress.eventsDone) / total) * 100);
  const left = progress.remainingSeconds;
  return left === null ? `${done} %` : `${done} %, ${durationText(Math.round(left * 1000))} left`;
}

/** Of three roles, on a desk. */
const CARDS_HEIGHT = 206;
const LAGS: Record<string, string> = { relay: "Relay to Kafka", seal: "Seals of the log" };

function Status() {
  const { data, error, isLoading, again } = useRead(STATUS, {}, POLLED);
  return (
    <>
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton height={CARDS_HEIGHT} />}
      {data && (
        <div className="grid">
          <Card title="Roles" isBare>
            <Table
              label="Roles"
              rows={data.system.roles}
              keyOf={(row) => row.role}
              columns={[
                { head: "Role", className: "wide", cell: (row) => row.role },
                {
                  head: "State",
                  cell: (row) =>
                    row.processes > 0 ? (
                      <StatePill state="running" tone="good" />
                    ) : (
                      <StatePill state="silent" tone="bad" />
                    ),
                },
                { head: "Processes", className: "right", cell: (row) => countText(row.processes) },
                { head: "Last seen", cell: (row) => <Time at={row.seenAt} /> },
              ]}
            />
          </Card>
          <Card title="Behind the log" isBare>
            <Table
              label="Behind the log"
              rows={data.system.lags}
              keyOf={(row) => row.name}
              columns={[
                { head: "What", className: "wide", cell: (row) => LAGS[row.name] ?? row.name },
                {
                  head: "Events behind",
                  className: "right",
                  cell: (row) => countText(Number(row.eventsBehind)),
                },
                {
                  head: "Time behind",
                  className: "right",
                  cell: (row) => durationText(Math.round(row.secondsBehind * 1000)),
                },
              ]}
            />
          </Card>
        </div>
      )}
    </>
  );
}

function Seals() {
  const { data, error, isLoading, again } = useRead(SEALS, {}, POLLED);
  const rows = data?.seals.edges.map((edge) => edge.node) ?? [];
  return (
    <Card title="Seals of the log" isBare>
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && rows.length === 0 && (
        <Empty title="Nothing is sealed yet" command="agentledger verify">
          The log is sealed every few seconds, by a projector. What checks it:
        </Empty>
      )}
      {rows.length > 0 && (
        <Table
          label="Seals of the log"
          rows={rows}
          keyOf={(row) => String(row.number)}
          columns={[
            { head: "Seal", className: "wide", cell: (row) => countText(row.number) },
            { head: "Sealed", cell: (row) => <Time at={row.sealedAt} /> },
            {
              head: "Events of this tenant",
              className: "right",
              cell: (row) => countText(row.head?.size ?? 0),
            },
            { head: "Key", cell: (row) => <CopyId id={row.keyId} /> },
          ]}
        />
      )}
    </Card>
  );
}

