import { Play } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import { command } from "../api/rest";
import { useMay } from "../session/permissions";
import { Dialog } from "./dialog";
import { Empty } from "./empty";
import { Problem } from "./problem";

const ANSWER =
  "A durable run goes on where it stopped. Each step is an event before anything else depends on it, " +
  "so a process may end at any moment: another one reads the events and carries on. What was paid for " +
  "is not asked again, and what was promised to wait is still waiting.";
const NODES = [
  { id: "start", type: "start" },
  {
    id: "answer",
    type: "llm",
    config: {
      model: "offline/script",
      prompt: "{{ input.question }}",
      parameters: { stream: true, script: [{ text: ANSWER, word_delay_s: 0.08 }] },
    },
  },
  {
    id: "is_long",
    type: "condition",
    config: { expression: "size(nodes.answer.output.text) > 100" },
  },
  { id: "long", type: "set", config: { values: { length: "long" } } },
  { id: "short", type: "set", config: { values: { length: "short" } } },
  {
    id: "end",
    type: "end",
    config: { output: { question: "{{ input.question }}", answer: "{{ nodes.answer.output.text }}" } },
  },
];
const EDGES = [
  { from: "start", to: "answer" },
  { from: "answer", to: "is_long" },
  { from: "is_long", to: "long", port: "true" },
  { from: "is_long", to: "short", port: "false" },
  { from: "long", to: "end" },
  { from: "short", to: "end" },
];
const EXAMPLE = { name: "Example", definition: { nodes: NODES, edges: EDGES } };
const INPUT = { question: "What is a durable run?" };
const SCOPES = ["workflows:write", "workflows:execute"];

/** What a page shows to whoever has run nothing: how to begin, without a provider and a terminal. */
export function NothingRan() {
  const may = useMay();
  const [isAsked, setIsAsked] = useState(false);
  const mayRun = SCOPES.every(may);
  return (
    <>
      <Empty
        title="Nothing has run yet"
        command="make demo"
        action={
          mayRun && (
            <>
              <button type="button" className="button primary" onClick={() => setIsAsked(true)}>
                <Play size={14} aria-hidden /> Run an example
              </button>
              <p>On the demo tenant, two agents and a retry, from a terminal:</p>
            </>
          )
        }
      >
        {mayRun
          ? "An example needs no provider, and shows its answer here while it is given."
          : "What runs shows here. On the demo tenant, from a terminal:"}
      </Empty>
      {isAsked && <Asked onClose={() => setIsAsked(false)} />}
    </>
  );
}

function Asked({ onClose }: { onClose: () => void }) {
  const [, navigate] = useLocation();
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);
  const run = async () => {
    setIsBusy(true);
    setError(null);
    try {
      const made = await command("POST", "/workflows", EXAMPLE);
      const begun = await command("POST", `/workflows/${String(made.workflow_id)}/execute`, {
        input: INPUT,
      });
      navigate(`/executions/${String(begun.execution_id)}`);
    } catch (reason) {
      setError(reason);
      setIsBusy(false);
    }
  };
  return (
    <Dialog title="Run an example" onClose={onClose}>
      <p className="muted">
        Makes a workflow named “{EXAMPLE.name}” and runs it once. Its model is a script that asks nobody.
      </p>
      {error !== null && <Problem error={error} />}
      <div className="buttons">
        <button type="button" className="button" onClick={onClose}>
          Leave it
        </button>
        <button
          type="button"
          className="button primary"
          disabled={isBusy}
          onClick={() => void run()}
        >
          Make it and run it
        </button>
      </div>
    </Dialog>
  );
}
