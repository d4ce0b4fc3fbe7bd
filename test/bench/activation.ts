/** How long the packaged extension takes to be activated in a real VS Code, by the editor's own clock: once for each window that is opened. */
import {found} from '../support/waiting.ts';
import {EditorWindow, type WindowOptions} from '../ui/editorWindow.ts';
import {Workbench} from '../ui/workbench.ts';

const LIMIT_MS = 90_000;

/** In ms: loading the bundle and running `activate`. The coordinator is not waited for. */
export async function measureActivation(options: WindowOptions, windows: number): Promise<number[]> {
  const window = await EditorWindow.open(options);
  try {
    const workbench = new Workbench(window);
    const times: number[] = [];
    for (let opened = 0; opened < windows; opened++) {
      if (opened > 0) await window.reload();
      await workbench.openFile('team.mcpx.yaml');
      await workbench.runCommand('Developer: Show Running Extensions');
      const row = window.page.locator('.runtime-extensions-editor .monaco-list-row', {hasText: 'MCPX'});
      const time = await found(
        async () => /Activation: (\d+)ms/.exec((await row.allInnerTexts()).join())?.[1],
        LIMIT_MS,
        'the time of activation',
      );
      times.push(Number(time));
    }
    return times;
  } finally {
    await window.close();
  }
}
