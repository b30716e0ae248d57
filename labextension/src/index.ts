/** What other extensions may import, and the plugins that the application loads. */
export * from './tokens';
export { default } from './plugins';
