import {greetings} from './languages.js';

/** `greet('Ada')` is "Hello, Ada!". */
export function greet(name) {
  return `${greetings.en}, ${name}!`;
}
