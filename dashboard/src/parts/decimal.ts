/** Sums of decimal texts, exact: scaled to whole numbers of any size. */
const SCALE = 18;

export function sumOf(amounts: readonly string[]): string {
  return textOf(amounts.reduce((sum, amount) => sum + scaled(amount), 0n));
}

/** Half away from zero, to so many digits after the point. */
export function rounded(amount: string, digits: number): string {
  const unit = 10n ** BigInt(Math.max(SCALE - digits, 0));
  const value = scaled(amount);
  const half = value < 0n ? -unit / 2n : unit / 2n;
  return textOf(((value + half) / unit) * unit);
}

/** The part that one amount is of another, for what is drawn; 0 where there is nothing to be part of. */
export function shareOf(part: string, whole: string): number {
  const all = scaled(whole);
  return all === 0n ? 0 : Number((scaled(part) * 10_000n) / all) / 10_000;
}

function scaled(amount: string): bigint {
  const [whole = "0", fraction = ""] = amount.replace(/^-/, "").split(".");
  const value = BigInt(whole + fraction.padEnd(SCALE, "0").slice(0, SCALE));
  return amount.startsWith("-") ? -value : value;
}

function textOf(value: bigint): string {
  const digits = (value < 0n ? -value : value).toString().padStart(SCALE + 1, "0");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -SCALE)}.${digits.slice(-SCALE)}`;
}
