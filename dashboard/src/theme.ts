/** Dark or light: as the system says, until somebody says otherwise here. */
import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";
const KEPT = "agentledger.theme";
const listeners = new Set<() => void>();
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

let theme: Theme = "system";
setTheme((localStorage.getItem(KEPT) as Theme | null) ?? "system");
prefersDark.addEventListener("change", apply);

export function setTheme(next: Theme): void {
  theme = next;
  if (next === "system") localStorage.removeItem(KEPT);
  else localStorage.setItem(KEPT, next);
  apply();
}

function isDark(): boolean {
  return theme === "dark" || (theme === "system" && prefersDark.matches);
}

/** tokens.css goes by it. */
function apply(): void {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  for (const tell of listeners) tell();
}

function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, () => theme);
}

export function useIsDark(): boolean {
  return useSyncExternalStore(subscribe, isDark);
}

/** The colour that a custom property has now, for what is drawn on a canvas. */
export function colorOf(token: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}
