import { Inbox } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { Card } from "./card";
import { CopyButton } from "./copy-id";

/** Nothing is here yet: what would be, and what puts it here. action: a press that does; command: one
 * for a terminal.
 */
export function Empty({
  title,
  children,
  action,
  command,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  command?: string;
}) {
  return (
    <div className="empty">
      <Inbox size={28} aria-hidden />
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
      {command && <Command text={command} />}
    </div>
  );
}

/** An address that leads to nothing, and the way back from it. */
export function NotFound({
  what,
  why = "It may be of another tenant, or it was deleted.",
  up,
}: {
  what: string;
  why?: string;
  up: { to: string; label: string };
}) {
  return (
    <Card>
      <Empty
        title={`There is no such ${what}`}
        action={
          <Link className="button" href={up.to}>
            {up.label}
          </Link>
        }
      >
        {why}
      </Empty>
    </Card>
  );
}

export function Command({ text }: { text: string }) {
  return (
    <div className="command">
      <pre tabIndex={0}>{text}</pre>
      <span className="id">
        <CopyButton text={text} label="command" />
      </span>
    </div>
  );
}
