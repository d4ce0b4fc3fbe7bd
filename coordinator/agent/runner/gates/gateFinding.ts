/** What a gate found, before it is evidence: a verdict, or why there is none. */
export type GateFinding =
  | {
      readonly kind: 'verdict';
      readonly passed: boolean;
      readonly output: string;
      /** Of its command; null when that was ended, or there was none. */
      readonly exitCode: number | null;
      readonly measured?: number;
    }
  | {readonly kind: 'unable'; readonly error: string; readonly output?: string};
