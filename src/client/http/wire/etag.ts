/** Strong entity tag of a revision. */
export const etagOf = (revision: string): string => `"${Buffer.from(revision).toString('base64url')}"`;
