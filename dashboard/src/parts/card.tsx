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

/** height: in pixels, of what comes, where the style sheet cannot know. */
export function Skeleton({ label = "Loading", height }: { label?: string; height?: number }) {
  return (
    <div className="skeleton" role="status" style={height ? { minHeight: height } : undefined}>
      <span className="visually-hidden">{label}</span>
    </div>
  );
}
