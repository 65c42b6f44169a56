import { moneyText } from "../parts/money";
import type { Tone } from "../parts/state-pill";

export const PILLS: Record<string, Tone> = {
  gathering: "live",
  draft: "wait",
  finalized: "wait",
  issued: "wait",
  paid: "good",
  past_due: "bad",
  uncollectible: "bad",
  void: "idle",
};

/** Of which something may be owed. */
const OPEN: readonly string[] = ["finalized", "issued", "past_due", "uncollectible"];

/** What is still to pay; null where nothing is: paid, void, or not finalised. */
export function leftOf(invoice: { status: string; amountDue: string | null }): string | null {
  return OPEN.includes(invoice.status) ? invoice.amountDue : null;
}

/** The days that it is for, in its own time zone; the end is exclusive. */
export function periodText(start: string, end: string, timeZone: string): string {
  const days = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone });
  const last = new Date(new Date(end).getTime() - 1);
  return `${days.format(new Date(start))} – ${days.format(last)}`;
}

/** `12.5` of `EUR` as `12.50 EUR`; of `JPY`, which has no smaller unit, `12 JPY` stays. */
export function amountText(amount: string | null, currency: string | null): string {
  if (amount === null) return "–";
  const text = amount.includes(".") ? moneyText(amount, "") : amount.replace("-", "−");
  return `${text} ${currency ?? ""}`.trim();
}
