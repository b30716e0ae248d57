/**
 * What one can do with runs, as commands with argument schemas: for the palette, menus, the context menu and other extensions.
 *
 * Menus and context menu are in schema/commands.json. Rule: what this user may not do is disabled, and the caption says why.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, Dialog, ICommandPalette, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';

import type { ISummary } from '../protocol';
import type { IRights } from '../site/protocol';
import { hasEnded } from '../runs/merge';
import { siteOf } from '../site/model';
import { CommandIDs, DOMAIN, ISite, PluginIDs } from '../tokens';
import { idArgs, runChooser, type Chooser } from './choose';
import { insertLine } from './notebook';

interface IContext {
  readonly app: JupyterFrontEnd;
  readonly site: ISite;
  readonly trans: TranslationBundle;
  readonly choose: Chooser;
  readonly rights: () => IRights | null;
}

export const commands: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.commands,
  description: 'What one can do with runs, as commands.',
  autoStart: true,
  requires: [ISite],
  optional: [ITranslator, ICommandPalette, INotebookTracker],
  activate: (
    app: JupyterFrontEnd,
    site: ISite,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    notebooks: INotebookTracker | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    let rights: IRights | null = null;
    const context: IContext = { app, site, trans, choose: runChooser(app, site, trans), rights: () => rights };
    site.changed.connect(() => {
      if (rights === null && siteOf(site.state)) {
        rights = { launch: true, stop: true }; // until the answer is there; the server decides anyway
        void site.api.rights(site.signal).then(
          answer => {
            rights = answer;
            app.commands.notifyCommandChanged();
          },
          () => (rights = null)
        );
      }
    });
    addRunCommands(context);
    if (notebooks) {
      addNotebookCommands(context, notebooks);
    }
    addToPalette(palette, trans, notebooks !== null);
  }
};

function addRunCommands({ app, site, trans, choose, rights }: IContext): void {
  app.commands.addCommand(CommandIDs.stopRun, {
    label: args => (args.isPalette ? trans.__('Stop a Run…') : trans.__('Stop Run…')),
    caption: () =>
      rights()?.stop === false
        ? trans.__('You may look at runs here, but not stop them')
        : trans.__('End a run: SIGTERM, and SIGKILL after its grace'),
    describedBy: { args: { ...idArgs, properties: { ...(idArgs.properties as object), ask: { type: 'boolean' } } } },
    isEnabled: () => rights()?.stop !== false,
    execute: async args => {
      const id = await choose(args, trans.__('Stop a run'), lives);
      const run = siteOf(site.state)?.runs.find(each => each.id === id);
      if (id && (args.ask === false || (await mayStop(run?.name || id, trans)))) {
        await attempt(trans.__('The run was not stopped'), () => site.api.stop(id));
      }
    }
  });
  app.commands.addCommand(CommandIDs.copyRunId, {
    label: trans.__('Copy Run Id'),
    caption: trans.__('Put the id of the run on the clipboard'),
    describedBy: { args: idArgs },
    execute: async args => {
      const id = await choose(args, trans.__('Copy the id of a run'), () => true);
      if (id) {
        Clipboard.copyToSystem(id);
      }
    }
  });
}

function addNotebookCommands({ app, trans, choose }: IContext, notebooks: INotebookTracker): void {
  app.commands.addCommand(CommandIDs.insertCell, {
    label: trans.__('Insert a Training Cell'),
    caption: trans.__('A cell that begins with %%aicci train, below the active one'),
    describedBy: { args: { type: 'object', properties: { magic: { type: 'string' } } } },
    execute: args => insertLine(app, notebooks, typeof args.magic === 'string' ? args.magic : '%%aicci train', trans)
  });
  app.commands.addCommand(CommandIDs.insertAttach, {
    label: trans.__('Attach to Run in a Cell'),
    caption: trans.__('A cell that shows the run, below the active one'),
    describedBy: { args: idArgs },
    execute: async args => {
      const id = await choose(args, trans.__('Attach to a run'), () => true);
      if (id) {
        await insertLine(app, notebooks, `%aicci attach ${id}`, trans);
      }
    }
  });
}

function addToPalette(palette: ICommandPalette | null, trans: TranslationBundle, hasNotebooks: boolean): void {
  const category = trans.__('Training');
  const shown = [CommandIDs.newRun, CommandIDs.showPanel, CommandIDs.openRun, CommandIDs.stopRun, CommandIDs.copyRunId];
  const inNotebooks = hasNotebooks ? [CommandIDs.insertCell, CommandIDs.insertAttach] : [];
  for (const command of [...shown, ...inNotebooks]) {
    palette?.addItem({ command, category, args: { isPalette: true } });
  }
}

function lives(run: ISummary): boolean {
  return !hasEnded(run.state);
}

async function mayStop(name: string, trans: TranslationBundle): Promise<boolean> {
  const answer = await showDialog({
    title: trans.__('Stop this run?'),
    body: trans.__('%1 ends: its ranks get SIGTERM, and SIGKILL after its grace. What it has cost stays.', name),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep it running') }),
      Dialog.warnButton({ label: trans.__('Stop it') })
    ]
  });
  return answer.button.accept;
}

/** Do it, or say why not. */
async function attempt(failed: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    await showErrorMessage(failed, error instanceof Error ? error.message : String(error));
  }
}
