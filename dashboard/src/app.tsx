import { LogOut, Monitor, Moon, Sun } from "lucide-react";
import { Component, type ReactNode, Suspense, useEffect, useMemo, useRef } from "react";
import { Provider } from "urql";
import { Link, Route, Router, Switch, useLocation } from "wouter";
import { newClient } from "./api/graphql";
import { disconnect, useIsCutOff } from "./api/live";
import icon from "./icon.svg";
import { type PageEntry, PAGES } from "./pages/catalogue";
import { Skeleton } from "./parts/card";
import { NotFound } from "./parts/empty";
import { Page } from "./parts/page";
import { Problem } from "./parts/problem";
import { useMay, useMe } from "./session/permissions";
import { signOut, useSession } from "./session/session";
import { SignIn } from "./session/sign-in";
import { setTheme, type Theme, useTheme } from "./theme";

export function App() {
  const session = useSession();
  const who = session.state === "in" ? (session.user?.id ?? "key") : null;
  // What one person has read is forgotten when another one comes.
  const client = useMemo(() => (who === null ? null : newClient()), [who]);
  useEffect(() => disconnect, [who]);
  if (session.state === "starting") return null;
  if (client === null) return <SignIn />;
  return (
    <Provider value={client}>
      <Router base="/dashboard">
        <Shell />
      </Router>
    </Provider>
  );
}

function Shell() {
  const main = useRef<HTMLElement>(null);
  const isCutOff = useIsCutOff();
  return (
    <div className="shell">
      <a
        href="#main"
        className="skip"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the page
      </a>
      <Navigation />
      <main id="main" ref={main} tabIndex={-1} className="main">
        <Boundary>
          <Suspense fallback={<div className="page"><Skeleton /></div>}>
            <Switch>
              {PAGES.map(({ path, Page }) => (
                <Route key={path} path={path} component={Page} />
              ))}
              <Route>
                <Page title="Not found">
                  <NotFound
                    what="page"
                    why="Its address may be mistyped."
                    up={{ to: "/", label: "Go to the overview" }}
                  />
                </Page>
              </Route>
            </Switch>
          </Suspense>
        </Boundary>
      </main>
      <div role="status">
        {isCutOff && <div className="connection">Connection lost: trying again …</div>}
      </div>
    </div>
  );
}

function Navigation() {
  const [location] = useLocation();
  const session = useSession();
  const me = useMe();
  const may = useMay();
  const email = session.state === "in" ? session.user?.email : "";
  const name = email ?? (me ? `API key …${me.me.actor.slice(-8)}` : "API key");
  return (
    <nav className="nav" aria-label="Main">
      <Link href="/" className="brand" aria-label="AgentLedger">
        <img src={icon} alt="" />
        <span>AgentLedger</span>
      </Link>
      <div className="nav-links">
        {PAGES.map(({ path, nav }) => {
          if (nav === undefined || (nav.scope !== undefined && !may(nav.scope))) return null;
          const isHere = path === "/" ? location === "/" : location.startsWith(path);
          return <NavLink key={path} path={path} nav={nav} isHere={isHere} />;
        })}
      </div>
      <div className="nav-foot">
        <div className="who">
          <strong title={me?.tenant.id}>{me?.tenant.name ?? "…"}</strong>
          <span className="muted" title={name}>
            {name}
          </span>
        </div>
        <div className="row">
          <ThemeSwitch />
          <button
            type="button"
            className="button quiet icon"
            aria-label="Sign out"
            title="Sign out"
            onClick={() => void signOut()}
          >
            <LogOut size={16} aria-hidden />
          </button>
        </div>
      </div>
    </nav>
  );
}

function NavLink({
  path,
  nav,
  isHere,
}: {
  path: string;
  nav: NonNullable<PageEntry["nav"]>;
  isHere: boolean;
}) {
  const link = useRef<HTMLAnchorElement>(null);
  const me = useMe();
  // On a phone the links are one row that scrolls: where one is, is in sight, also once it is known
  // which others there are.
  useEffect(() => {
    if (isHere) link.current?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [isHere, me]);
  return (
    <Link
      ref={link}
      href={path}
      className="nav-link"
      aria-current={isHere ? "page" : undefined}
    >
      <nav.icon size={16} aria-hidden />
      {nav.label}
      {nav.useCount && <NavCount of={nav.useCount} />}
    </Link>
  );
}

/** of: the same hook for as long as the link is there. */
function NavCount({ of: useCount }: { of: () => string }) {
  const count = useCount();
  if (count === "") return null;
  return (
    <span className="count">
      {count}
      <span className="visually-hidden"> waiting</span>
    </span>
  );
}

const THEMES: Record<Theme, { next: Theme; icon: typeof Sun; label: string }> = {
  system: { next: "light", icon: Monitor, label: "Colours of the system" },
  light: { next: "dark", icon: Sun, label: "Light" },
  dark: { next: "system", icon: Moon, label: "Dark" },
};

function ThemeSwitch() {
  const { next, icon: Icon, label } = THEMES[useTheme()];
  const hint = `${label}; switch to ${THEMES[next].label.toLowerCase()}`;
  return (
    <button
      type="button"
      className="button quiet icon"
      aria-label={hint}
      title={hint}
      onClick={() => setTheme(next)}
    >
      <Icon size={16} aria-hidden />
    </button>
  );
}

/** A page that breaks leaves the navigation; the next page begins anew. */
class Boundary extends Component<{ children: ReactNode }, { error: unknown; at: string }> {
  override state = { error: null as unknown, at: "" };
  static getDerivedStateFromError(error: unknown) {
    return { error, at: location.pathname };
  }
  override render() {
    if (this.state.error === null || this.state.at !== location.pathname) return this.props.children;
    return (
      <div className="page">
        <Problem error={this.state.error} again={() => this.setState({ error: null })} />
      </div>
    );
  }
}
