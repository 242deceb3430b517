/** A plan as lines of text, the same in every language (tests/vectors/plan_texts.json). */
import type { Change, Plan } from "./plan";

const INDENT = "  ";
/** Values up to this many characters stand beside each other on one line. */
const SHORT = 60;

/** The whole plan: a head, the differences, what it costs, and the counts. */
export function planLines(plan: Plan): string[] {
  const address = [plan.projectSlug, plan.workloadSlug].filter((part) => part !== "").join("/");
  const ceiling = ceilingOf(plan);
  return [
    `${plan.action} ${address}`.trimEnd(),
    ...plan.changes.flatMap((change) => changeLines(change, INDENT)),
    ...plan.conflicts.map((conflict) => `${INDENT}! ${beside(conflict)} (cannot change in place)`),
    ...plan.notes.map((note) => `${INDENT}note: ${printable(note)}`),
    ...(ceiling === undefined ? [] : [`${INDENT}${ceiling}`]),
    total(plan),
  ];
}

/** One difference; a command by its flags, a long value on lines of its own. */
function changeLines(change: Change, indent: string): string[] {
  const inner = indent + INDENT + INDENT;
  if (change.parts !== undefined && change.parts.length > 0) {
    return [`${indent}~ ${printable(change.path)}:`, ...change.parts.flatMap((part) => changeLines(part, inner))];
  }
  if (fits(change)) return [`${indent}${sign(change)} ${beside(change)}`];
  return [`${indent}${sign(change)} ${printable(change.path)}:`, ...below(change).map((line) => `${inner}${line}`)];
}

function sign({ before, after }: Change): string {
  if (before === null) return "+";
  return after === null ? "-" : "~";
}

/** Both values on one line. A flag without a value is its name. */
function beside({ path, before, after }: Change): string {
  const given = [before, after].filter((value) => value !== null);
  if (path.startsWith("-") && given.length === 1 && given[0] === true) return printable(path);
  const values = given.length > 0 ? given : [null];
  return `${printable(path)}: ${values.map((value) => shown(value, path)).join(" -> ")}`;
}

/** On one line: a single value always, unless it is a text of several lines. */
function fits(change: Change): boolean {
  const { before, after } = change;
  if ([before, after].some((side) => typeof side === "string" && side.includes("\n"))) return false;
  return before === null || after === null || [...beside(change)].length <= SHORT;
}

/** The values below each other; texts of several lines as a diff of lines. */
function below({ path, before, after }: Change): string[] {
  const sides = [before, after].filter((side) => side !== null);
  if (sides.every((side) => typeof side === "string")) {
    const [old, now] = [before, after].map((side) => (side === null ? [] : (side as string).split("\n")));
    return nearby(diff(old as string[], now as string[])).map(([kind, line]) => `${kind} ${printable(line)}`);
  }
  const lines = before === null ? [] : [`- ${shown(before, path)}`];
  return after === null ? lines : [...lines, `+ ${shown(after, path)}`];
}

type DiffLine = readonly [" " | "-" | "+", string];

/** The lines that go, come and stay: around the longest run that stays, the same again. */
function diff(old: string[], now: string[]): DiffLine[] {
  const [i, j, size] = longestRun(old, now);
  if (size === 0) {
    return [...old.map((line): DiffLine => ["-", line]), ...now.map((line): DiffLine => ["+", line])];
  }
  return [
    ...diff(old.slice(0, i), now.slice(0, j)),
    ...old.slice(i, i + size).map((line): DiffLine => [" ", line]),
    ...diff(old.slice(i + size), now.slice(j + size)),
  ];
}

/** Where the longest run of equal lines begins on each side, the first of several, and its length. */
function longestRun(old: string[], now: string[]): [number, number, number] {
  let best: [number, number, number] = [0, 0, 0];
  let ending: number[] = [];
  old.forEach((line, i) => {
    const next: number[] = [];
    now.forEach((other, j) => {
      if (other !== line) return;
      const size = (ending[j - 1] ?? 0) + 1;
      next[j] = size;
      if (size > best[2]) best = [i - size + 1, j - size + 1, size];
    });
    ending = next;
  });
  return best;
}

/** Without the lines that stay and have no change beside them. */
function nearby(lines: DiffLine[]): DiffLine[] {
  const changes = (line: DiffLine | undefined): boolean => line !== undefined && line[0] !== " ";
  return lines.filter((line, at) => changes(line) || changes(lines[at - 1]) || changes(lines[at + 1]));
}

/** A value as JSON; the words of a command as they are. */
function shown(value: unknown, path: string): string {
  if (typeof value === "string" && /^(-|word )/.test(path)) return printable(value);
  return printable(spaced(value));
}

/** JSON with a blank behind each comma and colon. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}: ${spaced(inner)}`);
  return `{${members.join(", ")}}`;
}

/** The text with everything that could steer a terminal, or reorder a line, as a blank. */
const printable = (text: string): string => text.replaceAll(/(?! )[\p{C}\p{Z}]/gu, " ");

function ceilingOf({ maxHourlyCostUsdBefore: before, maxHourlyCostUsd: after }: Plan): string | undefined {
  if (before === undefined && after === undefined) return undefined;
  const now = after === undefined ? "no known limit to its cost" : `costs at most ${dollars(after)}`;
  return before === undefined || before === after ? now : `${now} (before: ${dollars(before)})`;
}

function dollars(perHour: number): string {
  const amount = perHour.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return `$${amount}/h`;
}

/** The counts, in words. */
function total({ action, changes, conflicts, unmanaged }: Plan): string {
  const parts: string[] = [];
  if (action === "unchanged") parts.push("nothing to change");
  else if (changes.length > 0)
    parts.push(`${count(changes.length, "field")} to ${action === "create" ? "set" : "change"}`);
  if (conflicts.length > 0) {
    parts.push(`${count(conflicts.length, "conflict")}: delete the workload first, or choose another slug`);
  }
  if (unmanaged > 0) {
    const are = unmanaged === 1 ? "is" : "are";
    parts.push(`${count(unmanaged, "live field")} ${are} not in the spec and left alone`);
  }
  return parts.join("; ");
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;
