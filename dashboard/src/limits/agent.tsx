import { useState } from "react";
import { graphql, useRead } from "../api/graphql";
import { Card } from "../parts/card";
import { Problem } from "../parts/problem";
import { useMay } from "../session/permissions";
import { ChangeLimits } from "./change";
import { CallMeters, isLimited } from "./meters";

const LIMITS = graphql(`
  query AgentLimits($id: ID!) {
    agent(id: $id) {
      name isDeleted concurrentCalls tokensPerMin costUsdPerMin
      callsUnderWay callsWaiting tokensUsed costUsedUsd
    }
  }
`);
/** What is under way changes without an event. */
const EVERY_MS = 2_000;

export function AgentLimits({ id }: { id: string }) {
  const may = useMay();
  const [isChanging, setIsChanging] = useState(false);
  const { data, error, again } = useRead(LIMITS, { id }, { everyMs: EVERY_MS });
  const agent = data?.agent;
  if (error) return <Problem error={error} again={again} />;
  if (!agent) return null;
  return (
    <Card
      title="Limits of its calls"
      actions={
        may("agents:write") &&
        !agent.isDeleted && (
          <button type="button" className="button" onClick={() => setIsChanging(true)}>
            Change limits
          </button>
        )
      }
    >
      {isLimited(agent) ? (
        <CallMeters limits={agent} of={agent.name} />
      ) : (
        <p className="muted">It has none of its own. Those of the tenant hold for its calls too.</p>
      )}
      {isChanging && (
        <ChangeLimits
          title={`Limits of ${agent.name}`}
          does="Of its calls of models, over all runs. A call that would go beyond waits in line, at most a minute."
          path={`/agents/${id}/limits`}
          told={{
            concurrent_calls: agent.concurrentCalls,
            tokens_per_min: agent.tokensPerMin,
            cost_usd_per_min: agent.costUsdPerMin,
          }}
          again={again}
          onClose={() => setIsChanging(false)}
        />
      )}
    </Card>
  );
}
