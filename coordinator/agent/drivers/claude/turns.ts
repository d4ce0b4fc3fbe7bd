/**
 * Knows when Claude Code has nothing left to do. Pure.
 *
 * One prompt may yield several results: a message sent meanwhile is taken into the running turn or gets its own, and a
 * subagent in the background starts a turn by itself when it ends. A result alone therefore says nothing; it takes a result,
 * no message that no turn has taken, and no subagent at work.
 */
import type {SDKMessage, SDKResultMessage} from '@anthropic-ai/claude-agent-sdk';

/** `settling`: background work has just ended and a turn about it may begin any moment. */
export type TurnState = 'busy' | 'settling' | 'idle';

/** A shell in the background, such as a development server, is not waited for: it ends with the attempt. */
const AWAITED_TASKS: ReadonlySet<string> = new Set([
  'local_agent',
  'remote_agent',
  'local_workflow',
  'mcp_task',
]);

export class Turns {
  private readonly untaken = new Set<string>();
  private running = false;
  private background = 0;
  private hadBackground = false;

  get state(): TurnState {
    if (this.running || this.untaken.size > 0 || this.background > 0) return 'busy';
    return this.hadBackground ? 'settling' : 'idle';
  }

  /** A turn is under way, or about to be: what `interrupt` would end. */
  get inTurn(): boolean {
    return this.running || this.untaken.size > 0;
  }

  onSent(uuid: string): void {
    this.untaken.add(uuid);
  }

  onMessage(message: SDKMessage): void {
    if (message.type === 'result') this.onResult(message);
    else if (message.type === 'system' && message.subtype === 'init') this.running = true;
    else if (message.type === 'assistant' && message.parent_tool_use_id === null) this.running = true;
    else if (message.type === 'system' && message.subtype === 'background_tasks_changed') {
      this.background = message.tasks.filter(
        task => !task.ambient && AWAITED_TASKS.has(task.task_type),
      ).length;
      if (this.background > 0) this.hadBackground = true;
    }
  }

  private onResult(result: SDKResultMessage): void {
    this.running = false;
    const taken = result.user_message_uuids ?? (result.user_message_uuid ? [result.user_message_uuid] : []);
    for (const uuid of taken) this.untaken.delete(uuid);
    // Results of errors and of older versions may not name what they took: what still waits is counted, then.
    if (taken.length === 0 && (result.queued_turn_count ?? 0) === 0) this.untaken.clear();
  }
}
