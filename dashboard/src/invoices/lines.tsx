/** The lines of an invoice, or of one that is not finalised yet. */
import { Card } from "../parts/card";
import { Empty } from "../parts/empty";
import { Table } from "../parts/table";
import { amountText } from "./amounts";

interface Line {
  line: number;
  kind: string;
  description: string;
  quantity: string;
  unit: string;
  amount: string;
  taxPercent: string;
  tax: string;
  /** What its facts are found by; none are of a line that is not stored yet. */
  meter?: string | null;
}
/** Lines that are the sum of usage. */
const OF_USAGE = ["usage", "adjustment"];

export function Lines({
  lines,
  currency,
  nothing,
  shown = "",
  show,
}: {
  lines: readonly Line[];
  currency: string | null;
  /** Why there are none. */
  nothing: string;
  /** The line whose facts are open. */
  shown?: string;
  show?: (line: string) => void;
}) {
  return (
    <Card title="Lines" isBare>
      {lines.length === 0 ? (
        <Empty title="No lines">{nothing}</Empty>
      ) : (
        <Table
          label="Lines"
          rows={lines}
          keyOf={(row) => String(row.line)}
          columns={[
            { head: "No.", cell: (row) => row.line },
            {
              head: "What",
              className: "wide",
              cell: (row) =>
                show && row.meter && OF_USAGE.includes(row.kind) ? (
                  <button
                    type="button"
                    className="button link"
                    aria-expanded={shown === String(row.line)}
                    onClick={() => show(shown === String(row.line) ? "" : String(row.line))}
                  >
                    {row.description}
                  </button>
                ) : (
                  row.description
                ),
            },
            {
              head: "Quantity",
              className: "right",
              cell: (row) => <Quantity of={row.quantity} unit={row.unit} />,
            },
            { head: "Amount", className: "right", cell: (row) => amountText(row.amount, currency) },
            {
              head: "Tax",
              className: "right",
              cell: (row) => `${amountText(row.tax, currency)} (${row.taxPercent} %)`,
            },
          ]}
        />
      )}
    </Card>
  );
}

/** A fraction is shown as a decimal: exact it is on hover, and on the document. */
function Quantity({ of, unit }: { of: string; unit: string }) {
  const [above = "0", below] = of.split("/");
  const isExact = below === undefined;
  const amount = isExact ? Number(above) : Number(above) / Number(below);
  return (
    <span title={isExact ? undefined : `${of} ${unit}`}>
      {!isExact && "≈ "}
      {QUANTITY.format(amount).replace("-", "−")} {unit}
    </span>
  );
}
const QUANTITY = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
