/** What is sold. */
export const items = ["apples"];
