/** What the processes of this benchmark have in common: questions come over their channel, one at a time, and are answered there. */
import type {Load} from './load.ts';

export interface ClientOptions {
  readonly url: string;
  readonly token?: string;
  readonly sessionId?: string;
}

export type Question =
  /** Carry it out. Answer: `LoadResult`. */
  | {readonly ask: 'load'; readonly load: Load}
  /** Answer: `GapResult`. */
  | {readonly ask: 'gap'; readonly ms: number}
  /** Answer: `WatchResult`. */
  | {readonly ask: 'watch'; readonly watchers: number; readonly puts: number}
  /** Write so many keys. */
  | {readonly ask: 'fill'; readonly keys: number}
  /** Answer: who leads. */
  | {readonly ask: 'leader'};

/** What each kind of process can be asked. */
export type Answers = {
  readonly [Q in Question['ask']]?: (question: Extract<Question, {ask: Q}>) => Promise<object>;
};

/** What cannot be answered ends the process, whose log has the reason. */
export function answerQuestions(answers: Answers): void {
  process.on('message', (question: Question) => {
    const answer = answers[question.ask] as ((question: Question) => Promise<object>) | undefined;
    Promise.resolve(answer?.(question) ?? Promise.reject(new Error(`${question.ask} is not known`))).then(
      value => process.send?.(value),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}
