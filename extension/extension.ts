/** The extension's main. Little is loaded with it: a window takes the rest when something in it has to do with us. */
import {existsSync} from 'node:fs';
import type * as vscode from 'vscode';
import {endpointFileUnder, userDataRoot} from '../coordinator/client/userData.ts';
import {systemClock} from '../coordinator/runtime/clock.ts';
import {Entrance} from './entrance.ts';
import {setting} from './settings.ts';

export function activate(context: vscode.ExtensionContext): void {
  const entrance = new Entrance(context, systemClock);
  entrance.register();
  const isConcerned =
    setting('coordinator.context') !== '' || existsSync(endpointFileUnder(userDataRoot(process.env)));
  if (isConcerned) entrance.openAhead();
}
