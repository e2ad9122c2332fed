/** Strong entity tag of a revision, or of another form of it. */
export const etagOf = (revision: string, form?: string): string =>
  `"${Buffer.from(revision).toString('base64url')}${form === undefined ? '' : `;${encodeURIComponent(form)}`}"`;
