/** What the processes of this benchmark have in common: questions come over their channel, one at a time, and are answered there. */
import type {Load} from './load.ts';

export interface ClientOptions {
  readonly url: string;
  readonly token?: string;
  readonly sessionId?: string;
}

/** What a client is asked. */
export interface ClientQuestion {
  readonly load: Load;
}

/** What cannot be answered ends the process, whose log has the reason. */
export function answerQuestions<Q>(answer: (question: Q) => Promise<unknown>): void {
  process.on('message', (question: Q) => {
    answer(question).then(
      value => process.send?.(value ?? {}),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}
