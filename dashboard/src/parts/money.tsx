import { rounded } from "./decimal";

/** Money is a decimal text and stays one: no float ever holds an amount. */

/** `0.00001234` as `$0.00001234`, `12.5` as `$12.50`: all that is there, at least two digits. */
export function moneyText(amount: string, symbol = "$"): string {
  const [whole = "0", fraction = ""] = amount.replace(/^-/, "").split(".");
  const digits = fraction.replace(/0+$/, "").padEnd(2, "0");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return `${amount.startsWith("-") ? "−" : ""}${symbol}${grouped}.${digits}`;
}

/** hasUnpriced: the amount is a lower bound. provisionalUsd: so much of it is an upper one. isShort:
 * to the cent, or what is less than one to four digits. digits: so many after the point, so that those
 * of a column stand below each other. All of it on hover.
 */
export function Money({
  usd,
  hasUnpriced = false,
  provisionalUsd = "0",
  isShort = false,
  digits,
}: {
  usd: string;
  hasUnpriced?: boolean;
  provisionalUsd?: string;
  isShort?: boolean;
  digits?: number;
}) {
  const bound = boundOf(hasUnpriced, provisionalUsd);
  // What is less than can be seen is so with an upper bound too; of a lower one nothing is seen.
  const isBelow = digits !== undefined && isLost(usd, digits) && !hasUnpriced;
  const sign = isBelow ? "<" : bound?.sign;
  return (
    <span className="number nowrap" title={moneyText(usd)}>
      {bound && (
        <>
          <abbr title={bound.why} className="muted">
            {sign}
          </abbr>
          {!isBelow && " "}
        </>
      )}
      {!bound && isBelow && sign}
      {digits === undefined ? (isShort ? shortText(usd) : moneyText(usd)) : fixedText(usd, digits, isBelow)}
    </span>
  );
}

const UNPRICED = "the price of some of it is not known";

function boundOf(hasUnpriced: boolean, provisionalUsd: string) {
  const provisional = `${moneyText(provisionalUsd)} of it has a price over a period, and is counted at the dearest tier; the invoice tells what it comes to`;
  if (!/[1-9]/.test(provisionalUsd)) {
    return hasUnpriced ? { sign: "≥", why: `A lower bound: ${UNPRICED}.` } : null;
  }
  return hasUnpriced
    ? { sign: "≈", why: `${UNPRICED}; ${provisional}.` }
    : { sign: "≤", why: `At most: ${provisional}.` };
}

/** Is more than nothing, and less than so many digits show. */
export function isLost(usd: string, digits: number): boolean {
  return /[1-9]/.test(usd) && !/[1-9]/.test(rounded(usd, digits));
}

function fixedText(usd: string, digits: number, isBelow: boolean): string {
  const text = isBelow ? `0.${"1".padStart(digits, "0")}` : rounded(usd, digits);
  if (!/[1-9]/.test(text)) return moneyText("0");
  const [whole = "0", fraction = ""] = text.split(".");
  return `${moneyText(whole).split(".")[0]}.${fraction.slice(0, digits)}`;
}

/** To the cent; of hundreds of thousands nobody reads the cents, of tens of millions the dollars. */
function shortText(usd: string): string {
  const [whole = "0", fraction = ""] = usd.split(".");
  const size = whole.replace("-", "").length;
  if (size > 7) return compactMoney(Number(whole));
  if (size > 5) return moneyText(rounded(usd, 0)).slice(0, -".00".length);
  const isLarge = !/^-?0*$/.test(whole);
  const zeros = fraction.length - fraction.replace(/^0+/, "").length;
  return moneyText(rounded(usd, isLarge ? 2 : Math.max(zeros + 4, 2)));
}

/** Of a chart, which is drawn with floats; the exact amounts are in the tables. */
export function chartMoney(usd: number): string {
  return moneyText(usd === 0 ? "0" : usd.toFixed(Math.abs(usd) < 0.01 ? 8 : 2));
}

/** Of the axis of a chart: as short as can be read. */
export function axisMoney(usd: number): string {
  return Math.abs(usd) < 10_000 ? chartMoney(usd) : compactMoney(usd);
}

function compactMoney(usd: number): string {
  return `${usd < 0 ? "−" : ""}$${COMPACT.format(Math.abs(usd))}`;
}

const COUNT = new Intl.NumberFormat("en");
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function countText(count: number): string {
  return COUNT.format(count);
}
export function compactText(count: number): string {
  return count < 10_000 ? COUNT.format(count) : COMPACT.format(count);
}
