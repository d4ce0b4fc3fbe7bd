// Prints what the package exports, as Markdown: node tools/listApi.js > API.md
import * as api from '../src/index.js';

console.log('# What greeter exports\n');
for (const [name, value] of Object.entries(api).sort(([a], [b]) => (a < b ? -1 : 1))) {
  const kind =
    typeof value === 'function' ? `function, ${value.length} parameters` : Object.keys(value).join(', ');
  console.log(`- \`${name}\`: ${kind}`);
}
