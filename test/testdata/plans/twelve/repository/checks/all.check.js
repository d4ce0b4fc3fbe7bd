// Passes only when the edits of all twelve tasks are in one place.
import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {readFileSync} from "node:fs";
import {test} from "node:test";
import {fileURLToPath} from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = file => readFileSync(root + file, "utf8");

test("every module does its part", async () => {
  const {format} = await import("../src/money.js");
  const {items} = await import("../src/items.js");
  const {prices} = await import("../src/prices.js");
  const {stock} = await import("../src/stock.js");
  const {discounted} = await import("../src/discounts.js");
  const {withTax} = await import("../src/tax.js");
  const {order} = await import("../src/order.js");
  const {invoice} = await import("../src/invoice.js");
  assert.equal(format(1234), "12.34 EUR");
  assert.deepEqual(items, ["apples", "pears"]);
  assert.deepEqual(prices, {apples: 100, pears: 200});
  assert.deepEqual(stock, {apples: 10, pears: 5});
  assert.equal(discounted("pears", 3), 540);
  assert.equal(withTax(100), 121);
  assert.deepEqual(order("pears", 3), {item: "pears", count: 3, cents: 540});
  assert.equal(invoice("pears", 3), "3 pears: 6.53 EUR");
});

test("the command prints an invoice", () => {
  assert.equal(execFileSync(process.execPath, [root + "src/cli.js", "apples", "2"], {encoding: "utf8"}), "2 apples: 2.42 EUR\n");
});

test("each dependent saw the edits it depends on", () => {
  // In any order: a search may go through files side by side.
  for (const [file, ...texts] of [
    ["seen/prices.txt", /pears/, /format/],
    ["seen/stock.txt", /pears/],
    ["seen/discounts.txt", /pears: 200/],
    ["seen/order.txt", /discounted/, /pears: 5/],
    ["seen/invoice.txt", /order/, /withTax/],
    ["seen/checkPrices.txt", /^300$/m],
  ])
    for (const text of texts) assert.match(read(file), text, file);
});

test("the documents are there", () => {
  assert.match(read("CATALOGUE.md"), /pears: 200 cents, 5 pieces/);
  assert.match(read("README.md"), /node src\/cli\.js/);
  assert.match(read("README.md"), /CATALOGUE\.md/);
});
