/** Dark or light: as the system says, until somebody says otherwise here. */
import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";
const KEPT = "agentledger.theme";
const listeners = new Set<() => void>();
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

let theme: Theme = "system";
setTheme((localStorage.getItem(KEPT) as Theme | null) ?? "system");
prefersDark.addEventListener("change", tellAll);

export function setTheme(next: Theme): void {
  theme = next;
  if (next === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem(KEPT);
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem(KEPT, next);
  }
  tellAll();
}

function tellAll(): void {
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
  return useSyncExternalStore(
    subscribe,
    () => theme === "dark" || (theme === "system" && prefersDark.matches),
  );
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
