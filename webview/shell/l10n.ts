/** What pages say, in the editor's language. */

let translations: Readonly<Record<string, string>> = {};

export function useTranslations(given: Readonly<Record<string, string>>): void {
  translations = given;
}

/** `{0}` and so on stand for the values. */
export function t(text: string, ...values: readonly (string | number)[]): string {
  const said = translations[text] ?? text;
  return said.replace(/\{(\d)\}/g, (_place, index: string) => String(values[Number(index)] ?? ''));
}

/** The text for one, or the text for any other number; `{0}` is the number. */
export function plural(count: number, one: string, many: string): string {
  return t(count === 1 ? one : many, count);
}
