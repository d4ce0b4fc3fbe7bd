/** Which files are plans, by their name. */

const PLAN_PATTERN = /\.mcpx\.(ya?ml|json)$/;

export function isPlanFile(fileName: string): boolean {
  return PLAN_PATTERN.test(fileName);
}
