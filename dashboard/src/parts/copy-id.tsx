import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";

const SHOWN_MS = 1_500;

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [isCopied, setIsCopied] = useState(false);
  return (
    <button
      type="button"
      aria-label={isCopied ? "Copied" : `Copy ${label}`}
      title={`Copy ${label}`}
      onClick={(event) => {
        event.stopPropagation();
        void copy(text).then(() => {
          setIsCopied(true);
          setTimeout(() => setIsCopied(false), SHOWN_MS);
        });
      }}
    >
      {isCopied ? <Check size={13} aria-hidden /> : <Copy size={13} aria-hidden />}
    </button>
  );
}

/** The clipboard of browsers is only there where the page came encrypted. */
async function copy(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

/** The end of an id tells more than its beginning, which is a time. All of it is copied. */
export function CopyId({ id, to, isFull = false }: { id: string; to?: string; isFull?: boolean }) {
  const text = isFull ? id : `…${id.slice(-8)}`;
  return (
    <span className="id" title={id}>
      {to ? <Link href={to}>{text}</Link> : <span>{text}</span>}
      <CopyButton text={id} label="id" />
    </span>
  );
}
