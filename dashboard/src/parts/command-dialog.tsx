import { type FormEvent, type ReactNode, useState } from "react";
import { command } from "../api/rest";
import { Dialog } from "./dialog";
import { Problem } from "./problem";

/** Something that will be done: what it does, in a sentence, and what it needs to know. */
export function CommandDialog({
  title,
  does,
  verb,
  isDanger = false,
  method = "POST",
  path,
  body,
  onDone,
  onClose,
  children,
}: {
  title: string;
  does: string;
  verb: string;
  isDanger?: boolean;
  method?: "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  /** undefined: it is not complete yet; null: there is none. */
  body: unknown;
  onDone: (data: Record<string, unknown>) => void;
  onClose: () => void;
  children?: ReactNode;
}) {
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setIsBusy(true);
    setError(null);
    try {
      onDone(await command(method, path, body ?? undefined));
      onClose();
    } catch (reason) {
      setError(reason);
      setIsBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <p className="muted">{does}</p>
      <form className="plain" onSubmit={(event) => void submit(event)}>
        {children}
        {error !== null && <Problem error={error} />}
        <div className="buttons">
          <button type="button" className="button" onClick={onClose}>
            Leave it
          </button>
          <button
            type="submit"
            className={isDanger ? "button danger" : "button primary"}
            disabled={isBusy || body === undefined}
          >
            {verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
