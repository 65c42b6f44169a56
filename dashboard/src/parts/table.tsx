import { ChevronLeft, ChevronRight } from "lucide-react";
import { type MouseEvent, type ReactNode, useState } from "react";
import { useLocation } from "wouter";
import { useParam } from "./url";

export interface Column<Row> {
  head: string;
  cell: (row: Row) => ReactNode;
  className?: "right" | "wide";
}
export interface PageOfRows {
  hasNextPage: boolean;
  endCursor: string | null;
}

/** Rows of a server's page. `to` makes a row lead somewhere; its first cell should be that link too,
 * for the keyboard.
 */
export function Table<Row>({
  label,
  columns,
  rows,
  keyOf,
  to,
  isStale = false,
}: {
  label: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  to?: (row: Row) => string;
  isStale?: boolean;
}) {
  const [, navigate] = useLocation();
  const open = (event: MouseEvent, row: Row) => {
    const isOnControl = (event.target as Element).closest("a, button, input, select") !== null;
    if (to && !isOnControl && getSelection()?.isCollapsed !== false) navigate(to(row));
  };
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label={label}>
      <table className={isStale ? "table stale" : "table"}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.head} scope="col" className={column.className}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr
              key={keyOf(row)}
              className={to ? "is-link" : undefined}
              onClick={(event) => open(event, row)}
            >
              {columns.map((column) => (
                <td key={column.head} className={column.className} data-head={column.head}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export const PAGE_SIZE = 50;

/** The cursor in the address (`?after=`), and what turns pages. The server knows only forwards, so
 * backwards goes over the cursors that led here.
 */
export function usePages(): { after: string | null; pager: (page: PageOfRows) => ReactNode } {
  const [after, setAfter] = useParam("after");
  const [trail, setTrail] = useState<string[]>([]);
  // Where all is on one page there is nothing to turn.
  const pager = (page: PageOfRows) => after === "" && !page.hasNextPage ? null : (
    <nav className="table-foot" aria-label="Turn pages">
      <span className="grow">
        {after === "" ? "Newest first" : "Older"} · {PAGE_SIZE} a page
      </span>
      {after !== "" && (
        <button
          type="button"
          className="button quiet"
          onClick={() => {
            setAfter(trail.at(-1) ?? "");
            setTrail(trail.slice(0, -1));
          }}
        >
          <ChevronLeft size={14} aria-hidden /> Newer
        </button>
      )}
      <button
        type="button"
        className="button quiet"
        disabled={!page.hasNextPage || page.endCursor === null}
        onClick={() => {
          setTrail([...trail, after]);
          setAfter(page.endCursor ?? "");
        }}
      >
        Older <ChevronRight size={14} aria-hidden />
      </button>
    </nav>
  );
  return { after: after === "" ? null : after, pager };
}
