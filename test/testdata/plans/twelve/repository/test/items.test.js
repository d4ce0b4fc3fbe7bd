import assert from "node:assert/strict";
import {test} from "node:test";
import {items} from "../src/items.js";

test("apples are sold", () => assert.ok(items.includes("apples")));
