/** What waits for somebody to decide. */
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";

const APPROVALS = graphql(`
  query Approvals($forMe: Boolean!, $after: String) {
    approvals(first: 50, after: $after, forMe: $forMe) {
      edges {
        node {
          executionId path title formSchema assignees askedAt deadlineAt onTimeout isForMe
          execution { id status createdBy workflow { id name } }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const COUNT = graphql(`
  query ApprovalCount {
    approvals(first: 100) { edges { cursor } pageInfo { hasNextPage } }
  }
`);
export type ApprovalRow = ResultOf<typeof APPROVALS>["approvals"]["edges"][number]["node"];

/** What may ask somebody, or stop asking them. */
const TOPICS = new Set([
  "execution.node_suspended",
  "execution.approval_decided",
  "execution.node_completed",
  "execution.node_failed",
  "execution.failed",
  "execution.cancelled",
  "execution.compensation_started",
]);
const CHANGES = { isOf: (topic: string) => TOPICS.has(topic) };
/** A number beside a link may be a little older than what a page shows. */
const COUNTED_MS = 2_000;

export function useApprovals(forMe: boolean, after: string | null) {
  const read = useRead(APPROVALS, { forMe, after });
  useTenantChanges(read.again, CHANGES);
  return read;
}

export function useApprovalCount(): string {
  const { data, again } = useRead(COUNT, {});
  useTenantChanges(again, { ...CHANGES, everyMs: COUNTED_MS });
  const count = data?.approvals.edges.length ?? 0;
  if (count === 0) return "";
  return data?.approvals.pageInfo.hasNextPage ? `${count}+` : String(count);
}
