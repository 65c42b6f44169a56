import { useState } from "react";
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { ChangeLimits, type Told } from "../limits/change";
import { CallMeters, isLimited, RequestMeter } from "../limits/meters";
import { Card, Skeleton } from "../parts/card";
import { countText } from "../parts/money";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { wordOf } from "../parts/state-pill";
import { Table } from "../parts/table";
import { Time } from "../parts/time";
import { useMay } from "../session/permissions";

const LIMITS = graphql(`
  query Limits {
    tenant {
      name
      plan { name version limits }
      quotas { name limit used resetsAt }
      callLimits {
        own concurrentCalls tokensPerMin costUsdPerMin
        callsUnderWay callsWaiting tokensUsed costUsedUsd
        concurrentHttpCalls httpCallsUnderWay httpCallsWaiting
      }
    }
  }
`);
/** What is under way changes without an event. */
const EVERY_MS = 2_000;
type Tenant = ResultOf<typeof LIMITS>["tenant"];

/** What the tenant may use, and how much of it is used. */
export default function Limits() {
  const { data, error, isLoading, again } = useRead(LIMITS, {}, { everyMs: EVERY_MS });
  return (
    <Page title="Limits">
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && (
        <>
          <OfCalls tenant={data.tenant} again={again} />
          <OfPlan tenant={data.tenant} />
        </>
      )}
    </Page>
  );
}

function OfCalls({ tenant, again }: { tenant: Tenant; again: () => void }) {
  const may = useMay();
  const [isChanging, setIsChanging] = useState(false);
  const { callLimits } = tenant;
  return (
    <Card
      title="Calls of models and requests"
      actions={
        may("tenant:write") && (
          <button type="button" className="button" onClick={() => setIsChanging(true)}>
            Change limits
          </button>
        )
      }
    >
      {isLimited(callLimits) && <CallMeters limits={callLimits} of={tenant.name} />}
      <RequestMeter limits={callLimits} of={tenant.name} />
      {!isLimited(callLimits) && callLimits.concurrentHttpCalls === null && (
        <p className="muted">Neither the plan nor this tenant limits them.</p>
      )}
      {isChanging && (
        <ChangeLimits
          title="Limits of all calls"
          does="Of all agents and workflows of the tenant together, within its plan: the narrower one counts. Requests are those of http nodes."
          hasRequests
          path="/tenant/limits"
          told={callLimits.own as Told}
          again={again}
          onClose={() => setIsChanging(false)}
        />
      )}
    </Card>
  );
}

function OfPlan({ tenant }: { tenant: Tenant }) {
  const { plan, quotas } = tenant;
  const told = Object.entries(plan.limits as Record<string, unknown>).filter(
    ([name, value]) => value !== null && !quotas.some((quota) => quota.name === name),
  );
  return (
    <Card title={`Plan ${plan.name}, version ${plan.version}`} isBare>
      <Table
        label="What the plan allows"
        rows={[
          ...quotas.map((quota) => ({ ...quota, most: countOf(quota.limit) })),
          ...told.map(([name, value]) => ({ name, most: String(value), used: null, resetsAt: null })),
        ]}
        keyOf={(row) => row.name}
        columns={[
          { head: "What", className: "wide", cell: (row) => wordOf(row.name) },
          { head: "Used", className: "right", cell: (row) => countOf(row.used) },
          { head: "At most", className: "right", cell: (row) => row.most },
          { head: "Counted anew", cell: (row) => <Time at={row.resetsAt} /> },
        ]}
      />
    </Card>
  );
}

function countOf(count: number | null): string {
  return count === null ? "–" : countText(count);
}
