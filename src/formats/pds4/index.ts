/** Labels of the Planetary Data System, version 4. */
export * from './label.js';
