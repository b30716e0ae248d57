/** Models run in node; a test that draws says `@jest-environment jsdom` at its top. */
module.exports = {
  roots: ['<rootDir>/src'],
  testRegex: '\\.spec\\.ts$',
  transform: { '\\.ts$': ['ts-jest', { tsconfig: 'tsconfig.test.json' }] }
};
