import { type FormEvent, type ReactNode, useState } from "react";
import icon from "../icon.svg";
import { Problem } from "../parts/problem";
import { SecondFactorSetup } from "./second-factor-setup";
import { giveCode, type LoginStep, logIn, useKey as signInWithKey, useSession } from "./session";
import { SingleSignOn } from "./single-sign-on";

type Way = "password" | "sso" | "key";
const WAYS: Record<Way, string> = { password: "Password", sso: "Single sign-on", key: "API key" };

export function SignIn() {
  const session = useSession();
  const left = session.state === "out" ? session : undefined;
  // A link that names the tenant is for who signs in at its provider.
  const isLinked = new URLSearchParams(location.search).has("tenant");
  const [way, setWay] = useState<Way>(isLinked || left?.error !== undefined ? "sso" : "password");
  return (
    <main className="sign-in">
      <div className="card">
        <Form key={way} way={way} onWay={setWay} left={left} />
      </div>
    </main>
  );
}

/** left: what a login elsewhere left to be done here. */
function Form({
  way,
  onWay,
  left,
}: {
  way: Way;
  onWay: (way: Way) => void;
  left: { step?: LoginStep; error?: unknown } | undefined;
}) {
  const [next, setNext] = useState<LoginStep>(left?.step ?? { step: "done" });
  const [error, setError] = useState<unknown>(left?.error ?? null);
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

  if (next.step === "setup") {
    return (
      <Ways way={way}>
        <SecondFactorSetup token={next.token} />
      </Ways>
    );
  }
  if (way === "sso" && next.step === "done") {
    return (
      <Ways way={way} onWay={onWay}>
        {error !== null && <Problem error={error} />}
        <SingleSignOn />
      </Ways>
    );
  }
  return (
    <Ways way={way} onWay={onWay}>
    <form onSubmit={(event) => void submit(event)}>
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
    </Ways>
  );
}

function Ways({
  way,
  onWay,
  children,
}: {
  way: Way;
  /** Left out once there is only one way on. */
  onWay?: (way: Way) => void;
  children: ReactNode;
}) {
  return (
    <div className="ways">
      <h1 className="brand">
        <img src={icon} alt="" /> AgentLedger
      </h1>
      {onWay && (
        <div className="segmented" role="group" aria-label="How to sign in">
          {(Object.keys(WAYS) as Way[]).map((one) => (
            <button key={one} type="button" aria-pressed={way === one} onClick={() => onWay(one)}>
              {WAYS[one]}
            </button>
          ))}
        </div>
      )}
      {children}
    </div>
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
