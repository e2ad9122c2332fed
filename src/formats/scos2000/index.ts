/** Records as the SCOS-2000 control system files them. */
export * from './header.js';
export * from './record.js';
