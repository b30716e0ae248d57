/**
 * The page's half of `run.widget()`: the run's card in front ends that show widgets and have no extension of ours.
 *
 * esbuild makes one file of it (build:widget), which the kernel hands to anywidget; nothing is fetched from anywhere.
 * Rule: several views of a widget share one model of the run. A kernel that is gone leaves what it sent last, with a word.
 */
import { renderCard } from '../card/card';
import { el, setText } from '../card/dom';
import { Runs } from '../runs/registry';
import { KernelApi } from './api';
import type { IKernelModel } from './model';
import { plainWords as trans } from './words';

interface IWidget {
  initialize(given: { readonly model: IKernelModel }): () => void;
  render(given: { readonly model: IKernelModel; readonly el: HTMLElement }): () => void;
}

export default function widget(): IWidget {
  let shared: { readonly api: KernelApi; readonly runs: Runs } | null = null;
  return {
    initialize: ({ model }) => {
      const api = new KernelApi(model, {
        silent: trans.__('The kernel does not answer: it is busy with a cell, was restarted, or is gone.'),
        hint: trans.__('If it was restarted, run the cell again.')
      });
      shared = { api, runs: new Runs(api) };
      return () => api.dispose();
    },
    render: ({ model, el: place }) => (shared ? draw(place, model, shared.runs, shared.api) : () => undefined)
  };
}

/** One view; what comes back takes it away. */
function draw(place: HTMLElement, model: IKernelModel, runs: Runs, api: KernelApi): () => void {
  const lease = runs.lease(String(model.get('run_id')));
  const [note, host] = [el('p', 'detail'), el('div', 'output')];
  note.setAttribute('role', 'status');
  place.replaceChildren(note, host);
  const card = renderCard(host, lease.model, {
    trans,
    bokehUrl: version => api.bokehUrl(version),
    open: null,
    saved: { png: String(model.get('png')), text: String(model.get('text')) }
  });
  const tell = (): void => {
    const { state } = lease.model;
    setText(note, state.kind === 'interrupted' ? trans.__('This is what the kernel sent last. %1', api.words) : '');
    note.hidden = !note.textContent;
  };
  lease.model.changed.connect(tell);
  tell();
  return () => {
    lease.model.changed.disconnect(tell);
    card.dispose();
    lease.dispose();
    place.replaceChildren();
  };
}
