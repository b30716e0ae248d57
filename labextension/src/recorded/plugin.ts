/**
 * Files `.aicci.json`: their type, and who shows them. In JupyterLab, Notebook 7 and JupyterLite alike; no request is sent.
 */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { ABCWidgetFactory, DocumentWidget, type DocumentRegistry } from '@jupyterlab/docregistry';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';

import { DOMAIN, PluginIDs } from '../tokens';
import { RecordedRun } from './widget';

const FILE_TYPE = 'aicci-run';
const FACTORY = 'Recorded run';

type RecordedDocument = DocumentWidget<RecordedRun>;

class RecordedFactory extends ABCWidgetFactory<RecordedDocument> {
  constructor(
    options: DocumentRegistry.IWidgetFactoryOptions<RecordedDocument>,
    private readonly _trans: TranslationBundle
  ) {
    super(options);
  }

  protected createNewWidget(context: DocumentRegistry.Context): RecordedDocument {
    return new DocumentWidget({ context, content: new RecordedRun(context, this._trans) });
  }
}

export const recorded: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.recorded,
  description: 'Shows a run that was saved as a file, without a server.',
  autoStart: true,
  optional: [ITranslator, ILayoutRestorer],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null, restorer: ILayoutRestorer | null) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    app.docRegistry.addFileType({
      name: FILE_TYPE,
      displayName: trans.__('Recorded run'),
      extensions: ['.aicci.json'],
      mimeTypes: ['application/json'],
      contentType: 'file',
      fileFormat: 'text'
    });
    const names = { name: FACTORY, label: trans.__('Recorded run') };
    const types = { fileTypes: [FILE_TYPE], defaultFor: [FILE_TYPE] };
    const factory = new RecordedFactory({ ...names, ...types, modelName: 'text', readOnly: true }, trans);
    app.docRegistry.addWidgetFactory(factory as DocumentRegistry.WidgetFactory); // its types are less exact than ours
    const tracker = new WidgetTracker<RecordedDocument>({ namespace: 'aicci-recorded' });
    factory.widgetCreated.connect((_, widget) => void tracker.add(widget));
    if (restorer) {
      void restorer.restore(tracker, {
        command: 'docmanager:open',
        args: ({ context }) => ({ path: context.path, factory: FACTORY }),
        name: ({ context }) => context.path
      });
    }
  }
};
