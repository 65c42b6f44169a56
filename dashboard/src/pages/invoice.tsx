import { CreditCard, Download } from "lucide-react";
import { useState } from "react";
import { useParams } from "wouter";
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { download } from "../api/rest";
import { amountText, leftOf, periodText, PILLS } from "../invoices/amounts";
import { FactsOfLine } from "../invoices/facts";
import { Lines } from "../invoices/lines";
import { UpcomingDocument } from "../invoices/upcoming";
import { Card, Skeleton } from "../parts/card";
import { CommandDialog } from "../parts/command-dialog";
import { CopyId } from "../parts/copy-id";
import { NotFound } from "../parts/empty";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { StatePill } from "../parts/state-pill";
import { Table } from "../parts/table";
import { Day } from "../parts/time";
import { useParam } from "../parts/url";
import { useMay } from "../session/permissions";

const INVOICE = graphql(`
  query Invoice($id: ID!) {
    invoice(id: $id) {
      id number status periodStart periodEnd timeZone finalizedAt dueAt currency
      subtotal tax total credits credited amountDue hasUnpriced contentSha256
      lines { line kind description quantity unit amount taxPercent tax meter }
      creditNotes { number issuedAt reason total owed credits carriedOver }
    }
  }
`);
type Told = NonNullable<ResultOf<typeof INVOICE>["invoice"]>;
const PAYABLE = ["issued", "past_due", "uncollectible"];
const FORMATS = ["pdf", "html", "csv", "json"] as const;

/** One invoice: its lines, and below each line what it is the sum of. */
export default function Invoice() {
  const { id = "" } = useParams();
  const [line, setLine] = useParam("line", ["after"]);
  const { data, error, isLoading, again } = useRead(INVOICE, { id });
  useTenantChanges(again, {
    isOf: (topic) => topic.startsWith("invoice.") || topic.startsWith("payment."),
  });
  const invoice = data?.invoice;
  const name = invoice?.number ?? "Invoice";
  return (
    <Page
      title={name}
      up={{ to: "/invoices", label: "Invoices" }}
      heading={
        <>
          {name}{" "}
          {invoice && (
            <StatePill state={invoice.status.toUpperCase()} tone={PILLS[invoice.status]} />
          )}
        </>
      }
      actions={invoice && <Actions invoice={invoice} />}
    >
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && !invoice && (
        <NotFound what="invoice" up={{ to: "/invoices", label: "All invoices" }} />
      )}
      {invoice && invoice.finalizedAt === null && <UpcomingDocument id={id} />}
      {invoice && invoice.finalizedAt !== null && (
        <>
          <Amounts invoice={invoice} />
          <Lines
            lines={invoice.lines}
            currency={invoice.currency}
            nothing="Nothing was owed."
            shown={line}
            show={setLine}
          />
          {line !== "" && <FactsOfLine key={line} id={id} line={Number(line)} />}
          {invoice.creditNotes.length > 0 && <CreditNotes invoice={invoice} />}
        </>
      )}
    </Page>
  );
}

function Amounts({ invoice }: { invoice: Told }) {
  const amounts: [string, string | null][] = [
    ["Subtotal", invoice.subtotal],
    ["Tax", invoice.tax],
    ["Total", invoice.total],
    ["Paid with credits", invoice.credits],
    ["Given back", invoice.credited],
    ["Still to pay", leftOf(invoice)],
  ];
  return (
    <Card title={periodText(invoice.periodStart, invoice.periodEnd, invoice.timeZone)}>
      <dl className="facts">
        {amounts.map(([name, amount]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className="number">{amountText(amount, invoice.currency)}</dd>
          </div>
        ))}
        <div>
          <dt>Finalised</dt>
          <dd>
            <Day at={invoice.finalizedAt} />
          </dd>
        </div>
        <div>
          <dt>Due</dt>
          <dd>
            <Day at={invoice.dueAt} />
          </dd>
        </div>
        <div>
          <dt>Time zone</dt>
          <dd>{invoice.timeZone}</dd>
        </div>
        {invoice.contentSha256 && (
          <div>
            <dt>SHA-256 of the document</dt>
            <dd>
              <CopyId id={invoice.contentSha256} />
            </dd>
          </div>
        )}
      </dl>
      {invoice.hasUnpriced && (
        <p className="muted">
          Something was used without a known price: it is on the document, and not charged.
        </p>
      )}
    </Card>
  );
}

/** What was given back of it, and how: less to pay, or credit that counts again. */
function CreditNotes({ invoice }: { invoice: Told }) {
  const amount = (text: string | null) => amountText(text, invoice.currency);
  return (
    <Card title="Credit notes" isBare>
      <Table
        label="Credit notes"
        rows={invoice.creditNotes}
        keyOf={(row) => row.number}
        columns={[
          { head: "Number", cell: (row) => row.number },
          { head: "Issued", cell: (row) => <Day at={row.issuedAt} /> },
          { head: "Reason", className: "wide", cell: (row) => row.reason },
          { head: "Less to pay, or refund", className: "right", cell: (row) => amount(row.owed) },
          { head: "Back to credits", className: "right", cell: (row) => amount(row.credits) },
          { head: "Now credit", className: "right", cell: (row) => amount(row.carriedOver) },
          { head: "Total", className: "right", cell: (row) => amount(row.total) },
        ]}
      />
    </Card>
  );
}

function Actions({ invoice }: { invoice: Told }) {
  const may = useMay();
  const [isPaying, setIsPaying] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const take = (format: (typeof FORMATS)[number]) => {
    setError(null);
    download(
      `/invoices/${invoice.id}?format=${format}`,
      `${invoice.number ?? "invoice"}.${format}`,
    ).catch(setError);
  };
  if (invoice.finalizedAt === null) return null;
  const here = location.href;
  return (
    <div className="row">
      {FORMATS.map((format) => (
        <button key={format} type="button" className="button" onClick={() => take(format)}>
          <Download size={14} aria-hidden /> {format.toUpperCase()}
        </button>
      ))}
      {PAYABLE.includes(invoice.status) && may("payments:write") && (
        <button type="button" className="button primary" onClick={() => setIsPaying(true)}>
          <CreditCard size={14} aria-hidden /> Pay
        </button>
      )}
      {error !== null && <Problem error={error} />}
      {isPaying && (
        <CommandDialog
          title={`Pay ${invoice.number ?? "this invoice"}`}
          does={`Opens the page of the payment provider for ${amountText(invoice.amountDue, invoice.currency)}. This page follows when it is paid.`}
          verb="Go and pay"
          path="/payments/checkout"
          body={{ invoice_id: invoice.id, success_url: here, cancel_url: here }}
          onDone={(data) => location.assign(String(data["url"]))}
          onClose={() => setIsPaying(false)}
        />
      )}
    </div>
  );
}
