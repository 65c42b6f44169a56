/** The invoice that is finalised next, as it would be with what is known now. */
import { Link } from "wouter";
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { Card, Skeleton } from "../parts/card";
import { Problem } from "../parts/problem";
import { Day, Time } from "../parts/time";
import { amountText, periodText } from "./amounts";
import { Lines } from "./lines";

const UPCOMING = graphql(`
  query UpcomingInvoice {
    upcomingInvoice {
      id status asOf finalizedFrom periodStart periodEnd timeZone currency
      subtotal tax total balanceBefore credits amountDue balanceAfter held unpriced
      lines { line kind description quantity unit amount taxPercent tax }
    }
  }
`);
type Told = NonNullable<ResultOf<typeof UPCOMING>["upcomingInvoice"]>;
/** It reads the log: what a minute brings is soon enough. */
const POLLED = { everyMs: 60_000 };

/** On a desk. */
const CARD_HEIGHT = 116;

/** In one row, above the invoices that there are. */
export function Upcoming() {
  const { data, error, isLoading, again } = useRead(UPCOMING, {}, POLLED);
  const upcoming = data?.upcomingInvoice;
  if (error) return <Problem error={error} again={again} />;
  if (isLoading) return <Skeleton height={CARD_HEIGHT} />;
  if (!upcoming) return null;
  return (
    <Card
      title="Next invoice"
      actions={<Link href={`/invoices/${upcoming.id}`}>What is on it</Link>}
    >
      <Amounts of={upcoming} isShort />
    </Card>
  );
}

/** In full, on the page of the invoice that it becomes. */
export function UpcomingDocument({ id }: { id: string }) {
  const { data, error, isLoading, again } = useRead(UPCOMING, {}, POLLED);
  const upcoming = data?.upcomingInvoice;
  if (error) return <Problem error={error} again={again} />;
  if (isLoading) return <Skeleton />;
  if (!upcoming || upcoming.id !== id) {
    return <p className="muted">What it comes to is told once the invoice before it is finalised.</p>;
  }
  return (
    <>
      <Card title={periodText(upcoming.periodStart, upcoming.periodEnd, upcoming.timeZone)}>
        <div className="stack">
          <Amounts of={upcoming} />
          <Notes of={upcoming} />
        </div>
      </Card>
      <Lines
        lines={upcoming.lines}
        currency={upcoming.currency}
        nothing="Nothing has been used in this period yet."
      />
    </>
  );
}

function Amounts({ of, isShort = false }: { of: Told; isShort?: boolean }) {
  const amounts: [string, string][] = [
    ["Subtotal", of.subtotal],
    ["Tax", of.tax],
    ["Total", of.total],
    ["Carried over to it", of.balanceBefore],
    ["Paid with credits", of.credits],
    ["To pay", of.amountDue],
    ["Carried over from it", of.balanceAfter],
  ];
  const isTold = ([name, amount]: [string, string]) =>
    name === "To pay" || name === "Total" || (!isShort && !(isCarried(name) && isZero(amount)));
  return (
    <dl className="facts">
      {isShort && (
        <div>
          <dt>Period</dt>
          <dd>{periodText(of.periodStart, of.periodEnd, of.timeZone)}</dd>
        </div>
      )}
      {amounts.filter(isTold).map(([name, amount]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd className="number">{amountText(amount, of.currency)}</dd>
        </div>
      ))}
      <div>
        <dt>Finalised from</dt>
        <dd>
          <Day at={of.finalizedFrom} />
        </dd>
      </div>
      <div>
        <dt>As of</dt>
        <dd>
          <Time at={of.asOf} />
        </dd>
      </div>
    </dl>
  );
}

function isCarried(name: string): boolean {
  return name.startsWith("Carried");
}

function isZero(amount: string): boolean {
  return !/[1-9]/.test(amount);
}

function Notes({ of }: { of: Told }) {
  const unpriced = Array.isArray(of.unpriced) ? of.unpriced.length : 0;
  return (
    <div className="muted">
      <p>
        Its period counts as a whole: what recurs until its end is on it, and all that is included is
        free. Nothing of it is stored.
      </p>
      {of.held > 0 && (
        <p>
          {of.held === 1 ? "Of one call" : `Of ${of.held} calls`} nobody knows yet what was used: it
          comes on a later invoice.
        </p>
      )}
      {unpriced > 0 && <p>Something was used without a known price: it is not charged.</p>}
    </div>
  );
}
