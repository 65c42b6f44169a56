import { CopyButton } from "../parts/copy-id";
import { Dialog } from "../parts/dialog";

/** Where requests begin runs; told once. path: as the API says it. */
export function Address({ path, onClose }: { path: string; onClose: () => void }) {
  const address = location.origin + path;
  return (
    <Dialog title="Its webhook" onClose={onClose}>
      <p className="muted">
        Whoever knows this address can begin runs with it. It is not shown again; another one is made by
        rotating it.
      </p>
      <div className="command">
        <pre tabIndex={0} aria-label="Address of the webhook">
          {address}
        </pre>
        <span className="id">
          <CopyButton text={address} label="address" />
        </span>
      </div>
      <div className="buttons">
        <button type="button" className="button primary" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
