/**
 * The API with answers in the language of the page: what the service says in English passes through here, once.
 *
 * Rule 1: data (names, ids, logs, the MIME bundle that a notebook keeps) is not touched; neither are methods that say nothing.
 * Rule 2: errors are said, too.
 */
import type {
  IDelta,
  IFigure,
  IFinding,
  ISeriesDelta,
  ISummary,
  ITile,
  IVerdict,
  IView,
  Lane,
  Message
} from '../protocol';
import type { IForecast, IForecasts, IOptionRow, IServiceStatus, IShapeRow, SiteMessage } from '../site/protocol';
import { ApiError, type IRunApi } from '../runs/model';
import type { ISiteApi } from '../site/model';
import type { Say } from './served';

export function runsInWords(api: IRunApi, ready: Promise<Say>): IRunApi {
  const words: Partial<IRunApi> = {
    summary: (id, signal) => said(ready, api.summary(id, signal), runIn),
    view: (id, signal) => said(ready, api.view(id, signal), viewIn),
    figure: (id, width, palette, unfolded, signal) =>
      said(ready, api.figure(id, width, palette, unfolded, signal), figureIn),
    window: (id, from, to, width, signal) => said(ready, api.window(id, from, to, width, signal), viewIn),
    exported: (id, format, signal) => said(ready, api.exported(id, format, signal), unchanged),
    log: (id, log, signal) => said(ready, api.log(id, log, signal), unchanged),
    stop: id => said(ready, api.stop(id), runIn),
    stream: async (id, cursor, onMessage, signal) => {
      const say = await ready;
      return api.stream(id, cursor, message => onMessage(messageIn(say, message)), signal);
    }
  };
  return Object.assign(Object.create(api) as IRunApi, words);
}

export function siteInWords(api: ISiteApi, ready: Promise<Say>): ISiteApi {
  const words: Partial<ISiteApi> = {
    siteStream: async (onMessage, signal) => {
      const say = await ready;
      return api.siteStream(message => onMessage(siteMessageIn(say, message)), signal);
    },
    wake: signal => said(ready, api.wake(signal), unchanged),
    options: signal => said(ready, api.options(signal), (say, rows) => rows.map(row => optionIn(say, row))),
    rights: signal => said(ready, api.rights(signal), unchanged),
    forecasts: (given, program, signal) => said(ready, api.forecasts(given, program, signal), forecastsIn),
    launch: (id, file, given) => said(ready, api.launch(id, file, given), runIn),
    stop: id => said(ready, api.stop(id), runIn)
  };
  return Object.assign(Object.create(api) as ISiteApi, words);
}

async function said<T>(ready: Promise<Say>, answer: Promise<T>, into: (say: Say, value: T) => T): Promise<T> {
  try {
    const value = await answer;
    return into(await ready, value);
  } catch (error) {
    throw error instanceof ApiError ? errorIn(await ready, error) : error;
  }
}

function unchanged<T>(_say: Say, value: T): T {
  return value;
}

function errorIn(say: Say, error: ApiError): ApiError {
  return new ApiError(error.status, error.code, say(error.message), say(error.hint), error.field);
}

function runIn(say: Say, run: ISummary): ISummary {
  return { ...run, reason: say(run.reason), waiting: say(run.waiting), budget_note: say(run.budget_note) };
}

export function viewIn(say: Say, view: IView): IView {
  return {
    ...view,
    run: runIn(say, view.run),
    tiles: view.tiles.map(tile => tileIn(say, tile)),
    lanes: view.lanes.map(lane => laneIn(say, lane)),
    findings: view.findings.map(finding => findingIn(say, finding)),
    verdict: view.verdict && verdictIn(say, view.verdict),
    headline: say(view.headline)
  };
}

function figureIn(say: Say, figure: IFigure): IFigure {
  return { ...figure, view: viewIn(say, figure.view) };
}

function tileIn(say: Say, tile: ITile): ITile {
  return { value: say(tile.value), label: say(tile.label), note: say(tile.note) };
}

/** What a program logs keeps the name that it has there. */
function laneIn(say: Say, lane: Lane): Lane {
  const name = lane.id.startsWith('value:') ? lane.name : say(lane.name);
  const note = say(lane.note);
  return lane.kind === 'phases' ? { ...lane, name, note } : { ...lane, name, note, value: say(lane.value) };
}

function findingIn(say: Say, finding: IFinding): IFinding {
  return { ...finding, name: say(finding.name), text: say(finding.text), fix: say(finding.fix) };
}

function verdictIn(say: Say, verdict: IVerdict): IVerdict {
  return { ...verdict, text: say(verdict.text ?? ''), hint: say(verdict.hint ?? '') };
}

function seriesIn(say: Say, series: ISeriesDelta): ISeriesDelta {
  return { ...series, note: say(series.note), value: say(series.value) };
}

function messageIn(say: Say, message: Message): Message {
  return message.type === 'view' ? { ...message, view: viewIn(say, message.view) } : deltaIn(say, message);
}

function deltaIn(say: Say, delta: IDelta): IDelta {
  return {
    ...delta,
    ...(delta.run && { run: runIn(say, delta.run) }),
    ...(delta.tiles && { tiles: delta.tiles.map(tile => tileIn(say, tile)) }),
    ...(delta.series && { series: each(delta.series, series => seriesIn(say, series)) }),
    ...(delta.heat && { heat: each(delta.heat, lane => laneIn(say, lane) as typeof lane) }),
    ...(delta.findings && { findings: delta.findings.map(finding => findingIn(say, finding)) }),
    ...(delta.verdict && { verdict: verdictIn(say, delta.verdict) }),
    ...(delta.headline && { headline: say(delta.headline) })
  };
}

function each<T>(values: Readonly<Record<string, T>>, into: (value: T) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, into(value)]));
}

function siteMessageIn(say: Say, message: SiteMessage): SiteMessage {
  if (message.type === 'site') {
    const { site } = message;
    const runs = site.runs.map(run => runIn(say, run));
    const shapes = site.shapes.map(shape => shapeIn(say, shape));
    return { ...message, site: { ...site, runs, shapes, status: statusIn(say, site.status) } };
  }
  return {
    ...message,
    ...(message.runs && { runs: message.runs.map(run => runIn(say, run)) }),
    ...(message.shapes && { shapes: message.shapes.map(shape => shapeIn(say, shape)) }),
    ...(message.status && { status: statusIn(say, message.status) })
  };
}

function shapeIn(say: Say, shape: IShapeRow): IShapeRow {
  return { ...shape, never: say(shape.never) };
}

function statusIn(say: Say, status: IServiceStatus): IServiceStatus {
  return { ...status, notes: status.notes.map(say) };
}

function optionIn(say: Say, row: IOptionRow): IOptionRow {
  return { ...row, help: say(row.help) };
}

function forecastsIn(say: Say, { answers, refused, ...rest }: IForecasts): IForecasts {
  const inWords = answers.map(answer => ({
    ...answer,
    forecast: answer.forecast && forecastIn(say, answer.forecast),
    refused: say(answer.refused)
  }));
  return { ...rest, answers: inWords, refused: say(refused) };
}

function forecastIn(say: Say, forecast: IForecast): IForecast {
  const { outlook, bandwidth } = forecast;
  return {
    ...forecast,
    reason: say(forecast.reason),
    price_text: say(forecast.price_text),
    bandwidth: bandwidth && { ...bandwidth, text: say(bandwidth.text) },
    outlook: outlook && { ...outlook, basis: say(outlook.basis) }
  };
}
