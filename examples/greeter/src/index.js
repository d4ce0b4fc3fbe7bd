// What the package offers.

// Greetings
export {greet} from './greet.js';

// Words
export {greetings} from './languages.js';

// Farewells
