/** What a plan tells about the thing under the pointer: a key's meaning, or a task with its neighbours and its state. Pure. */
import {dependentsOf, mentionsAt, outlinePlan, type PlanOutline, taskOf} from './outline.ts';
import {descriptionAt, keysAt, type SchemaNode, schemasAt} from './planSchema.ts';
import {readPlanSyntax, type Span, scalarAt, spanOf} from './planSyntax.ts';

export interface PlanHover {
  readonly span: Span;
  readonly content:
    | {
        readonly kind: 'key';
        readonly name: string;
        readonly description: string | undefined;
        /** As JSON. */
        readonly fallback: string | undefined;
        readonly values: readonly string[];
      }
    | {
        readonly kind: 'task';
        readonly id: string;
        readonly title: string | undefined;
        readonly dependsOn: readonly string[];
        readonly dependents: readonly string[];
      };
}

export function hoverPlan(text: string, offset: number): PlanHover | undefined {
  const document = readPlanSyntax(text);
  if (!document) return undefined;
  const outline = outlinePlan(document);
  const mentions = mentionsAt(outline, offset);
  if (mentions) return taskHover(outline, mentions.id, mentions.here);
  const place = scalarAt(document, offset);
  if (!place?.isKey || schemasAt(place.path).length === 0) return undefined;
  const name = String(place.path.at(-1));
  const key = keysAt(place.path.slice(0, -1)).find(each => each.name === name);
  return {
    span: spanOf(place.scalar),
    content: {
      kind: 'key',
      name,
      description: descriptionAt(place.path),
      fallback: fallbackOf(key?.schema),
      values: schemasAt(place.path).flatMap(schema => (schema.enum ?? []).map(String)),
    },
  };
}

function taskHover(outline: PlanOutline, id: string, span: Span): PlanHover | undefined {
  const task = taskOf(outline, id);
  if (!task) return undefined;
  return {
    span,
    content: {
      kind: 'task',
      id,
      title: task.title,
      dependsOn: task.dependsOn.map(mention => mention.id),
      dependents: dependentsOf(outline, id),
    },
  };
}

function fallbackOf(schema: SchemaNode | undefined): string | undefined {
  if (schema?.default === undefined || JSON.stringify(schema.default) === '[]') return undefined;
  return JSON.stringify(schema.default);
}
