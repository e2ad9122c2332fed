import { describe, expect, it } from 'vitest';
import { targetPath } from './target-path.js';

describe('targetPath', () => {
  it.each([
    ['file:///data/in', 'file://', '/data/in/f'],
    ['file:///data//in/', 'file://', '/data/in/f'],
    ['file:///data/a%20b', 'file://', '/data/a b/f'],
    ['sftp://user:pw@HOST:22/in/', 'sftp://host', '/in/f'],
    ['sftp://host:2222/in', 'sftp://host:2222', '/in/f'],
    ['https://host:443/dav/', 'https://host', '/dav/f'],
    ['s3://bucket/a//b/', 's3://bucket', '/a//b/f'],
    ['sftp://host', 'sftp://host', '/f'],
    ['sftp://host/%zz', 'sftp://host', '/%zz/f'],
  ])('%s is %s %s', (uri, target, path) => expect(targetPath(new URL(uri), 'f')).toEqual({ target, path }));
});
