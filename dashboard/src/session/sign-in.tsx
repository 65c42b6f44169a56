import { type FormEvent, useState } from "react";
import icon from "../icon.svg";
import { Problem } from "../parts/problem";
import { giveCode, type LoginStep, logIn, useKey as signInWithKey } from "./session";

type Way = "password" | "key";

export function SignIn() {
  const [way, setWay] = useState<Way>("password");
  return (
    <main className="sign-in">
      <div className="card">
        <Form key={way} way={way} onWay={setWay} />
      </div>
    </main>
  );
}

function Form({ way, onWay }: { way: Way; onWay: (way: Way) => void }) {
  const [next, setNext] = useState<LoginStep>({ step: "done" });
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const text = (name: string) => String(given.get(name) ?? "").trim();
    setIsBusy(true);
    setError(null);
    try {
      if (way === "key") await signInWithKey(text("key"));
      else if (next.step === "code") setNext(await giveCode(next.token, text("code")));
      else {
        // A password may begin or end with a space.
        const password = String(given.get("password") ?? "");
        setNext(await logIn(text("email"), password, text("tenant") || undefined));
      }
    } catch (reason) {
      setError(reason);
    } finally {
      setIsBusy(false);
    }
  };

  return (
    <form onSubmit={(event) => void submit(event)}>
      <h1 className="brand">
        <img src={icon} alt="" /> AgentLedger
      </h1>
      <div className="segmented" role="group" aria-label="How to sign in">
        <button type="button" aria-pressed={way === "password"} onClick={() => onWay("password")}>
          Password
        </button>
        <button type="button" aria-pressed={way === "key"} onClick={() => onWay("key")}>
          API key
        </button>
      </div>
      {way === "key" ? (
        <Field label="API key" name="key" type="password" autoComplete="off" autoFocus />
      ) : next.step === "code" ? (
        <Field label="Code of your authenticator, or a recovery code" name="code" autoFocus />
      ) : (
        <>
          <Field label="Email" name="email" type="email" autoComplete="username" autoFocus />
          <Field
            label="Password"
            name="password"
            type="password"
            autoComplete="current-password"
          />
        </>
      )}
      {next.step === "tenant" && (
        <label className="field">
          <span>You have accounts in several tenants</span>
          <select className="input" name="tenant">
            {next.ids.map((id) => (
              <option key={id}>{id}</option>
            ))}
          </select>
        </label>
      )}
      {next.step === "setup" && (
        <Problem
          error={new Error("Your tenant asks for a second factor: set one up through the API first.")}
        />
      )}
      {error !== null && <Problem error={error} />}
      <button type="submit" className="button primary" disabled={isBusy}>
        {isBusy ? "Signing in …" : "Sign in"}
      </button>
      <p className="muted">
        {way === "key"
          ? "`make up` prints the key of the demo tenant. It is kept until this tab is closed."
          : "You stay signed in on this device until you sign out."}
      </p>
    </form>
  );
}

function Field({
  label,
  ...input
}: { label: string; name: string } & React.ComponentProps<"input">) {
  return (
    <label className="field">
      <span>{label}</span>
      <input className="input" required {...input} />
    </label>
  );
}
