/** The word of greeting by language code. */
export const greetings = {
  en: 'Hello',
};
