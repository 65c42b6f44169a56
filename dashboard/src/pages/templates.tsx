import { Copy, Search } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useLocation } from "wouter";
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { definitionOf } from "../execution/definition";
import { Graph } from "../execution/graph";
import { Card, Skeleton } from "../parts/card";
import { CommandDialog } from "../parts/command-dialog";
import { CopyId } from "../parts/copy-id";
import { Empty } from "../parts/empty";
import { Json } from "../parts/json";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { type Column, Table } from "../parts/table";
import { useParam } from "../parts/url";
import { useMay } from "../session/permissions";
import { Publish } from "../templates/publish";

const TEMPLATE = graphql(`
  fragment Template on WorkflowTemplate @_unmask {
    id owner name description version definition
  }
`);
const TEMPLATES = graphql(
  `
    query Templates($first: Int!, $owner: TemplateOwner) {
      workflowTemplates(first: $first, owner: $owner) { ...Template }
    }
  `,
  [TEMPLATE],
);
const SIMILAR = graphql(
  `
    query Similar($text: String!, $first: Int!) {
      similarWorkflows(text: $text, first: $first) { score model template { ...Template } }
    }
  `,
  [TEMPLATE],
);
type Template = ResultOf<typeof TEMPLATE>;
interface Found {
  template: Template;
  score?: number;
}

const LISTED_MAX = 200;
const NEAREST_MAX = 20;
const TEXT_CHARACTERS_MAX = 2_000;
const OWNERS = { "": "Anybody", TENANT: "This tenant", PLATFORM: "The platform" };
const PUBLISH = `curl -sS -X PATCH "${location.origin}/api/v1/workflows/$WORKFLOW" -H "Authorization: Bearer $KEY" \\
  -H 'Content-Type: application/json' -d '{"is_public": true}'`;

export default function Templates() {
  const [text, setText] = useParam("text", ["template"]);
  const [owner, setOwner] = useParam("owner", ["template"]);
  const [selected, setSelected] = useParam("template");
  const isSearch = text !== "";
  const listed = useRead(
    TEMPLATES,
    { first: LISTED_MAX, owner: owner === "" ? null : (owner as Template["owner"]) },
    { pause: isSearch },
  );
  // A search may cost something: it is made when somebody asks, not whenever something happens.
  const similar = useRead(SIMILAR, { text, first: NEAREST_MAX }, { pause: !isSearch });
  useTenantChanges(() => isSearch || listed.again(), {
    isOf: (topic) => topic.startsWith("workflow."),
  });
  const { data, error, isLoading, again } = isSearch ? similar : listed;
  const rows: Found[] = isSearch
    ? (similar.data?.similarWorkflows ?? []).filter(
        (one) => owner === "" || one.template.owner === owner,
      )
    : (listed.data?.workflowTemplates ?? []).map((template) => ({ template }));
  const shown = rows.find((one) => one.template.id === selected)?.template ?? rows[0]?.template;
  const model = isSearch ? similar.data?.similarWorkflows[0]?.model : undefined;
  return (
    <Page title="Templates">
      <div className={shown ? "run" : undefined}>
        <Card isBare>
          <div className="card-head filters">
            <SearchField key={text} text={text} onSearch={setText} />
            <label className="field">
              <span>Offered by</span>
              <select
                className="input"
                value={owner}
                onChange={(event) => setOwner(event.target.value)}
              >
                {Object.entries(OWNERS).map(([value, label]) => (
                  <option key={value} value={value}>
                    {label}
                  </option>
                ))}
              </select>
            </label>
          </div>
          {error && <Problem error={error} again={again} />}
          {isLoading && <Skeleton />}
          {data && rows.length === 0 && <Nothing isFiltered={isSearch || owner !== ""} />}
          {rows.length > 0 && (
            <Table
              label="Templates"
              rows={rows}
              keyOf={(row) => row.template.id}
              columns={columns(shown?.id, setSelected, isSearch)}
            />
          )}
          {model !== undefined && (
            <p className="table-foot">
              Compared by {model}
              {model.startsWith("offline/") && ": words in common, not what they mean"}
            </p>
          )}
        </Card>
        {shown && <Preview key={shown.id} template={shown} again={again} />}
      </div>
    </Page>
  );
}

function SearchField({ text, onSearch }: { text: string; onSearch: (text: string) => void }) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onSearch(String(new FormData(event.currentTarget).get("text")).trim());
  };
  return (
    <form role="search" className="row grow" onSubmit={submit}>
      <label className="field grow">
        <span>What it should be about</span>
        <input
          className="input"
          type="search"
          name="text"
          defaultValue={text}
          maxLength={TEXT_CHARACTERS_MAX}
          placeholder="chase unpaid invoices"
        />
      </label>
      <button type="submit" className="button icon find" aria-label="Search">
        <Search size={15} aria-hidden />
      </button>
    </form>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) return <Empty title="No template is like this">Others may be, in other words.</Empty>;
  return (
    <Empty title="No templates yet" command={PUBLISH}>
      A public workflow is a template of its tenant; the platform offers its own to everybody.
    </Empty>
  );
}

function columns(
  shown: string | undefined,
  onSelect: (id: string) => void,
  isSearch: boolean,
): Column<Found>[] {
  const told: Column<Found>[] = [
    {
      head: "Name",
      className: "wide",
      cell: ({ template }) => (
        <>
          <button
            type="button"
            className="button link"
            aria-pressed={template.id === shown}
            onClick={() => onSelect(template.id)}
          >
            {template.id === shown ? <strong>{template.name}</strong> : template.name}
          </button>
          {template.description && <div className="muted clipped">{template.description}</div>}
        </>
      ),
    },
    {
      head: "Offered by",
      cell: ({ template }) => <span className="tag">{OWNERS[template.owner]}</span>,
    },
  ];
  if (isSearch) {
    told.push({
      head: "Alike",
      className: "right",
      cell: ({ score = 0 }) => score.toFixed(2),
    });
  }
  return told;
}

function Preview({ template, again }: { template: Template; again: () => void }) {
  const [node, setNode] = useState("");
  const [isCopying, setIsCopying] = useState(false);
  const may = useMay();
  const definition = definitionOf(template.definition);
  const chosen = definition?.nodes.find((one) => one.id === node);
  return (
    <Card
      title={template.name}
      actions={
        may("workflows:write") && (
          <div className="buttons">
            {template.owner === "TENANT" && (
              <Publish id={template.id} name={template.name} isPublic again={again} />
            )}
            <button type="button" className="button primary" onClick={() => setIsCopying(true)}>
              <Copy size={14} aria-hidden /> Copy
            </button>
          </div>
        )
      }
    >
      <div className="stack">
        <p className="muted">
          Version {template.version} · <CopyId id={template.id} />
        </p>
        {template.description && <p>{template.description}</p>}
      </div>
      {definition && (
        <Graph
          label="The nodes of the template"
          definition={definition}
          selected={node}
          onSelect={setNode}
        />
      )}
      {chosen && <Json value={chosen} label={chosen.id} />}
      {isCopying && <CopyDialog template={template} onClose={() => setIsCopying(false)} />}
    </Card>
  );
}

function CopyDialog({ template, onClose }: { template: Template; onClose: () => void }) {
  const [, navigate] = useLocation();
  const [name, setName] = useState(template.name);
  return (
    <CommandDialog
      title={`Copy ${template.name}`}
      does="Makes a workflow of your own of it. What becomes of the template later does not change it."
      verb="Copy it"
      path={`/workflows/${template.id}/copy`}
      body={name.trim() === "" ? undefined : { name: name.trim() }}
      onDone={(data) => navigate(`/workflows/${String(data.workflow_id)}`)}
      onClose={onClose}
    >
      <label className="field">
        <span>Name</span>
        <input className="input" value={name} onChange={(event) => setName(event.target.value)} />
      </label>
    </CommandDialog>
  );
}
