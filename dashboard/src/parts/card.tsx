import { type ReactNode, useId } from "react";

export function Card({
  title,
  actions,
  children,
  className = "",
  isBare = false,
}: {
  title?: string;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
  isBare?: boolean;
}) {
  const id = useId();
  return (
    <section className={`card ${className}`.trim()} aria-labelledby={title ? id : undefined}>
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
