/** A command with its arguments, as a person writes it on one line: words, with quotes around what has white space. No shell reads it. Pure. */

/** Undefined: a quote is not closed, or there is nothing. Backslashes count before quotes, backslashes and white space; elsewhere, as in paths of Windows, they stand for themselves. */
export function splitCommandLine(line: string): readonly [command: string, ...args: string[]] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const char = line[at] ?? '';
    const next = line[at + 1] ?? '';
    if (char === '\\' && quote !== "'" && /["'\\\s]/.test(next) && next !== '') {
      word = (word ?? '') + next;
      at += 1;
    } else if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (quote !== undefined) return undefined;
  if (word !== undefined) words.push(word);
  const [command, ...args] = words;
  return command === undefined || command === '' ? undefined : [command, ...args];
}
