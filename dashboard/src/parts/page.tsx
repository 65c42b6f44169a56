import { type ReactNode, useEffect } from "react";
import { Link } from "wouter";

/** The head of every page, and its name in the browser. */
export function Page({
  title,
  heading,
  up,
  actions,
  children,
}: {
  title: string;
  /** Instead of the title, where that is not all. */
  heading?: ReactNode;
  up?: { to: string; label: string };
  actions?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · AgentLedger`;
  }, [title]);
  return (
    <div className="page">
      <header className="page-head">
        <div className="grow">
          {up && (
            <div className="crumbs">
              <Link href={up.to}>{up.label}</Link> /
            </div>
          )}
          <h1>{heading ?? title}</h1>
        </div>
        {actions}
      </header>
      {children}
    </div>
  );
}
