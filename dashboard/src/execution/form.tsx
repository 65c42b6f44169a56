/** JSON that a person gives: as fields where its JSON Schema is a flat object, else as text. */
import { useEffect, useEffectEvent, useState } from "react";

interface Property {
  type?: string;
  title?: string;
  description?: string;
  enum?: unknown[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
}
const PLAIN = new Set(["string", "number", "integer", "boolean"]);

function propertiesOf(schema: unknown): [string, Property][] | null {
  const given = (schema as { properties?: Record<string, Property> } | null)?.properties;
  if (given === undefined) return null;
  const all = Object.entries(given);
  const isFlat = all.every(([, one]) => one.enum !== undefined || PLAIN.has(one.type ?? ""));
  return isFlat && all.length > 0 ? all : null;
}

/** onChange: with undefined while what is given is no JSON. */
export function SchemaForm({
  schema,
  onChange,
}: {
  schema: unknown;
  onChange: (value: unknown) => void;
}) {
  const properties = propertiesOf(schema);
  const required = (schema as { required?: string[] } | null)?.required ?? [];
  const [values, setValues] = useState<Record<string, unknown>>(() =>
    Object.fromEntries(
      (properties ?? []).flatMap(([name, one]) => (one.default === undefined ? [] : [[name, one.default]])),
    ),
  );
  // What is given from the start is given, also when nobody touches it.
  const begin = useEffectEvent(() => {
    if (Object.keys(values).length > 0) onChange(values);
  });
  useEffect(() => begin(), []);
  if (properties === null) {
    return <JsonField label="Edits (JSON)" initial={schema === null ? null : {}} onChange={onChange} />;
  }
  const set = (name: string, value: unknown) => {
    const next = { ...values, [name]: value };
    if (value === undefined) delete next[name];
    setValues(next);
    onChange(Object.keys(next).length === 0 ? null : next);
  };
  return properties.map(([name, property]) => (
    <label key={name} className="field">
      <span>
        {property.title ?? name}
        {required.includes(name) && " *"}
        {property.description && ` – ${property.description}`}
      </span>
      <Input property={property} value={values[name]} onChange={(value) => set(name, value)} />
    </label>
  ));
}

function Input({
  property,
  value,
  onChange,
}: {
  property: Property;
  value: unknown;
  onChange: (value: unknown) => void;
}) {
  const choices = property.enum ?? (property.type === "boolean" ? [true, false] : null);
  if (choices !== null) {
    return (
      <select
        className="input"
        value={value === undefined ? "" : String(choices.indexOf(value))}
        onChange={(event) =>
          onChange(event.target.value === "" ? undefined : choices[Number(event.target.value)])
        }
      >
        <option value="">–</option>
        {choices.map((choice, index) => (
          <option key={String(choice)} value={index}>
            {String(choice)}
          </option>
        ))}
      </select>
    );
  }
  const isNumber = property.type !== "string";
  return (
    <input
      className="input"
      type={isNumber ? "number" : "text"}
      step={property.type === "integer" ? 1 : "any"}
      min={property.minimum}
      max={property.maximum}
      value={value === undefined ? "" : String(value)}
      onChange={(event) => {
        const text = event.target.value;
        onChange(text === "" ? undefined : isNumber ? Number(text) : text);
      }}
    />
  );
}

export function JsonField({
  label,
  initial,
  onChange,
}: {
  label: string;
  initial: unknown;
  onChange: (value: unknown) => void;
}) {
  const [text, setText] = useState(initial === null ? "" : JSON.stringify(initial, null, 2));
  const [mistake, setMistake] = useState("");
  return (
    <label className="field">
      <span>{label}</span>
      <textarea
        className="input"
        spellCheck={false}
        value={text}
        aria-invalid={mistake !== ""}
        onChange={(event) => {
          setText(event.target.value);
          try {
            onChange(event.target.value.trim() === "" ? null : JSON.parse(event.target.value));
            setMistake("");
          } catch (error) {
            onChange(undefined);
            setMistake((error as Error).message);
          }
        }}
      />
      {mistake !== "" && <span role="alert">{mistake}</span>}
    </label>
  );
}
