/** WebSocket close codes that both sides understand: RFC 6455's own, and ours from 4000 on. */

export const CLOSE_CODES = {
  normal: 1000,
  goingAway: 1001,
  unsupportedData: 1003,
  policyViolation: 1008,
  messageTooBig: 1009,
  tryAgainLater: 1013,
  /** A newer connection of the same agent took over: reconnecting would start a fight. */
  replaced: 4001,
  /** Too much waited for this peer to read it. */
  tooSlow: 4002,
  tooManyFaults: 4003,
  /** No answer to a ping. */
  silent: 4004,
  /** The token was revoked or ran out. */
  unauthorized: 4010,
} as const;

export interface CloseInfo {
  readonly code: number;
  readonly reason: string;
}
