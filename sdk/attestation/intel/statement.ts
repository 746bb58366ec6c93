/** TCB information and QE identities, counterpart of contracts/attestation/intel/Statement.sol. */
import { allZero, toHex } from "./bytes.ts";
import { IntelError, demand } from "./errors.ts";
import { JsonReader, readMembers } from "./json.ts";

/** Of IIntelCollateral, in its order. */
export const TCB_STATUSES = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
  "OutOfDate",
  "OutOfDateConfigurationNeeded",
  "Revoked",
  "Unsupported",
] as const;
export type TcbStatus = (typeof TCB_STATUSES)[number];

export interface TcbLevel {
  sgx: readonly number[];
  tdx: readonly number[];
  pceSvn: number;
  status: TcbStatus;
}

export interface SvnLevel {
  svn: number;
  status: TcbStatus;
}

export interface TcbInfo {
  tdx: boolean;
  issued: number;
  until: number;
  evaluation: number;
  fmspc: string;
  pceId: string;
  levels: readonly TcbLevel[];
  /** By module version. */
  modules: ReadonlyMap<number, readonly SvnLevel[]>;
}

export interface QeIdentity {
  tdx: boolean;
  issued: number;
  until: number;
  evaluation: number;
  signer: Uint8Array;
  attributes: Uint8Array;
  attributesMask: Uint8Array;
  miscSelect: Uint8Array;
  miscSelectMask: Uint8Array;
  product: number;
  levels: readonly SvnLevel[];
}

const MAX_LEVELS = 30;
const MAX_MODULES = 8;
const MAX_MODULE_LEVELS = 12;
const COMPONENTS = 16;
const FLAT = Array.from({ length: COMPONENTS }, (_, index) => `sgxtcbcomp${String(index + 1).padStart(2, "0")}svn`);

export function readTcbInfo(json: Uint8Array): TcbInfo {
  const reader = new JsonReader(json);
  const levels: Level[] = [];
  let version = 0;
  const modules = new Map<number, SvnLevel[]>();
  const info = { levels, modules } as unknown as { -readonly [K in keyof TcbInfo]: TcbInfo[K] };
  const members: Record<string, () => void> = {
    id: () => void (info.tdx = oneOf(reader, "TDX", "SGX")),
    version: () => {
      version = reader.number();
      demand(version === 2 || version === 3, "IntelStatementType", { version });
    },
    issueDate: () => void (info.issued = reader.time()),
    nextUpdate: () => void (info.until = reader.time()),
    fmspc: () => void (info.fmspc = toHex(reader.hexadecimal(6))),
    pceId: () => void (info.pceId = toHex(reader.hexadecimal(2))),
    tcbType: () => fixed(reader, 0),
    tcbEvaluationDataNumber: () => void (info.evaluation = reader.number()),
    tcbLevels: () => reader.list(() => void levels.push(readLevel(reader, levels.length))),
    tdxModule: () => void readModule(reader),
    tdxModuleIdentities: () => readModules(reader, modules),
  };
  const needed = Object.keys(members).filter((name) => name !== "id" && !name.startsWith("tdx"));
  const seen = readMembers(reader, members, needed);
  // Version 2 knows no other kind than SGX, so it does not name it.
  demand(seen.has("id") === (version === 3), "IntelStatementMember", { version });
  info.tdx ??= false;
  ended(reader);
  demand(levels.every(({ flat }) => flat === (version === 2)), "IntelStatementType", { field: "sgxtcbcomponents" });
  const tdxMembers = seen.has("tdxModule") || seen.has("tdxModuleIdentities");
  demand(info.tdx ? seen.has("tdxModule") : !tdxMembers, "IntelStatementMember", { position: reader.at });
  demand(levels.every(({ hasTdx }) => hasTdx === info.tdx), "IntelStatementType", { field: "tdxtcbcomponents" });
  return info;
}

export function readQeIdentity(json: Uint8Array): QeIdentity {
  const reader = new JsonReader(json);
  const levels: SvnLevel[] = [];
  const qe = { levels } as unknown as { -readonly [K in keyof QeIdentity]: QeIdentity[K] };
  const members: Record<string, () => void> = {
    id: () => void (qe.tdx = oneOf(reader, "TD_QE", "QE")),
    version: () => fixed(reader, 2),
    issueDate: () => void (qe.issued = reader.time()),
    nextUpdate: () => void (qe.until = reader.time()),
    tcbEvaluationDataNumber: () => void (qe.evaluation = reader.number()),
    miscselect: () => void (qe.miscSelect = reader.hexadecimal(4)),
    miscselectMask: () => void (qe.miscSelectMask = reader.hexadecimal(4)),
    attributes: () => void (qe.attributes = reader.hexadecimal(16)),
    attributesMask: () => void (qe.attributesMask = reader.hexadecimal(16)),
    mrsigner: () => void (qe.signer = reader.hexadecimal(32)),
    isvprodid: () => void (qe.product = reader.number(16)),
    tcbLevels: () =>
      reader.list(() => {
        const level = readSvnLevel(reader);
        demand(levels.length < MAX_LEVELS, "IntelStatementSize", { levels: levels.length });
        levels.push(level);
      }),
  };
  readMembers(reader, members, Object.keys(members));
  ended(reader);
  return qe;
}

/** What a module or a quoting enclave lacks drags the platform's status down (Intel's own table). */
export function converge(status: TcbStatus, other: TcbStatus): TcbStatus {
  if (status === "Revoked" || other === "Revoked") return "Revoked";
  const rank = (value: TcbStatus): number => TCB_STATUSES.indexOf(value);
  if (other === "OutOfDate") {
    if (status === "ConfigurationNeeded" || status === "ConfigurationAndSWHardeningNeeded") return "OutOfDateConfigurationNeeded";
  }
  return rank(status) > rank(other) ? status : other;
}

/** Flat: names each component by its number, as version 2 does. */
type Level = TcbLevel & { hasTdx: boolean; flat: boolean };

function readLevel(reader: JsonReader, index: number): Level {
  demand(index < MAX_LEVELS, "IntelStatementSize", { index });
  let [sgx, tdx]: number[][] = [[], []] as number[][];
  let [pceSvn, status]: [number, TcbStatus] = [0, "Revoked"];
  const single: number[] = [];
  let [hasTdx, flat] = [false, false];
  const tcb = {
    sgxtcbcomponents: () => void (sgx = readComponents(reader)),
    tdxtcbcomponents: () => void ([tdx, hasTdx] = [readComponents(reader), true]),
    pcesvn: () => void (pceSvn = reader.number(16)),
    ...Object.fromEntries(FLAT.map((name, number) => [name, () => void (single[number] = reader.number(8))])),
  };
  const level = {
    tcb: () => {
      const seen = readMembers(reader, tcb, ["pcesvn"]);
      const named = FLAT.filter((name) => seen.has(name)).length;
      flat = named > 0;
      const whole = flat ? named === COMPONENTS && seen.size === COMPONENTS + 1 : seen.has("sgxtcbcomponents");
      demand(whole, "IntelStatementMember", { components: named });
      if (flat) sgx = single;
    },
    tcbStatus: () => void (status = readStatus(reader)),
  };
  readMembers(reader, level, ["tcb", "tcbStatus"]);
  return { sgx: sgx as number[], tdx: tdx as number[], pceSvn, status, hasTdx, flat };
}

function readComponents(reader: JsonReader): number[] {
  const values: number[] = [];
  reader.list(() => {
    let svn: number | undefined;
    reader.object((key) => {
      if (key !== "svn") return reader.skip();
      demand(svn === undefined, "IntelStatementMember", { key });
      svn = reader.number(8);
    });
    demand(svn !== undefined && values.length < COMPONENTS, "IntelStatementSize", { components: values.length });
    values.push(svn);
  });
  demand(values.length === COMPONENTS, "IntelStatementSize", { components: values.length });
  return values;
}

function readModules(reader: JsonReader, modules: Map<number, SvnLevel[]>): void {
  reader.take("[");
  if (reader.peek() === "]") return reader.take("]");
  do {
    demand(modules.size < MAX_MODULES, "IntelStatementSize", { modules: modules.size });
    const { version, levels } = readModule(reader);
    demand(version !== 0 && levels.length > 0 && !modules.has(version), "IntelStatementMember", { version });
    modules.set(version, levels);
  } while (reader.more("]"));
}

function readModule(reader: JsonReader): { version: number; levels: SvnLevel[] } {
  let version = 0;
  const levels: SvnLevel[] = [];
  const zeros = (bytes: number) => () => demand(allZero(reader.hexadecimal(bytes)), "IntelModuleSigner", { bytes });
  const members: Record<string, () => void> = {
    mrsigner: zeros(48),
    attributes: zeros(8),
    attributesMask: () => demand(reader.hexadecimal(8).every((byte) => byte === 0xff), "IntelModuleSigner", {}),
    id: () => {
      const id = reader.string();
      demand(id.length === 6 && id.startsWith("TDX_"), "IntelStatementType", { id });
      demand(/^[0-9a-fA-F]{2}$/.test(id.slice(4)), "JsonHex", { id });
      version = parseInt(id.slice(4), 16);
    },
    tcbLevels: () =>
      reader.list(() => {
        const level = readSvnLevel(reader);
        demand(levels.length < MAX_MODULE_LEVELS && level.svn < 256, "IntelStatementSize", { levels: levels.length });
        levels.push(level);
      }),
  };
  readMembers(reader, members, ["mrsigner", "attributes", "attributesMask"]);
  return { version, levels };
}

function readSvnLevel(reader: JsonReader): SvnLevel {
  let [svn, status]: [number, TcbStatus] = [0, "Revoked"];
  const tcb = (): void => {
    reader.take("{");
    const key = reader.key();
    demand(key === "isvsvn", "IntelStatementMember", { key });
    svn = reader.number(16);
    reader.take("}");
  };
  readMembers(reader, { tcb, tcbStatus: () => void (status = readStatus(reader)) }, ["tcb", "tcbStatus"]);
  return { svn, status };
}

function readStatus(reader: JsonReader): TcbStatus {
  const text = reader.string();
  const status = TCB_STATUSES.find((known) => known === text && known !== "Unsupported");
  if (status === undefined) throw new IntelError("IntelUnknownStatus", { status: text });
  return status;
}

function oneOf(reader: JsonReader, tdx: string, sgx: string): boolean {
  const id = reader.string();
  demand(id === tdx || id === sgx, "IntelStatementType", { id });
  return id === tdx;
}

function fixed(reader: JsonReader, expected: number): void {
  const value = reader.number();
  demand(value === expected, "IntelStatementType", { value, expected });
}

const ended = (reader: JsonReader): void => demand(reader.at === reader.text.length, "IntelStatementMember", { position: reader.at });
