import { type FormEvent, useEffect, useState } from "react";
import { Command } from "../parts/empty";
import { Problem } from "../parts/problem";
import { beginSetup, finishSetup, type Setup, type SetupDone } from "./session";

/** The second factor that the tenant asks for, before anything else; token: of the login. */
export function SecondFactorSetup({ token }: { token: string }) {
  const [made, setMade] = useState<Setup | null>(null);
  const [done, setDone] = useState<SetupDone | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    beginSetup(token).then(setMade, setError);
  }, [token]);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const code = String(new FormData(event.currentTarget).get("code") ?? "").trim();
    setError(null);
    finishSetup(token, code).then(setDone, setError);
  };
  if (done !== null) {
    return (
      <form
        onSubmit={(event) => {
          event.preventDefault();
          done.enter();
        }}
      >
        <p>
          Keep these recovery codes: each counts once, instead of a code of your authenticator, and
          they are not shown again.
        </p>
        <Command text={done.codes.join("\n")} />
        <button type="submit" className="button primary">
          I have kept them
        </button>
      </form>
    );
  }
  return (
    <form onSubmit={submit}>
      <p>Your tenant asks for a second factor. Add this to an authenticator:</p>
      {made && (
        <>
          <Command text={made.secret} />
          <a href={made.uri}>Open it in an app on this device</a>
        </>
      )}
      <label className="field">
        <span>Code that it shows</span>
        <input className="input" name="code" required inputMode="numeric" autoComplete="one-time-code" />
      </label>
      {error !== null && <Problem error={error} />}
      <button type="submit" className="button primary" disabled={made === null}>
        Confirm
      </button>
    </form>
  );
}
