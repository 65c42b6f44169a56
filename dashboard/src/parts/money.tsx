import { rounded } from "./decimal";

/** Money is a decimal text and stays one: no float ever holds an amount. */

/** `0.00001234` as `$0.00001234`, `12.5` as `$12.50`: all that is there, at least two digits. */
export function moneyText(amount: string, symbol = "$"): string {
  const [whole = "0", fraction = ""] = amount.replace(/^-/, "").split(".");
  const digits = fraction.replace(/0+$/, "").padEnd(2, "0");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return `${amount.startsWith("-") ? "−" : ""}${symbol}${grouped}.${digits}`;
}

/** hasUnpriced: the amount is a lower bound. isShort: to the cent, or what is less than one to four
 * digits. digits: so many after the point, so that those of a column stand below each other. All of
 * it on hover.
 */
export function Money({
  usd,
  hasUnpriced = false,
  isShort = false,
  digits,
}: {
  usd: string;
  hasUnpriced?: boolean;
  isShort?: boolean;
  digits?: number;
}) {
  const text =
    digits !== undefined ? fixedText(usd, digits) : moneyText(isShort ? shortened(usd) : usd);
  return (
    <span className="number nowrap" title={moneyText(usd)}>
      {hasUnpriced && (
        <>
          <abbr title="A lower bound: the price of some of it is not known." className="muted">
            ≥
          </abbr>{" "}
        </>
      )}
      {text}
    </span>
  );
}

/** Of what is too small to be seen so, that it is more than nothing. */
export function fixedText(usd: string, digits: number): string {
  const text = rounded(usd, digits);
  const isLost = /[1-9]/.test(usd) && !/[1-9]/.test(text);
  const shown = isLost ? `0.${"1".padStart(digits, "0")}` : text;
  const [whole = "0", fraction = ""] = shown.split(".");
  const fixed = `${moneyText(whole).split(".")[0]}.${fraction.slice(0, digits)}`;
  return isLost ? `<${fixed}` : fixed;
}

function shortened(usd: string): string {
  const [whole = "0", fraction = ""] = usd.split(".");
  const isLarge = !/^-?0*$/.test(whole);
  const zeros = fraction.length - fraction.replace(/^0+/, "").length;
  return rounded(usd, isLarge ? 2 : Math.max(zeros + 4, 2));
}

const COUNT = new Intl.NumberFormat("en");
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function countText(count: number): string {
  return COUNT.format(count);
}
export function compactText(count: number): string {
  return count < 10_000 ? COUNT.format(count) : COMPACT.format(count);
}
