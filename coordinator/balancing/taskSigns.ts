/** Which abilities the words of a task and the files that it names stand for. Pure. */
import type {CapabilityRequirement} from '../protocol/capability.ts';
import type {TaskSpecification} from '../protocol/plan/plan.ts';

interface Sign {
  readonly domain: string;
  readonly specialization?: string;
  readonly pattern: RegExp;
}

/** Words and files; each that is found counts once. */
const SIGNS: readonly Sign[] = [
  {
    domain: 'security',
    pattern: /\b(?:security|vulnerabilit(?:y|ies)|CVE-\d+|exploits?|XSS|CSRF|injection)\b/i,
  },
  {
    domain: 'security',
    pattern: /\b(?:audit|harden|sanitiz\w+|encrypt\w*|secrets? scan\w*|threat model\w*)\b/i,
  },
  {domain: 'security', pattern: /\b(?:npm audit|semgrep|trivy|snyk|gitleaks|bandit)\b/i},
  {domain: 'servicenow', pattern: /\b(?:ServiceNow|GlideRecord|update sets?|scoped apps?|sys_\w+)\b/i},
  {
    domain: 'analysis',
    pattern: /\b(?:analy[sz]e|analysis|investigate|compare|report on|summari[sz]e|root cause)\b/i,
  },
  {
    domain: 'analysis',
    pattern: /\b(?:benchmark|profile|measure|statistics|dashboards?)\b|\.(?:csv|parquet|ipynb)\b/i,
  },
  {
    domain: 'development',
    pattern: /\b(?:implement|refactor|fix|add|write|migrate|rename|port|build|compile)\b/i,
  },
  {
    domain: 'development',
    pattern: /\b(?:unit tests?|tests?|bug|feature|function|class|module|endpoint|API)\b/i,
  },
  {
    domain: 'development',
    pattern: /^\s*(?:npm|npx|yarn|pnpm|make|cargo|go|mvn|gradle|pytest|tsc|node|python3?)\b/i,
  },
  {domain: 'development', specialization: 'typescript', pattern: /\.tsx?\b|\btypescript\b/i},
  {domain: 'development', specialization: 'python', pattern: /\.py\b|\bpytest\b|\bpython\b/i},
  {domain: 'development', specialization: 'go', pattern: /\.go\b|\bgolang\b|^\s*go (?:build|test|vet)\b/i},
  {domain: 'development', specialization: 'rust', pattern: /\.rs\b|\bcargo\b/i},
  {domain: 'development', specialization: 'java', pattern: /\.(?:java|kt)\b|\b(?:mvn|gradle)\b/i},
  {domain: 'development', specialization: 'sql', pattern: /\.sql\b|\b(?:postgres|mysql|schema migration)\b/i},
];

/** Of a long prompt the beginning tells what it is about. */
const READ_CHARS = 8192;

/** A domain with the words that stand for it. */
export interface Found {
  readonly domain: string;
  readonly words: readonly string[];
  readonly specializations: readonly string[];
}

const KNOWN = new WeakMap<TaskSpecification, readonly Found[]>();

/** The domain with the most signs first; of equals the one that is listed first. */
export function signsOf(task: TaskSpecification): readonly Found[] {
  let found = KNOWN.get(task);
  if (!found) {
    found = findSigns(textOf(task));
    KNOWN.set(task, found);
  }
  return found;
}

/** What the plan asks for; where it names nothing, what the task looks like most. */
export function neededBy(task: TaskSpecification): readonly CapabilityRequirement[] {
  const stated = task.requires.capabilities ?? [];
  if (stated.length > 0) return stated;
  const [likeliest] = signsOf(task);
  return likeliest ? [requirementOf(likeliest)] : [];
}

function findSigns(text: string): Found[] {
  const found = new Map<string, {domain: string; words: string[]; specializations: string[]}>();
  for (const {domain, specialization, pattern} of SIGNS) {
    const word = pattern.exec(text)?.[0].trim();
    if (word === undefined) continue;
    const known = found.get(domain) ?? {domain, words: [], specializations: []};
    known.words.push(word);
    if (specialization !== undefined) known.specializations.push(specialization);
    found.set(domain, known);
  }
  return [...found.values()].sort((a, b) => b.words.length - a.words.length);
}

function requirementOf({domain, specializations}: Found): CapabilityRequirement {
  return specializations.length === 0 ? {domain} : {domain, specialization: [...specializations]};
}

function textOf({title, work}: TaskSpecification): string {
  const text = work.kind === 'prompt' ? work.prompt : work.kind === 'run' ? work.command : '';
  return `${work.kind === 'run' ? text : `${title ?? ''}\n${text}`}`.slice(0, READ_CHARS);
}
