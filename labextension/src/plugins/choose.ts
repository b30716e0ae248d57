/**
 * Which run a command means: the one that it is told, the row under the context menu, or one that the person chooses.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyJSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { stateWord } from '../card/words';
import type { ISummary } from '../protocol';
import { siteOf } from '../site/model';
import type { ISite } from '../tokens';

/** The arguments of commands of one run. */
export const idArgs: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    id: { type: 'string', description: 'The id of the run; without it, the person is asked' },
    isContext: { type: 'boolean', description: 'Whether it stands in the context menu of a run' },
    isPalette: { type: 'boolean', description: 'Whether it stands in the command palette or a menu' }
  }
};

/** The id that is meant; null where nobody chose one of those that `fits`. */
export type Chooser = (
  args: ReadonlyPartialJSONObject,
  title: string,
  fits: (run: ISummary) => boolean
) => Promise<string | null>;

export function runChooser(app: JupyterFrontEnd, site: ISite, trans: TranslationBundle): Chooser {
  return async (args, title, fits) => {
    if (typeof args.id === 'string') {
      return args.id;
    }
    const row = args.isContext ? app.contextMenuHitTest(node => Boolean(node.dataset.runId)) : undefined;
    return row?.dataset.runId ?? (await asked((await runsOf(site)).filter(fits), title, trans));
  };
}

/** The runs, once the service has told them; it is asked where nobody has yet. */
async function runsOf(site: ISite): Promise<readonly ISummary[]> {
  site.open();
  if (!siteOf(site.state)) {
    await new Promise<void>(resolve => {
      const done = (): void => {
        site.changed.disconnect(done);
        resolve();
      };
      site.changed.connect(done);
    });
  }
  return siteOf(site.state)?.runs ?? [];
}

async function asked(runs: readonly ISummary[], title: string, trans: TranslationBundle): Promise<string | null> {
  const items = runs.map(run => [run.name, run.id, stateWord(run.state, trans)].filter(Boolean).join(' · '));
  if (!items.length) {
    await showErrorMessage(title, trans.__('There is no such run.'));
    return null;
  }
  const { button, value } = await InputDialog.getItem({ title, items });
  return button.accept && value !== null ? (runs[items.indexOf(value)]?.id ?? null) : null;
}
