import { Fragment } from "react";
import { CopyButton } from "./copy-id";

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
/** What is longer is shown as it is: colours are not worth a second of waiting. */
const COLOURED_MAX = 20_000;

export function Json({ value, label }: { value: unknown; label: string }) {
  if (value === null || value === undefined) return <span className="muted">none</span>;
  const text = JSON.stringify(value, null, 2);
  return (
    <div className="json-box">
      <pre className="json" tabIndex={0} aria-label={label}>
        {text.length > COLOURED_MAX ? text : coloured(text)}
      </pre>
      <span className="id">
        <CopyButton text={text} label={label} />
      </span>
    </div>
  );
}

function coloured(text: string) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(TOKEN)) {
    const [all, quoted, colon, literal] = found;
    parts.push(text.slice(end, found.index));
    const kind = quoted ? (colon ? "key" : "string") : literal ? "literal" : "number";
    parts.push(
      <Fragment key={found.index}>
        <span className={`json-${kind}`}>{quoted ?? all}</span>
        {colon}
      </Fragment>,
    );
    end = found.index + all.length;
  }
  parts.push(text.slice(end));
  return parts;
}
