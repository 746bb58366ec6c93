import { fatal, messageOf } from "../errors/index.ts";

/** One line of the configuration table. */
export interface Field<T> {
  env: string;
  description: string;
  /** Text as it would stand in the environment; absent = the value must be given. */
  default?: string;
  /** What the number counts: "ms", "blocks", "wei". */
  unit?: string;
  /** Masked wherever it is printed. */
  secret?: boolean;
  /** Turns the text into the value or throws a sentence that says what is allowed. */
  parse: (text: string) => T;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;
export type ConfigOf<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };
export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads every field; all that is wrong is reported at once, by name. */
export function loadConfig<F extends Fields>(fields: F, env: Environment): ConfigOf<F> {
  const problems: string[] = [];
  const entries = Object.entries(fields).map(([name, field]) => {
    const text = env[field.env] ?? field.default;
    if (text === undefined) {
      problems.push(`${field.env} is missing: ${field.description}`);
      return [name, undefined];
    }
    try {
      return [name, field.parse(text)];
    } catch (error) {
      const shown = field.secret ? "its value" : JSON.stringify(text);
      problems.push(`${field.env}: ${shown} ${messageOf(error)}`);
      return [name, undefined];
    }
  });
  if (problems.length > 0) throw fatal("config.invalid", problems.join("\n"), { problems });
  return Object.fromEntries(entries) as ConfigOf<F>;
}

/** The resolved table for people, secrets masked: `--check-config`. */
export function printConfig(fields: Fields, env: Environment): string {
  const rows = Object.values(fields).map((field) => {
    const given = env[field.env];
    const text = given ?? field.default ?? "";
    return [field.env, field.secret && text ? "********" : text, field.unit ?? "", given === undefined ? "default" : "environment"];
  });
  const widths = [0, 1, 2].map((column) => Math.min(60, Math.max(...rows.map((row) => row[column]!.length))));
  return rows.map((row) => row.map((cell, column) => (column < 3 ? cell.padEnd(widths[column]!) : cell)).join("  ")).join("\n");
}

/** The values that must never be printed. */
export function secretsOf(fields: Fields, env: Environment): string[] {
  return Object.values(fields).flatMap((field) => (field.secret && env[field.env] ? [env[field.env]!] : []));
}

/** The table as Markdown, for the operators' documentation. */
export function documentConfig(fields: Fields): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const rows = Object.values(fields).map(
    (field) =>
      `| \`${field.env}\` | ${field.default === undefined ? "*required*" : field.default === "" ? "" : `\`${cell(field.default)}\``} | ${field.unit ?? ""} | ${cell(field.description)}${field.secret ? " Secret." : ""} |`,
  );
  return ["| variable | default | unit | meaning |", "|---|---|---|---|", ...rows].join("\n");
}
