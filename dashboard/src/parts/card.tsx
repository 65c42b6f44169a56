import { type ReactNode, useId } from "react";

export function Card({
  title,
  actions,
  children,
  isBare = false,
}: {
  title?: string;
  actions?: ReactNode;
  children: ReactNode;
  isBare?: boolean;
}) {
  const id = useId();
  return (
    <section className="card" aria-labelledby={title ? id : undefined}>
      {title && (
        <header className="card-head">
          <h2 id={id}>{title}</h2>
          {actions}
        </header>
      )}
      {isBare ? children : <div className="card-body">{children}</div>}
    </section>
  );
}

export function Skeleton({ label = "Loading" }: { label?: string }) {
  return (
    <div className="skeleton" role="status">
      <span className="visually-hidden">{label}</span>
    </div>
  );
}
