/** Backend `mpd`: another MPD provider, over MAL. */
export { createBackend } from './backend.js';
export { migrations } from './tables.js';
