import { expect } from 'vitest';
import type { Scene } from './site.js';
import { faultFamily } from './stage.js';

/** As the public client uploads. */
function upload({ dd, folder }: Scene, name: string, text: string): Promise<Response> {
  const form = new FormData();
  form.append('pkg_id', 'm2020-spice');
  form.append('ocs_path', `/${folder}`);
  form.append('overwrite', 'true');
  form.append('file', new Blob([text]), name);
  return fetch(`${dd.url}/api/UploadAutoForce`, {
    method: 'POST',
    body: form,
    headers: { cookie: dd.cookie('user-a') },
  });
}

await faultFamily('uploads', () => ({ main: () => ({}) }), {
  slowUpload: {
    async play(scene) {
      scene.dd.setFault('slowUpload', 5000, { count: 1 });
      const sending = upload(scene, 'f1.txt', 'uploaded');
      expect(await scene.products()).toBe('products list (exit 0): 0 products, each once');
      expect((await sending).status).toBe(200);
      await scene.settled(1);
    },
  },
  uploadStatus: {
    async play(scene) {
      await expect.poll(() => scene.dd.state().sockets, { timeout: 60_000 }).toBeGreaterThan(0);
      scene.dd.setFault('uploadStatus', true);
      scene.dd.setFault('stringBooleans', true);
      expect((await upload(scene, 'f1.txt', 'uploaded')).status).toBe(200);
      await scene.settled(1);
    },
  },
});
