import { Entries } from "../audit/entries";
import { Events } from "../audit/events";
import { Page } from "../parts/page";
import { TimeRange, useRange } from "../parts/time-range";
import { useParam } from "../parts/url";
import { useMay } from "../session/permissions";

/** What was recorded, and who asked for what. */
export default function Audit() {
  const may = useMay();
  const [range, setRange] = useRange();
  const [shown, setShown] = useParam("show", ["after"]);
  const showsAccess = shown === "access" && may("audit:read");
  return (
    <Page title="Audit" actions={<TimeRange value={range} onChange={setRange} />}>
      {may("audit:read") && (
        <div>
          <div className="segmented" role="group" aria-label="Show">
            <button type="button" aria-pressed={!showsAccess} onClick={() => setShown("")}>
              Events
            </button>
            <button type="button" aria-pressed={showsAccess} onClick={() => setShown("access")}>
              Access
            </button>
          </div>
        </div>
      )}
      {showsAccess ? <Entries range={range} /> : <Events range={range} />}
    </Page>
  );
}
