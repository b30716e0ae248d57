import { aRun, aSite, aSiteDelta } from '../testing';
import { mergeSite } from './merge';

const ids = (site = aSite()): string[] => site.runs.map(run => run.id);

test('what a delta does not name stays the same object', () => {
  const site = aSite();
  const merged = mergeSite(site, aSiteDelta());
  expect(merged).toEqual({ ...site, now_ns: site.now_ns + 1e9 });
  for (const part of ['runs', 'shapes', 'queues', 'data', 'status'] as const) {
    expect(merged[part]).toBe(site[part]);
  }
});

test('a run that changed is another object in the same place, the others are untouched', () => {
  const runs = ['r3', 'r2', 'r1'].map(id => aRun({ id }));
  const merged = mergeSite(aSite({ runs }), aSiteDelta({ runs: [aRun({ id: 'r2', state: 'failed' })] }));
  expect(ids(merged)).toEqual(['r3', 'r2', 'r1']);
  expect(merged.runs[0]).toBe(runs[0]);
  expect(merged.runs[1]?.state).toBe('failed');
  expect(merged.runs[2]).toBe(runs[2]);
});

test('a new run stands where its time of submission puts it, the newest first', () => {
  const at = (minute: number): string => `2026-11-24T10:0${minute}:00.000+00:00`;
  const site = aSite({
    runs: [aRun({ id: 'r3', submitted_at: at(3) }), aRun({ id: 'r1', submitted_at: at(1) })]
  });
  const fresh = [aRun({ id: 'r2', submitted_at: at(2) }), aRun({ id: 'r4', submitted_at: at(4) })];
  expect(ids(mergeSite(site, aSiteDelta({ runs: fresh })))).toEqual(['r4', 'r3', 'r2', 'r1']);
});

test('a run that is gone goes, and one that was never there changes nothing', () => {
  const site = aSite({ runs: [aRun({ id: 'r2' }), aRun({ id: 'r1' })] });
  expect(ids(mergeSite(site, aSiteDelta({ gone: ['r2', 'r9'] })))).toEqual(['r1']);
  expect(ids(site)).toEqual(['r2', 'r1']);
});
