/** Words of others in Markdown: in one line, and without meaning for it. Pure. */
export function plain(words: string): string {
  return words.replace(/\s+/g, ' ').replace(/[\\|`*_<>[\]#]/g, '\\$&');
}
