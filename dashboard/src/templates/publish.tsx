import { useState } from "react";
import { CommandDialog } from "../parts/command-dialog";

/** A public workflow is a template: offered to everybody in the tenant, or withdrawn. */
export function Publish({
  id,
  name,
  isPublic,
  again,
}: {
  id: string;
  name: string;
  isPublic: boolean;
  again: () => void;
}) {
  const [isAsked, setIsAsked] = useState(false);
  const does = isPublic
    ? "It is no template any more: only who made it, and whom it is shared with, sees and runs it. Copies of it stay."
    : "Everybody in the tenant sees it with its definition and the runs that its owner began, runs it, and copies it from the templates. Its name and description say what it is about.";
  return (
    <>
      <button type="button" className="button" onClick={() => setIsAsked(true)}>
        {isPublic ? "Withdraw template" : "Offer as template"}
      </button>
      {isAsked && (
        <CommandDialog
          title={isPublic ? `Withdraw ${name}` : `Offer ${name}`}
          does={does}
          verb={isPublic ? "Withdraw it" : "Offer it"}
          isDanger={isPublic}
          method="PATCH"
          path={`/workflows/${id}`}
          body={{ is_public: !isPublic }}
          onDone={again}
          onClose={() => setIsAsked(false)}
        />
      )}
    </>
  );
}
