import { spawn } from 'node:child_process';
import { describe, expect, it, vi } from 'vitest';
import { silentLog } from '../log.js';
import { isAlive } from './postmaster.js';
import { type Running, supervise } from './supervise.js';

const process_ = (seconds: number): Running => {
  const child = spawn('sleep', [String(seconds)]);
  return { pid: child.pid!, ended: new Promise((resolve) => child.once('exit', () => resolve())) };
};

describe('supervise', () => {
  it('replaces what ends, tries again what does not start, and ends the last one', async () => {
    const made: (Running | Error)[] = [];
    const next = async () => {
      const running = made.length === 0 ? new Error('port taken') : process_(60);
      made.push(running);
      if (running instanceof Error) throw running;
      return running;
    };
    const first = process_(60);
    const supervised = supervise(first, next, silentLog);
    expect(supervised.pid()).toBe(first.pid);
    process.kill(first.pid, 'SIGKILL');
    const second = await vi.waitFor(() => {
      const running = made[1];
      if (!running || running instanceof Error) throw new Error('not yet');
      return running;
    });
    await vi.waitFor(() => expect(supervised.pid()).toBe(second.pid));
    await supervised.stop();
    expect(isAlive(second.pid)).toBe(false);
    expect(made).toHaveLength(2);
  });

  it('ends one that comes up while it is being stopped', async () => {
    let arrive: (running: Running) => void = () => undefined;
    const first = process_(0);
    const bringUp = vi.fn(
      () =>
        new Promise<Running>((resolve) => {
          arrive = resolve;
        }),
    );
    const supervised = supervise(first, bringUp, silentLog);
    await vi.waitFor(() => expect(bringUp).toHaveBeenCalled());
    const stopping = supervised.stop();
    const late = process_(60);
    arrive(late);
    await stopping;
    expect(isAlive(late.pid)).toBe(false);
  });

  it('stops at once while it waits to try again', async () => {
    const bringUp = vi.fn(() => Promise.reject(new Error('disk full')));
    const supervised = supervise(process_(0), bringUp, silentLog);
    await vi.waitFor(() => expect(bringUp.mock.calls.length).toBeGreaterThan(1));
    await supervised.stop();
    const calls = bringUp.mock.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(bringUp.mock.calls.length).toBe(calls);
  });
});
