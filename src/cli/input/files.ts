import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { DecodeError } from '../../mal/index.js';
import { decodeTree, type FilterTree } from '../../mpd/filter/index.js';
import type { Context } from '../context.js';
import { usage } from '../exit-codes.js';

/** JSON or YAML written into the argument, or `@file`, or `-` for standard input. */
export async function readDocument(context: Context, argument: string, option: string): Promise<unknown> {
  const text = await readText(context, argument, option);
  try {
    return parse(text) as unknown;
  } catch (error) {
    throw usage(`${option}: is neither JSON nor YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}

async function readText(context: Context, argument: string, option: string): Promise<string> {
  if (argument === '-') {
    const chunks: Uint8Array[] = [];
    for await (const chunk of context.stdin) chunks.push(chunk);
    return Buffer.concat(chunks).toString('utf8');
  }
  if (!argument.startsWith('@')) return argument;
  try {
    return readFileSync(resolve(context.cwd, argument.slice(1)), 'utf8');
  } catch (error) {
    throw usage(`${option}: ${argument.slice(1)} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

export async function readTree(context: Context, argument: string, option: string): Promise<FilterTree> {
  const document = await readDocument(context, argument, option);
  try {
    return decodeTree(document);
  } catch (error) {
    if (error instanceof DecodeError) throw usage(`${option}: ${error.message}`);
    throw error;
  }
}
