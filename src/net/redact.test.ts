import { describe, expect, it } from 'vitest';
import { redact, redactPassword, redactText } from './redact.js';

describe('redact', () => {
  it.each([
    ['sftp://ops:s3cret@host/in', 'sftp://host/in'],
    ['sftp://ops@host/in', 'sftp://host/in'],
    ['https://u:p@ss@host:8443/a?b=c', 'https://host:8443/a?b=c'],
    [
      'https://s3/b/k?X-Amz-Signature=abc&versionId=1&X-Amz-Credential=k%2Fr',
      'https://s3/b/k?X-Amz-Signature=…&versionId=1&X-Amz-Credential=…',
    ],
    ['https://h/x?api%5Fkey=k&%ff=1&Token=t#f', 'https://h/x?api%5Fkey=…&%ff=1&Token=…#f'],
    ['sftp://u:p/a@host/in', 'sftp://host/in'],
    ['file:///a/b@c', 'file:///a/b@c'],
    ['s3://bucket/a@b', 's3://bucket/a@b'],
    ['mailto:a@b', 'mailto:a@b'],
  ])('%s → %s', (uri, shown) => {
    expect(redact(uri)).toBe(shown);
  });

  it('keeps the user but no password where an order shows where it delivers', () => {
    expect(redactPassword('sftp://ops:s3cret@host:22/in?x')).toBe('sftp://ops@host:22/in?x');
    expect(redactPassword('sftp://:s3cret@host/in')).toBe('sftp://host/in');
    expect(redactPassword('sftp://ops:a@b@host/in')).toBe('sftp://ops@host/in');
    expect(redactPassword('file:///a@b')).toBe('file:///a@b');
  });

  it('cleans every URI in a message', () => {
    expect(redactText('put "ftp://a:b@h/x" failed after https://h/k?sig=q&n=1, see sftp://u@h')).toBe(
      'put "ftp://h/x" failed after https://h/k?sig=…&n=1, see sftp://h',
    );
  });
});
