import { bandAround, isIn } from './band';

test('what can be seen is drawn, and half a screen above and below it', () => {
  expect(bandAround([0, 1000], null)).toEqual([-500, 1500]);
});

test('the band stays while one scrolls a little, and moves before an empty lane would be seen', () => {
  const band = bandAround([0, 1000], null);
  expect(bandAround([200, 1200], band)).toBe(band);
  expect(bandAround([300, 1300], band)).toEqual([-200, 1800]);
});

test('a lane is drawn if only a part of it lies in the band', () => {
  expect(isIn([-500, 1500], { top: 1490, bottom: 1526 })).toBe(true);
  expect(isIn([-500, 1500], { top: 1501, bottom: 1537 })).toBe(false);
});
