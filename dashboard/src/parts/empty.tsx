import { Inbox } from "lucide-react";
import type { ReactNode } from "react";
import { CopyButton } from "./copy-id";

/** Nothing is here yet: what would be, and the command that puts it here. */
export function Empty({
  title,
  children,
  command,
}: {
  title: string;
  children?: ReactNode;
  command?: string;
}) {
  return (
    <div className="empty">
      <Inbox size={28} aria-hidden />
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {command && <Command text={command} />}
    </div>
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
