import { TriangleAlert } from "lucide-react";
import { problemFrom } from "../api/problem";
import { CopyId } from "./copy-id";

/** What went wrong, in the server's words, with the id under which its log has more. */
export function Problem({ error, again }: { error: unknown; again?: () => void }) {
  const problem = problemFrom(error);
  return (
    <div className="problem" role="alert">
      <TriangleAlert size={18} aria-hidden />
      <div className="stack-small">
        <div>
          <strong>{problem.detail}</strong>
          {problem.code && <span className="muted small"> ({problem.code})</span>}
        </div>
        {problem.errors && problem.errors.length > 0 && (
          <ul className="small">
            {problem.errors.map((one) => (
              <li key={`${one.path} ${one.code}`}>
                <code>{one.path}</code>: {one.message}
              </li>
            ))}
          </ul>
        )}
        {problem.request_id && (
          <div className="small">
            Request <CopyId id={problem.request_id} isFull />
          </div>
        )}
        {again && (
          <div>
            <button type="button" className="button" onClick={again}>
              Try again
            </button>
          </div>
        )}
      </div>
    </div>
  );
}
