/** The script of a rehearsal: what a pretended model says and does, task by task. Reading it says where it is wrong. */
import path from 'node:path';
import {isMap, isSeq, LineCounter, type Node, parseDocument} from 'yaml';
import * as z from 'zod';
import {CoordinatorError} from '../../runtime/errors.ts';

/** To be shown wherever results of a rehearsal are: its costs and texts are made up. */
export const REHEARSAL_NOTICE =
  'Rehearsal: no model was called. Texts and tool calls come from a script; tokens and costs are made up.';

const Condition = z
  .strictObject({
    /** 1 for the first attempt. */
    attempt: z.int().positive().optional(),
    promptContains: z.string().min(1).optional(),
  })
  .describe('All of these must hold.');

const ToolCall = z.strictObject({
  tool: z.string().min(1).describe("A tool of Claude Code's, such as Write, Edit, Read or Bash."),
  input: z.record(z.string(), z.json()).default({}),
});

const ApiError = z.strictObject({
  status: z.int().min(400).max(599),
  message: z.string().optional(),
  /** Fail only so many requests, then go on with the turn. Default: always. */
  times: z.int().positive().optional(),
  retryAfterSeconds: z.int().nonnegative().optional(),
});

const TurnObject = z.strictObject({
  text: z.string().optional(),
  thinking: z.string().optional(),
  calls: z.array(ToolCall).optional(),
  /** Streams the text in pieces; without a text, numbered filler. */
  slow: z.strictObject({chunks: z.int().positive(), everyMs: z.int().nonnegative()}).optional(),
  /** Silence before the answer. */
  hangMs: z.int().nonnegative().optional(),
  error: ApiError.optional(),
  /** The model declines. */
  refuse: z.boolean().optional(),
  usage: z
    .strictObject({inputTokens: z.int().nonnegative(), outputTokens: z.int().nonnegative()})
    .partial()
    .optional(),
});

/** One answer of the model. A plain string is a text. An answer without tool calls ends Claude Code's turn. */
export const Turn = z.union([
  z.string().transform((text): z.infer<typeof TurnObject> => ({text})),
  TurnObject,
]);
export type Turn = z.infer<typeof TurnObject>;

const Answers = z.strictObject({when: Condition.optional(), turns: z.array(Turn)});

const behaviour = {
  turns: z.array(Turn).optional(),
  /** What is answered to messages that are sent while or after the task's own turns run. */
  replies: z.array(Answers).optional(),
  /** What subagents do, chosen by their prompt. */
  subagents: z.array(Answers).optional(),
};
export const Behaviour = z.strictObject(behaviour);
export type Behaviour = z.infer<typeof Behaviour>;

const TaskScript = z.strictObject({
  ...behaviour,
  /** One entry an attempt; the last one also serves all later attempts. */
  attempts: z.array(Behaviour).min(1).optional(),
  /** The first one whose condition holds is played, before `attempts` and `turns` are looked at. */
  cases: z.array(z.strictObject({...behaviour, when: Condition.optional()})).optional(),
});
export type TaskScript = z.infer<typeof TaskScript>;

export const RehearsalScript = z.strictObject({
  /** By task id; a key that ends in `*` serves every id that begins so. */
  tasks: z.record(z.string(), TaskScript).default({}),
});
export type RehearsalScript = z.infer<typeof RehearsalScript>;

export const EMPTY_SCRIPT: RehearsalScript = {tasks: {}};

/** For editors that complete and check YAML. */
export function rehearsalJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(RehearsalScript, {io: 'input', target: 'draft-7'});
}

/** Throws `config` with `file:line:column` of the first fault. */
export function parseRehearsalScript(text: string, file: string): RehearsalScript {
  const lines = new LineCounter();
  const document = parseDocument(text, {lineCounter: lines});
  const at = (offset: number): string => {
    const {line, col} = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [fault] = document.errors;
  if (fault) throw new CoordinatorError('config', `${at(fault.pos[0])}: ${fault.message.split('\n')[0]}`);
  const parsed = RehearsalScript.safeParse(document.toJS() ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = deepestIssues(parsed.error.issues);
  const issuePath = issue?.path ?? [];
  const node = nearestNode(document.contents, issuePath);
  throw new CoordinatorError(
    'config',
    `${at(node?.range?.[0] ?? 0)}: ${issuePath.join('.')}: ${issue?.message}`,
    {hint: 'A script holds `tasks`; each has `turns`, `replies`, `subagents`, `attempts` or `cases`.'},
  );
}

/** Where the script of a plan lies: `site.mcpx.yaml` -> `site.rehearsal.yaml`. */
export function rehearsalFileOf(planFile: string): string {
  const {dir, base} = path.parse(planFile);
  return path.join(dir, `${base.replace(/(\.mcpx)?\.(ya?ml|json)$/i, '')}.rehearsal.yaml`);
}

interface Issue {
  readonly path: PropertyKey[];
  readonly message: string;
}

/** Inside a union the branch that got furthest tells most. */
function deepestIssues(issues: readonly z.core.$ZodIssue[]): Issue[] {
  return issues.flatMap(issue => {
    if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
    const branches = issue.errors.map(branch =>
      deepestIssues(branch).map(inner => ({...inner, path: [...issue.path, ...inner.path]})),
    );
    const depth = (branch: readonly Issue[]): number => Math.max(...branch.map(inner => inner.path.length));
    // Equal depths: the object form, which is the last, names the unknown key.
    return branches.reduce((best, branch) => (depth(branch) >= depth(best) ? branch : best));
  });
}

/** The YAML node at the path, or at the longest part of it that exists. */
function nearestNode(root: Node | null, issuePath: readonly PropertyKey[]): Node | null {
  let node: Node | null = root;
  for (const step of issuePath) {
    const next: unknown = isMap(node) || isSeq(node) ? node.get(step, true) : undefined;
    if (typeof next !== 'object' || next === null) return node;
    node = next as Node;
  }
  return node;
}
