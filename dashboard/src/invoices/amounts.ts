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

/** `12.5` of `EUR` as `12.50 EUR`; of `JPY`, which has no smaller unit, `12 JPY` stays. */
export function amountText(amount: string | null, currency: string | null): string {
  if (amount === null) return "–";
  const text = amount.includes(".") ? moneyText(amount, "") : amount.replace("-", "−");
  return `${text} ${currency ?? ""}`.trim();
}
