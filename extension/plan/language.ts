/** What the editor knows about plan files. A bundle of its own, loaded with the first plan: the parser is most of the extension's weight. */
import type {Services} from '../services.ts';
import {checkPlans} from './diagnostics.ts';

export function activateLanguage({context}: Services): void {
  checkPlans(context);
}
