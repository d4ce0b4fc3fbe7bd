// node tools/catalogue.js > CATALOGUE.md
import {prices} from "../src/prices.js";
import {stock} from "../src/stock.js";

for (const [item, cents] of Object.entries(prices)) console.log(`- ${item}: ${cents} cents, ${stock[item] ?? 0} pieces`);
